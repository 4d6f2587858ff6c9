// Rules of directory numbers.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_LINE_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_LINE_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckLine(const RuleContext& c, const LineEntry& line);
// The lines of a phone.
void CheckPhoneLines(const RuleContext& c, const PhoneEntry& phone);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_LINE_RULES_H_
