// What the costly rules of a plan may spend.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_RULE_EFFORT_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_RULE_EFFORT_H_

#include <algorithm>
#include <cstddef>
#include <set>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/cover_search.h"
#include "services/dialplan/core/plan_fault.h"

namespace sallyport::dialplan {

// Whether a pattern can ever be chosen, and whether a number can go round, are
// questions that can cost without bound. A rule stops at these steps, takes the
// write, and says in `unchecked` what it has not looked at. Thread-compatible.
struct RuleEffort {
  static constexpr size_t kStepsForOne = 2000000;
  static constexpr size_t kStepsForAll = 20000000;

  size_t left = kStepsForAll;
  // All that is written with what is looked at, and so is looked at itself.
  std::set<std::string_view> together;
  std::vector<NamedFault> unchecked;

  // For one question; what is not spent is given back.
  CoverBudget Take() {
    const size_t steps = std::min(kStepsForOne, left);
    left -= steps;
    return {steps};
  }
  void GiveBack(const CoverBudget& budget) { left += budget.left; }
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_RULE_EFFORT_H_
