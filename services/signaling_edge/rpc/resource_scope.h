// What a name or parent in a request of SignalingEdgeService means.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_RESOURCE_SCOPE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_RESOURCE_SCOPE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {

inline constexpr char kAllTenants[] = "tenants/-";

inline absl::Status NotFound(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound, "NOT_FOUND",
                   absl::StrCat("there is no ", name));
}

inline absl::Status CheckParent(const std::string& parent) {
  const std::string tenant(TenantOfName(absl::StrCat(parent, "/")));
  if (!tenant.empty() && parent == absl::StrCat("tenants/", tenant)) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                   "parent must be tenants/{tenant} or tenants/-",
                   {{"parent", "must be tenants/{tenant} or tenants/-"}});
}

// Whether `name`, of a resource or "tenants/{t}", is the parent's.
inline bool BelongsTo(const std::string& name, const std::string& parent) {
  return parent == kAllTenants || name == parent ||
         (name.size() > parent.size() && name[parent.size()] == '/' &&
          name.compare(0, parent.size(), parent) == 0);
}

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_RESOURCE_SCOPE_H_
