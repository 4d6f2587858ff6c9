// Rules of users and phones.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_MEMBER_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_MEMBER_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckUser(const RuleContext& c, const UserEntry& user);
void CheckPhone(const RuleContext& c, const PhoneEntry& phone);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_MEMBER_RULES_H_
