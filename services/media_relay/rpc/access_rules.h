// Who may call which method of MediaRelayService.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_ACCESS_RULES_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_ACCESS_RULES_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/rpc/access_policy.h"

namespace sallyport::media_relay {

// "/sallyport.media_relay.v1.MediaRelayService/<method>".
std::string MethodPath(std::string_view method);

// `session_owners`: services that may make and change sessions; empty:
// signaling_edge. Sessions are theirs alone; operators look and end.
std::vector<MethodRule> MediaRelayAccessRules(
    const std::vector<std::string>& session_owners);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_ACCESS_RULES_H_
