// What manifests would change in what is there.

#ifndef SALLYPORT_TOOLS_CLI_CHANGE_SET_H_
#define SALLYPORT_TOOLS_CLI_CHANGE_SET_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "tools/cli/manifest.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

// One document beside what is there.
struct PlannedWrite {
  const ManifestEntry* entry = nullptr;
  std::unique_ptr<google::protobuf::Message> current;  // null: none
  std::unique_ptr<google::protobuf::Message> wanted;   // as it will be
  std::vector<std::string> fields;  // of it, that are written
  bool changes = false;             // something is to be written
  // It holds what nobody can read back, so that `wanted` does not show it all.
  bool hides = false;
};

// What is deleted, beside what is written.
struct PlannedDelete {
  const ResourceKind* kind = nullptr;
  std::unique_ptr<google::protobuf::Message> current;
};

struct ChangeSet {
  std::vector<PlannedWrite> writes;    // one for each entry, in their order
  std::vector<PlannedDelete> deletes;  // what refers to others comes first
};

struct ChangeOptions {
  // Documents are whole: fields that they do not have are emptied, but for what
  // nobody can read back.
  bool replace = false;
  // Resources of these kinds in `prune_tenant` that no document names are
  // deleted.
  std::vector<const ResourceKind*> prune_kinds;
  std::string prune_tenant;  // "tenants/t"
};

// Compares `entries`, which must outlive the result, with what the services
// hold.
absl::StatusOr<ChangeSet> PlanChanges(ServiceClients& clients,
                                      const std::vector<ManifestEntry>& entries,
                                      const ChangeOptions& options);

// Asks dialplan whether it would take all its changes together: OK, or
// CHANGE_REFUSED with every violation by document and field, or what kept it
// from answering.
absl::Status CheckChanges(ServiceClients& clients, const ChangeSet& set);

// Puts referrers before what they refer to, as far as circles allow.
void OrderForDelete(std::vector<PlannedDelete>& deletes);

// Deletes all of them, one after the other; `report` is told of each. Where
// references are a circle, they are emptied first. Goes on after a failure,
// except that of a service that does not answer.
struct DeleteOptions {
  bool ignore_missing = false;
  bool dry_run = false;
};
using DeleteReport =
    std::function<void(const PlannedDelete&, const absl::Status&)>;
void DeleteAll(ServiceClients& clients,
               const std::vector<PlannedDelete>& deletes,
               const DeleteOptions& options, const DeleteReport& report);

// "Peer tenants/default/peers/gw"
std::string Described(const ResourceKind& kind, const std::string& name);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CHANGE_SET_H_
