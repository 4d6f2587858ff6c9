// Who may call which method of dialplan.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_ACCESS_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_ACCESS_RULES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "services/common/rpc/access_policy.h"

namespace sallyport::dialplan {

// "/sallyport.dialplan.v1.DialplanService/GetPeer".
std::string MethodPath(std::string_view method);

// A rule for every method of the API: reads from viewer, writes from operator,
// those of tenants from admin, the stream for `watchers` alone. capf may read a
// tenant, and write what ServiceMayUpdate() says.
std::vector<MethodRule> DialplanAccessRules(
    const std::vector<std::string>& watchers);

// What a service may change of a tenant: the cluster security mode.
// PERMISSION_DENIED, reason FIELD_NOT_ALLOWED, for anything else.
absl::Status ServiceMayUpdate(
    const ::sallyport::dialplan::v1::UpdateTenantRequest& request);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_ACCESS_RULES_H_
