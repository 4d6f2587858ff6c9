// Rules of peers.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PEER_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PEER_RULES_H_

#include <string>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckPeer(const RuleContext& c, const PeerEntry& configured);

// All that is wrong with a peer that is in `plan`, after a change of what it
// depends on. Pure.
PlanFaults FaultsOfPeer(const Plan& plan, const std::string& name);

// The peers of a tenant, after a change of what they inherit; what is wrong
// with them is blamed on `field`, as nothing was before. Pure.
void CheckPeersOf(const RuleContext& c, const std::string& field,
                  const std::string& tenant);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PEER_RULES_H_
