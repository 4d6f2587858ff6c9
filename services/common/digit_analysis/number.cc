#include "services/common/digit_analysis/number.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr char kSymbols[] = "0123456789*#+ABCD";

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "NUMBER_INVALID", what);
}

}  // namespace

int DialSymbolOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'D') return c - 'A' + 13;
  switch (c) {
    case '*':
      return 10;
    case '#':
      return 11;
    case '+':
      return 12;
    default:
      return -1;
  }
}

char DialCharOf(int symbol) { return kSymbols[symbol]; }

absl::StatusOr<Number> Number::Parse(std::string_view text) {
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '-' || c == '.' || c == '(' || c == ')') continue;
    if (c >= 'a' && c <= 'd') c = static_cast<char>(c - 'a' + 'A');
    if (DialSymbolOf(c) < 0) {
      return Invalid(
          absl::StrCat("character ", i + 1, " is no dialling symbol"));
    }
    if (c == '+' && !digits.empty()) {
      return Invalid(
          absl::StrCat("'+' at character ", i + 1, ": it can only come first"));
    }
    if (digits.size() == kMaxNumberLength) {
      return Invalid(
          absl::StrCat("longer than ", kMaxNumberLength, " symbols"));
    }
    digits.push_back(c);
  }
  if (digits.empty() || digits == "+") {
    return Invalid("no digits");
  }
  return Number(std::move(digits));
}

}  // namespace sallyport
