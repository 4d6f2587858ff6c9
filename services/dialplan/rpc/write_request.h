// What all requests that write have in common.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_WRITE_REQUEST_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_WRITE_REQUEST_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "services/common/rpc/caller_identity.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/rpc/resource_kind.h"

namespace sallyport::dialplan {

// INVALID_ARGUMENT that names one field.
absl::Status BadField(std::string_view field, std::string_view reason,
                      std::string_view what);

// "tenants/{id}".
absl::Status CheckParent(std::string_view parent);
absl::Status CheckRequestId(const google::protobuf::Message& request);

// The kind that `name` is one of, which must be a resource of the tenant, or
// the tenant itself; null otherwise.
const ResourceKind* KindIn(const std::string& tenant, const std::string& name);

// "UpdatePeer" of an UpdatePeerRequest.
std::string MethodOf(const google::protobuf::Message& request);

// Who asks, and what tells the request from others. Immutable.
struct WriteIdentity {
  bool validate_only = false;
  CausePtr cause;
  std::string request_key;  // empty: it is not to be remembered
  std::string request_hash;

  // `key` is the store's own: it makes hashes that cannot be guessed from.
  WriteIdentity(std::string_view verb, const CallerIdentity& caller,
                const google::protobuf::Message& request,
                const std::string& key);

  void Fill(PlanEdit& edit) const;
  void Fill(PlanBatch& batch) const;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_WRITE_REQUEST_H_
