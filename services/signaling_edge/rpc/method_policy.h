// Who may call which method of SignalingEdgeService.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_METHOD_POLICY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_METHOD_POLICY_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/rpc/access_policy.h"

namespace sallyport::signaling_edge {

// "/sallyport.signaling_edge.v1.SignalingEdgeService/GetCall".
std::string MethodPath(std::string_view name);

// Operators only: no other service has business here.
std::vector<MethodRule> MethodRules();

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_METHOD_POLICY_H_
