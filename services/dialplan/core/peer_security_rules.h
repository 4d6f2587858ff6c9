// How peers are protected and recognised: the security mode of their plan,
// their trunk security profile, source addresses, certificates.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PEER_SECURITY_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PEER_SECURITY_RULES_H_

#include <string_view>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Of a peer as it was written. What its profile gives it is blamed on the
// profile. Pure.
void CheckPeerSecurity(const RuleContext& c, const PeerEntry& configured);

// Whether edges can judge peers by this trust store.
bool IsPeerTrustStore(std::string_view store);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PEER_SECURITY_RULES_H_
