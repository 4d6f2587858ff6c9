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
//   @            a number of a numbering plan; at most one. Such a pattern
//                stands for one pattern for each form of number that the plan
//                has (numbering_plan.h), and each is matched and counted alone

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIAL_PATTERN_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIAL_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

// What a part of a number is for, in the words that discard-digits
// instructions use (protocols.md section 11.3).
enum class NumberPart : uint8_t {
  kAreaCode,
  kCountryCode,
  kEndOfDialling,
  kInternationalAccess,
  kInternationalDirectDial,
  kInternationalOperator,
  kLocalAreaCode,
  kLocalDirectDial,
  kLocalOperator,
  kLongDistanceDirectDial,
  kLongDistanceOperator,
  kNationalNumber,
  kOfficeCode,
  kService,
  kSubscriber,
  kTransitNetwork,
  kTransitNetworkEscape,
};

// One form of number of a numbering plan: what '@' may stand for.
struct NumberingForm {
  struct Part {
    NumberPart part;
    size_t elements;  // how many of `elements`, in order
  };
  std::string name;  // as its data calls it: "long distance, direct"
  std::string text;  // as a pattern
  std::vector<PatternElement> elements;
  std::vector<Part> parts;
};

// How many strings of each length a pattern matches. Immutable.
class StringCount {
 public:
  StringCount() = default;
  // Not OK, reason PATTERN_TOO_COMPLEX: several open elements overlap so that
  // counting would take more than kMaxStates states.
  static absl::StatusOr<StringCount> Of(
      const std::vector<PatternElement>& elements);

  static constexpr size_t kMaxStates = 256;

  // `length` is at most kMaxNumberLength.
  MatchCount At(size_t length) const;
  // The shortest string, in symbols; numbers are never empty.
  size_t min_length() const { return min_length_; }
  // Whether there is no longest.
  bool open_ended() const { return open_ended_; }

  bool operator==(const StringCount&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const StringCount& c) {
    return H::combine(std::move(h), c.min_length_, c.open_ended_,
                      c.open_symbols_, c.fixed_product_.low());
  }

 private:
  uint8_t min_length_ = 0;
  bool open_ended_ = false;
  // With at most one open element the count is a product: of the others, and
  // of the open one for each further place.
  uint8_t open_symbols_ = 0;  // how many; 0 = no open element
  MatchCount fixed_product_;
  // With several, it is counted once and kept, by length.
  std::vector<MatchCount> counts_;
};

// A pattern that was read, with its counts. Immutable.
class DialPattern {
 public:
  // Reads a pattern without '@'. Returns kInvalidArgument with a reason
  // (PATTERN_EMPTY, PATTERN_TOO_LONG, PATTERN_BAD_CHARACTER,
  // PATTERN_BAD_CLASS, PATTERN_BAD_REPEAT, PATTERN_TWO_DOTS,
  // PATTERN_NEVER_MATCHES, PATTERN_TOO_COMPLEX, as StringCount,
  // PATTERN_TWO_ATS, PATTERN_NUMBERING_PLAN_UNAVAILABLE) and a message that
  // names the place, counted in characters from 1. `form` is what '@' stands
  // for; without one
  // '@' is an error, and so is a form without '@' to put it.
  static absl::StatusOr<DialPattern> Parse(std::string_view text,
                                           const NumberingForm* form = nullptr);

  // The elements alone, of a pattern without '@', at the cost of its length:
  // counting can cost a thousand times more. Errors as Parse(), but for
  // PATTERN_TOO_COMPLEX.
  static absl::StatusOr<std::vector<PatternElement>> ReadElements(
      std::string_view text);

  const std::string& text() const { return text_; }
  const std::vector<PatternElement>& elements() const { return elements_; }
  bool has_dot() const { return dot_.has_value(); }
  const StringCount& count() const { return count_; }
  size_t min_length() const { return count_.min_length(); }
  bool open_ended() const { return count_.open_ended(); }
  // The form that '@' stands for here, or null. Lives as long as its plan.
  const NumberingForm* form() const { return form_; }

  // Whether it matches `number`, symbols all. One step per symbol.
  bool Matches(std::string_view number) const;
  // How many symbols from the left some number that it matches could share
  // with `number`: number.size() if it is a match or could become one.
  size_t MatchedPrefix(std::string_view number) const;
  // How many strings of `length` symbols it matches; `length` is at most
  // kMaxNumberLength.
  MatchCount CountStrings(size_t length) const { return count_.At(length); }
  // How many symbols of `number`, which it matches, belong to the access code
  // before '.'; the fewest if there is a choice. 0 without a dot.
  size_t PreDotLength(std::string_view number) const;
  // The same of what stands before '@'. 0 without one.
  size_t PreAtLength(std::string_view number) const;
  // Where in `number`, which it matches, the parts of its form lie, in order;
  // empty without '@'.
  struct PlacedPart {
    NumberPart part;
    size_t begin;
    size_t end;
  };
  std::vector<PlacedPart> PartsOf(std::string_view number) const;

 private:
  DialPattern() = default;

  // All but the counts.
  static absl::StatusOr<DialPattern> Read(std::string_view text,
                                          const NumberingForm* form);
  // How many symbols belong to the elements before `element`; the fewest.
  size_t LengthBefore(size_t element, std::string_view number) const;

  std::string text_;
  std::vector<PatternElement> elements_;
  std::optional<size_t> dot_;  // stands before this element
  size_t at_ = 0;              // where the form begins, if there is one
  const NumberingForm* form_ = nullptr;
  StringCount count_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIAL_PATTERN_H_
