// Whether other patterns leave anything to one.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_COVER_SEARCH_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_COVER_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "services/common/digit_analysis/dial_pattern.h"

namespace sallyport {

// The patterns that a pattern competes with, found by the digits that they
// begin with, so that a search reads only those that it meets.
class CoverSource {
 public:
  virtual ~CoverSource() = default;

  // Whether any of them may begin with the symbols `digits`, each once.
  virtual bool AnyBelow(std::string_view digits) const = 0;

  // Calls `visit` with each whose first elements are the single symbols
  // `digits`, and whose next is something else. `wins_ties`: it is taken where
  // both match as many strings.
  // `id` is the caller's, for CoverAnswer::winners.
  using Visit = absl::FunctionRef<void(const DialPattern& pattern,
                                       bool wins_ties, uint32_t id)>;
  virtual void ForEachAt(std::string_view digits, Visit visit) const = 0;

  // Those that are just this number.
  enum class Exact { kNone, kLosesTies, kWinsTies };
  virtual Exact ExactAt(std::string_view number, uint32_t* id) const = 0;
};

// How much work may still be done, in steps of a pattern by a symbol, some 10
// ns each. Thread-compatible.
struct CoverBudget {
  size_t left = 0;

  // False once there is none.
  bool Spend(size_t steps) {
    left -= steps < left ? steps : left;
    return left != 0;
  }
};

struct CoverAnswer {
  enum class State {
    kOpen,     // it takes `number`
    kCovered,  // for each number that it matches there is another that wins
    kUnknown,  // the budget was not enough to tell
  };
  State state = State::kUnknown;
  std::string number;
  std::vector<uint32_t> winners;  // ids of others that leave it nothing
};

// Whether there is a number for which `pattern` is chosen: that it matches, and
// that none of `others` matches more closely, or as closely and wins ties
// (protocols.md section 11.2). Exact: a search over sets of numbers that behave
// alike, length by length. What it decides is NP-hard, so it is bounded by
// `budget`. Pure.
CoverAnswer SearchUncovered(const DialPattern& pattern,
                            const CoverSource& others, CoverBudget& budget);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_COVER_SEARCH_H_
