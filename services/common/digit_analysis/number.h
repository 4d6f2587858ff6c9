// A dialled number: the symbols that digit analysis works on.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace sallyport {

// The alphabet: 0-9, '*', '#', '+', 'A'-'D'. A symbol's value is its index.
inline constexpr int kDialSymbols = 17;

// Longest number, in symbols. E.164 needs 16 with its '+'; the rest is for
// access codes and for what a PBX puts in front.
inline constexpr size_t kMaxNumberLength = 48;

// The index of a symbol's character, or -1 if it is none.
int DialSymbolOf(char c);
// The character of a symbol; `symbol` is in [0, kDialSymbols).
char DialCharOf(int symbol);

// A number of 1 to kMaxNumberLength symbols; '+' can only be the first.
// Immutable.
class Number {
 public:
  // Reads a number as RFC 3966 section 3 writes it: the visual separators
  // '-', '.', '(' and ')' are left out; 'a' to 'd' are read as 'A' to 'D'.
  // Anything else, a name such as "alice" among it, is kInvalidArgument, reason
  // NUMBER_INVALID.
  static absl::StatusOr<Number> Parse(std::string_view text);

  const std::string& text() const { return text_; }

  bool operator==(const Number&) const = default;

 private:
  explicit Number(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBER_H_
