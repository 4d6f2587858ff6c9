// All that apply and delete would do to dialplan, as one write.

#ifndef SALLYPORT_TOOLS_CLI_APPLY_TOGETHER_H_
#define SALLYPORT_TOOLS_CLI_APPLY_TOGETHER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "tools/cli/change_set.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

struct TogetherOptions {
  bool dry_run = false;
  bool ignore_missing = true;  // of deletes
};

// What became of them.
struct TogetherResult {
  bool done = false;  // false: they do not fit into one write, or the service
                      // is too old to take it; nothing was written
  // By name: "created", "updated", "unchanged" or "deleted".
  std::map<std::string, std::string> outcomes;
  // "warning: NAME field: REASON: ..." of what is most likely not meant.
  std::vector<std::string> warnings;
};

// Makes all changes of `set` to dialplan: of each tenant in one transaction, so
// that changes that are good only together are taken, and none is made if one
// is refused. Several tenants are tried first, and none is changed if one would
// be refused. CHANGE_REFUSED names every violation by document and field.
absl::StatusOr<TogetherResult> ApplyTogether(ServiceClients& clients,
                                             const ChangeSet& set,
                                             const TogetherOptions& options);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_APPLY_TOGETHER_H_
