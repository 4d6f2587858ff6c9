// Create, Get, List, Update and Delete of every kind, once.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_METHODS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_METHODS_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "sallyport/dialplan/v1/import.pb.h"
#include "services/common/rpc/caller_identity.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/io/plan_writer.h"
#include "services/dialplan/rpc/page_token.h"
#include "services/dialplan/rpc/resource_kind.h"

namespace sallyport::dialplan {

// The standard methods, which differ in names only: requests and answers are
// read and filled by reflection. The caller has been authorized for the tenant
// that TenantOfRequest() names. Thread-safe.
class ResourceMethods {
 public:
  using Done = std::function<void(absl::Status)>;

  // All must outlive this object. `key` is the store's own: it makes page
  // tokens, and hashes of requests that cannot be guessed from.
  ResourceMethods(const PlanBoard& board, PlanWriter& writer, std::string key)
      : board_(board), writer_(writer), tokens_(key), key_(std::move(key)) {}

  absl::Status Get(const ResourceKind& kind,
                   const google::protobuf::Message& request,
                   google::protobuf::Message& response) const;
  // Tenants are listed as far as the caller may see them.
  absl::Status List(const ResourceKind& kind, const CallerIdentity& caller,
                    const google::protobuf::Message& request,
                    google::protobuf::Message& response) const;

  // Writes answer later, on the writer's thread, or at once if they are
  // malformed; `response` must live until then.
  void Create(const ResourceKind& kind, const CallerIdentity& caller,
              const google::protobuf::Message& request,
              google::protobuf::Message* response, Done done);
  void Update(const ResourceKind& kind, const CallerIdentity& caller,
              const google::protobuf::Message& request,
              google::protobuf::Message* response, Done done);
  void Delete(const ResourceKind& kind, const CallerIdentity& caller,
              const google::protobuf::Message& request, Done done);

  // Writes a table of resources of one kind, all or none. `request` has
  // `parent`, `csv` and the fields of every write. Faults are in the result;
  // what made the whole request one is the status.
  void Import(const ResourceKind& kind, const CallerIdentity& caller,
              const google::protobuf::Message& request,
              ::sallyport::dialplan::v1::ImportResult* result, Done done);

  // The tenant's id that a request is about; empty for lists and creates of
  // tenants.
  static std::string TenantOfRequest(const google::protobuf::Message& request);

 private:
  void Submit(PlanEdit edit, google::protobuf::Message* response, Done done);

  const PlanBoard& board_;
  PlanWriter& writer_;
  const PageTokens tokens_;
  const std::string key_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_METHODS_H_
