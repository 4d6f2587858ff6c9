// A pattern as a machine that reads a number symbol by symbol.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PATTERN_AUTOMATON_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PATTERN_AUTOMATON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"

namespace sallyport {

// The machine of a row of elements: bit i of a set of states is "all before
// element i is done". A step is a few machine words, whatever the pattern.
// Immutable.
class PatternAutomaton {
 public:
  using States = uint64_t;

  explicit PatternAutomaton(absl::Span<const PatternElement> elements);

  // After nothing; and after elements that are single symbols, `done` of them.
  States Start() const { return After(0); }
  States After(size_t done) const { return Close(States{1} << done); }

  States Step(States states, int symbol) const {
    const States reads = by_symbol_[static_cast<size_t>(symbol)];
    return Close(((states & reads & advances_) << 1) |
                 (((states >> 1) & reads & loops_) << 1));
  }
  bool Accepts(States states) const { return states >> size_ & 1; }

  // The states from which exactly `symbols` more could end in a match; at most
  // kMaxNumberLength.
  States ReachableWith(size_t symbols) const { return reach_[symbols]; }

 private:
  States Close(States states) const {
    // An optional element may be passed over, and so may the next one.
    for (;;) {
      const States next = states | ((states & optional_) << 1);
      if (next == states) return states;
      states = next;
    }
  }

  size_t size_;
  std::array<States, kDialSymbols> by_symbol_{};
  States advances_ = 0;  // elements that are read at least once
  States loops_ = 0;     // elements that may be read again
  States optional_ = 0;
  std::array<States, kMaxNumberLength + 1> reach_{};
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PATTERN_AUTOMATON_H_
