// Rules of SIP profiles (CUC-25).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_SIP_PROFILE_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_SIP_PROFILE_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// A profile by itself: what its peers set themselves goes before it, so that
// nothing of theirs can contradict it. Pure.
void CheckSipProfile(const RuleContext& c, const SipProfileEntry& profile);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_SIP_PROFILE_RULES_H_
