#include "services/common/digit_analysis/pattern_automaton.h"

#include <cstddef>

namespace sallyport {

using Repeat = PatternElement::Repeat;

PatternAutomaton::PatternAutomaton(absl::Span<const PatternElement> elements)
    : size_(elements.size()) {
  for (size_t i = 0; i < elements.size(); ++i) {
    const States bit = States{1} << i;
    for (size_t symbol = 0; symbol < kDialSymbols; ++symbol) {
      if (elements[i].symbols >> symbol & 1) by_symbol_[symbol] |= bit;
    }
    if (elements[i].repeat != Repeat::kNoneOrMore) advances_ |= bit;
    if (elements[i].repeat != Repeat::kOnce) loops_ |= bit;
    if (elements[i].repeat == Repeat::kNoneOrMore) optional_ |= bit;
  }
  reach_[0] = States{1} << size_;
  for (size_t left = 1; left <= kMaxNumberLength; ++left) {
    // What is closed holds the state behind what it passes over.
    States behind = 0;
    for (size_t i = 0; i <= size_; ++i) {
      if (Close(States{1} << i) & reach_[left - 1]) behind |= States{1} << i;
    }
    reach_[left] = (advances_ & (behind >> 1)) | ((loops_ << 1) & behind);
    if (reach_[left] == 0) break;
  }
}

}  // namespace sallyport
