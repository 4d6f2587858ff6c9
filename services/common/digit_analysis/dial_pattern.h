// One dial pattern: its syntax, what it matches and how closely.
//
// The characters are those of protocols.md section 11.1:
//
//   0-9 * # A-D  themselves        X        one digit
//   \+           a literal plus    !        one or more digits
//   [1-46*]      one of these      [^1-4]   one digit that is not of these
//   +            one or more of the preceding digit or class
//   ?            none or more of the preceding digit or class
//   .            the end of the access code; consumes nothing; at most one
//
// '@', the numbering plan macro, is refused by name: no numbering plan is
// loaded here.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIAL_PATTERN_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIAL_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/digit_analysis/match_count.h"

namespace sallyport {

// A set of dialling symbols: bit i is symbol i of number.h.
using SymbolSet = uint32_t;
inline constexpr SymbolSet kAllDigits = 0x3ff;

// Longest pattern text, and most elements in it.
inline constexpr size_t kMaxPatternLength = 128;
inline constexpr size_t kMaxPatternElements = 48;

struct PatternElement {
  enum class Repeat : uint8_t { kOnce, kOneOrMore, kNoneOrMore };
  SymbolSet symbols = 0;  // never empty
  Repeat repeat = Repeat::kOnce;

  bool operator==(const PatternElement&) const = default;
};

// A pattern that was read, with its counts. Immutable.
class DialPattern {
 public:
  // Returns kInvalidArgument with a reason (PATTERN_EMPTY, PATTERN_TOO_LONG,
  // PATTERN_BAD_CHARACTER, PATTERN_BAD_CLASS, PATTERN_BAD_REPEAT,
  // PATTERN_TWO_DOTS, PATTERN_NEVER_MATCHES, PATTERN_TOO_COMPLEX,
  // PATTERN_NUMBERING_PLAN_UNAVAILABLE) and a message that names the place,
  // counted in characters from 1.
  //
  // PATTERN_TOO_COMPLEX: several open elements overlap so that counting what
  // the pattern matches would take more than kMaxStates states.
  static absl::StatusOr<DialPattern> Parse(std::string_view text);

  static constexpr size_t kMaxStates = 256;

  const std::string& text() const { return text_; }
  const std::vector<PatternElement>& elements() const { return elements_; }
  bool has_dot() const { return dot_.has_value(); }
  // The shortest string that it matches, in symbols; numbers are never empty.
  size_t min_length() const { return min_length_; }
  // Whether there is no longest.
  bool open_ended() const { return open_ended_; }

  // Whether it matches `number`, symbols all. One step per symbol.
  bool Matches(std::string_view number) const;
  // How many symbols from the left some number that it matches could share
  // with `number`: number.size() if it is a match or could become one.
  size_t MatchedPrefix(std::string_view number) const;
  // How many strings of `length` symbols it matches; `length` is at most
  // kMaxNumberLength.
  MatchCount CountStrings(size_t length) const;
  // How many symbols of `number`, which it matches, belong to the access code
  // before '.'; the fewest if there is a choice. 0 without a dot.
  size_t PreDotLength(std::string_view number) const;

 private:
  DialPattern() = default;

  absl::Status Measure();

  std::string text_;
  std::vector<PatternElement> elements_;
  std::optional<size_t> dot_;  // stands before this element
  size_t min_length_ = 0;
  bool open_ended_ = false;
  // With at most one open element the count is a product: of the others, and
  // of the open one for each further place.
  MatchCount fixed_product_;
  uint32_t open_symbols_ = 0;  // how many; 0 = no open element
  // With several, it is counted once and kept, by length.
  std::vector<MatchCount> counts_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIAL_PATTERN_H_
