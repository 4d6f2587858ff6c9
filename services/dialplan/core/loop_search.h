// Numbers that go round, found among sets of numbers.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_SEARCH_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_SEARCH_H_

#include <optional>
#include <string>

#include "services/common/digit_analysis/cover_search.h"
#include "services/dialplan/core/number_walk.h"
#include "services/dialplan/core/plan.h"

namespace sallyport::dialplan {

struct LoopAnswer {
  std::optional<NumberWalk> loop;  // a number that goes round, and its way
  bool complete = true;  // false: the budget was not enough to look at all
};

// A loop that begins with a number that `translation` has taken, looked up
// where that says, or else in `caller_space`.
//
// Sets of numbers of one length, a set of symbols for each place, are followed
// through translations and lines that forward every call; each place of the
// number that comes out is one of the first number or fixed, so that what is
// asked of a number on its way is asked of the first one, and nothing is lost
// or added. What closer patterns take is cut out. A loop counts once a number
// of such a set goes round by the resolver that routes calls; what is found
// that does not, and what an extension takes that stands in such a set, is
// passed over: so a loop may be missed, and none is invented. Patterns with '@'
// are followed by a few numbers of theirs. Pure.
LoopAnswer FindLoop(const Plan& plan, const PlanRecord& translation,
                    const std::string& caller_space, CoverBudget& budget);

// Whether the resolver that routes calls, on that part of the plan which the
// walk's numbers meet, does not come to an end with it either. Pure.
bool GoesRound(const Plan& plan, const NumberWalk& walk);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_SEARCH_H_
