// Patterns to which others leave nothing.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_COVER_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_COVER_RULES_H_

#include <string>
#include <vector>

#include "services/common/digit_analysis/cover_search.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// PATTERN_NEVER_CHOSEN: for each number that the pattern of `record` matches
// another pattern of its partition wins, as it matches fewer strings of that
// length, or as many and comes first; or what is written takes from another
// pattern all that was left to it. Numbers, of lines, users and lamps, take
// nothing here, as they come and go by themselves: PlanFindings tells of those.
// Exact, but for what `c.effort` does not suffice for. Pure.
void CheckCover(const RuleContext& c, const PlanRecord& record);

struct CoverQuery {
  // Where to look, in the order that breaks ties: partitions, or for the null
  // partition the tenant. The pattern's own is among them.
  std::vector<std::string> spaces;
  bool with_numbers = false;  // lines, users and lamps take numbers too
  std::string without;        // a resource that is passed over; may be empty
};

struct Cover {
  CoverAnswer::State state = CoverAnswer::State::kOpen;
  std::string number;                // which it takes, if the state is kOpen
  std::vector<std::string> winners;  // that leave it nothing, by name
};

// What other patterns leave to that of `record`. kOpen for what has no pattern,
// or none that can be read. Pure.
Cover CoverOf(const Plan& plan, const PlanRecord& record,
              const CoverQuery& query, CoverBudget& budget);

// "a, b and 3 more"
std::string NamesText(const std::vector<std::string>& names);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_COVER_RULES_H_
