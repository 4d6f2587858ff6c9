// What '@' in a pattern stands for: numbering plans, as data.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBERING_PLAN_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBERING_PLAN_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// A numbering plan: its name, where its data is from, and every form of number
// that it has. Immutable.
class NumberingPlan {
 public:
  static constexpr size_t kMaxForms = 1000;

  // Reads a data file; numbering_plan_nanp.txt says how they are written.
  // kInvalidArgument, reason NUMBERING_PLAN_INVALID, naming the line.
  static absl::StatusOr<NumberingPlan> Parse(std::string_view text);

  const std::string& name() const { return name_; }
  const std::string& title() const { return title_; }
  const std::string& source() const { return source_; }
  const std::vector<NumberingForm>& forms() const { return forms_; }
  // The least that a call to `number` costs, which `pattern` matches with '@'
  // as the form of that index; the class of a route pattern is never below it.
  // kEmergency: it is one.
  TollClass LeastTollClass(const DialPattern& pattern, size_t form,
                           std::string_view number) const;

 private:
  NumberingPlan() = default;

  std::string name_;
  std::string title_;
  std::string source_;
  std::vector<NumberingForm> forms_;
  std::vector<TollClass> toll_classes_;  // of each form
  // A part with these digits has a class of its own.
  struct Code {
    NumberPart part;
    std::string digits;
    TollClass toll_class;
  };
  std::vector<Code> codes_;
};

// A plan that is compiled in, by name; empty is "nanp". Null if there is none.
const NumberingPlan* FindNumberingPlan(std::string_view name);

// The names of those that are.
std::vector<std::string_view> NumberingPlanNames();

// All that a pattern stands for: itself, or if it has a '@', one pattern for
// each form of the numbering plan. kInvalidArgument as DialPattern::Parse, or
// PATTERN_NUMBERING_PLAN_UNAVAILABLE for a plan that is not known.
absl::StatusOr<std::vector<DialPattern>> ParsePatterns(
    std::string_view text, std::string_view numbering_plan);

// The name of a part as its data and the operators call it: "AREA-CODE".
std::string_view NumberPartName(NumberPart part);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBERING_PLAN_H_
