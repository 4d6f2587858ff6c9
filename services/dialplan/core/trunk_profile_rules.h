// Rules of trunk security profiles (protocols.md section 8).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_TRUNK_PROFILE_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_TRUNK_PROFILE_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// A profile is also blamed for the peers that its change would strand. Pure.
void CheckTrunkProfile(const RuleContext& c,
                       const TrunkSecurityProfileEntry& profile);

// A server group, for the peers of secured plans that have it (UM-66). Pure.
void CheckGroupSecurity(const RuleContext& c, const ServerGroupEntry& group);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_TRUNK_PROFILE_RULES_H_
