// Where a number leads on the plan as it is written, for its rules. Calls are
// routed by the compiled plan of common/digit_analysis; this looks a number up
// in a plan that changes with every write.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_WALK_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_WALK_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/plan.h"

namespace sallyport::dialplan {

// What a number goes through for certain: translations, and lines that forward
// every call.
struct NumberWalk {
  enum class End {
    kNowhere,      // nothing takes the number
    kDestination,  // the last step takes it
    kLoop,         // it comes back to where it was, or never ends
  };
  struct Step {
    const PlanRecord* record;
    std::string number;        // with which it was reached
    std::string search_space;  // in which that was looked up
  };

  End end = End::kNowhere;
  std::vector<Step> steps;

  // Whether it comes by a resource.
  bool Meets(std::string_view name) const;
  // "5001, t/lines/a, 5002, t/lines/b", for an operator.
  std::string ToString() const;
};

// Follows `number`, dialled by one who has `search_space` (empty: the null
// partition alone). Closest match as protocols.md section 11.2 says. Pure.
NumberWalk WalkNumber(const Plan& plan, std::string_view tenant,
                      const std::string& search_space,
                      const std::string& number);

// The same of a number that `translation` has taken; `caller_space` is for one
// that looks up as its caller would.
NumberWalk WalkTranslation(const Plan& plan, const PlanRecord& translation,
                           const std::string& caller_space,
                           const std::string& number);

// The same of a forwarded call. `owner_space` and `owner_profile` are what the
// line or hunt pilot has of its own; both may be empty.
NumberWalk WalkForward(const Plan& plan, std::string_view tenant,
                       const CallForward& forward,
                       const std::string& owner_space,
                       const std::string& owner_profile);

// All that match `number` for one who has `search_space`, those that are
// disabled left out.
std::vector<const PlanRecord*> MatchesOf(const Plan& plan,
                                         std::string_view tenant,
                                         const std::string& search_space,
                                         const std::string& number);

// What a translation makes of a number that it matches; empty if nothing that
// could be looked up.
std::string Translated(const TranslationPatternEntry& entry,
                       const DialPattern& pattern, const std::string& number);

// A few numbers that a pattern matches: of its lowest and highest symbols, of
// the least length and of some greater ones.
std::vector<std::string> ExamplesOf(const DialPattern& pattern);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_WALK_H_
