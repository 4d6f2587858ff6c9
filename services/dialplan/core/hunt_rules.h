// Rules of line groups, hunt lists and hunt pilots (protocols.md section 12).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_HUNT_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_HUNT_RULES_H_

#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckLineGroup(const RuleContext& c, const LineGroupEntry& group);
void CheckHuntList(const RuleContext& c, const HuntListEntry& list);
void CheckHuntPilot(const RuleContext& c, const HuntPilotEntry& pilot);

// The phones that have the line, by name.
std::vector<std::string> PhonesOfLine(const Plan& plan,
                                      const std::string& line);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_HUNT_RULES_H_
