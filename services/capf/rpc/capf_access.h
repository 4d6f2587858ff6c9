// Who may call which method of capf.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_CAPF_ACCESS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_CAPF_ACCESS_H_

#include <string>
#include <vector>

#include "services/common/rpc/access_policy.h"

namespace sallyport::capf {

// `watchers` are the services that take the trust bundle.
std::vector<MethodRule> CapfMethodRules(
    const std::vector<std::string>& watchers);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_CAPF_ACCESS_H_
