#include "services/common/digit_analysis/transform.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

absl::Status CheckSymbols(std::string_view reason, std::string_view text,
                          bool allow_x) {
  if (text.size() > kMaxNumberLength) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, reason,
        absl::StrCat("longer than ", kMaxNumberLength, " characters"));
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (allow_x && text[i] == 'X') continue;
    if (DialSymbolOf(text[i]) < 0) {
      return MakeError(
          absl::StatusCode::kInvalidArgument, reason,
          absl::StrCat("character ", i + 1, ": only ", allow_x ? "X, " : "",
                       "0-9, *, #, A-D and a leading +"));
    }
    if (text[i] == '+' && i != 0) {
      return MakeError(
          absl::StatusCode::kInvalidArgument, reason,
          absl::StrCat("character ", i + 1, ": '+' can only come first"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view DiscardDigitsName(DiscardDigits discard) {
  switch (discard) {
    case DiscardDigits::kNone:
      return "NoDigits";
    case DiscardDigits::kPreDot:
      return "PreDot";
    case DiscardDigits::kPreDotTrailingPound:
      return "PreDot Trailing-#";
    case DiscardDigits::kTrailingPound:
      return "Trailing-#";
    case DiscardDigits::kPreAt:
      return "PreAt";
    case DiscardDigits::kPreAtTrailingPound:
      return "PreAt Trailing-#";
    case DiscardDigits::k11dTo10d:
      return "11D->10D";
    case DiscardDigits::k11d10dTo7d:
      return "11/10D->7D";
    case DiscardDigits::kIntlTollBypass:
      return "IntlTollBypass";
    case DiscardDigits::k1010Dialing:
      return "10-10-Dialing";
    case DiscardDigits::kIntlAccessIntlDirectDial:
      return "IntlAccess IntlDirectDial";
    case DiscardDigits::kPreDot1010Dialing:
      return "PreDot 10-10-Dialing";
    case DiscardDigits::kPreDot11dTo10d:
      return "PreDot 11D->10D";
  }
  return "NoDigits";
}

std::string ApplyDiscard(DiscardDigits discard, const DialPattern& pattern,
                         std::string_view number) {
  size_t begin = 0;
  size_t end = number.size();
  if (discard == DiscardDigits::kPreDot ||
      discard == DiscardDigits::kPreDotTrailingPound) {
    begin = pattern.PreDotLength(number);
  }
  if ((discard == DiscardDigits::kTrailingPound ||
       discard == DiscardDigits::kPreDotTrailingPound) &&
      end > begin && number[end - 1] == '#') {
    --end;
  }
  return std::string(number.substr(begin, end - begin));
}

std::string ApplyMask(std::string_view mask, std::string_view number) {
  if (mask.empty()) return std::string(number);
  std::string reversed;
  for (size_t i = 0; i < mask.size(); ++i) {
    const char c = mask[mask.size() - 1 - i];
    if (c != 'X') {
      reversed.push_back(c);
    } else if (i < number.size()) {
      reversed.push_back(number[number.size() - 1 - i]);
    }
  }
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

absl::Status CheckMask(std::string_view mask) {
  return CheckSymbols("MASK_INVALID", mask, /*allow_x=*/true);
}

absl::Status CheckPrefix(std::string_view prefix) {
  return CheckSymbols("PREFIX_INVALID", prefix, /*allow_x=*/false);
}

}  // namespace sallyport
