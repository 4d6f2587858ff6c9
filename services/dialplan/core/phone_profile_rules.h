// Rules of phone security profiles and of the phones that have one
// (protocols.md section 9).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PHONE_PROFILE_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PHONE_PROFILE_RULES_H_

#include <string>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// A profile is also blamed for the phones that its change would strand. Pure.
void CheckPhoneProfile(const RuleContext& c,
                       const PhoneSecurityProfileEntry& profile);

// A phone's profile against the mode of its dial plan. Pure.
void CheckPhoneSecurity(const RuleContext& c, const PhoneEntry& phone);

// The phones of a tenant, after a change of what they inherit; what is wrong
// with them is blamed on `field`. Pure.
void CheckPhonesOf(const RuleContext& c, const std::string& field,
                   const std::string& tenant);

// The profiles of a tenant whose cluster is no longer MIXED. Pure.
void CheckProfilesOfCluster(const RuleContext& c, const TenantEntry& tenant);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PHONE_PROFILE_RULES_H_
