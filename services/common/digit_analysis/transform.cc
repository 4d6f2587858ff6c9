#include "services/common/digit_analysis/transform.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

using Front = DiscardRule::Front;
using Inner = DiscardRule::Inner;

// In the order of DiscardDigits.
constexpr DiscardRule kRules[] = {
    {Front::kNothing, Inner::kNothing, false},
    {Front::kBeforeDot, Inner::kNothing, false},
    {Front::kBeforeDot, Inner::kNothing, true},
    {Front::kNothing, Inner::kNothing, true},
    {Front::kBeforeAt, Inner::kNothing, false},
    {Front::kBeforeAt, Inner::kNothing, true},
    {Front::kNothing, Inner::k11dTo10d, false},
    {Front::kNothing, Inner::k11d10dTo7d, false},
    {Front::kNothing, Inner::kIntlTollBypass, false},
    {Front::kNothing, Inner::k1010Dialing, false},
    {Front::kNothing, Inner::kIntlAccess, false},
    {Front::kBeforeDot, Inner::k1010Dialing, false},
    {Front::kBeforeDot, Inner::k11dTo10d, false},
    {Front::kNothing, Inner::k1010Dialing, true},
    {Front::kNothing, Inner::k11d10dTo7d, true},
    {Front::kNothing, Inner::k11dTo10d, true},
    {Front::kNothing, Inner::kIntlTollBypass, true},
    {Front::kNothing, Inner::kIntlAccess, true},
    {Front::kBeforeAt, Inner::k1010Dialing, false},
    {Front::kBeforeAt, Inner::k1010Dialing, true},
    {Front::kBeforeAt, Inner::k11d10dTo7d, false},
    {Front::kBeforeAt, Inner::k11d10dTo7d, true},
    {Front::kBeforeAt, Inner::k11dTo10d, false},
    {Front::kBeforeAt, Inner::k11dTo10d, true},
    {Front::kBeforeAt, Inner::kIntlTollBypass, false},
    {Front::kBeforeAt, Inner::kIntlTollBypass, true},
    {Front::kBeforeAt, Inner::kIntlAccess, false},
    {Front::kBeforeAt, Inner::kIntlAccess, true},
    {Front::kBeforeDot, Inner::k1010Dialing, true},
    {Front::kBeforeDot, Inner::k11d10dTo7d, false},
    {Front::kBeforeDot, Inner::k11d10dTo7d, true},
    {Front::kBeforeDot, Inner::k11dTo10d, true},
    {Front::kBeforeDot, Inner::kIntlTollBypass, false},
    {Front::kBeforeDot, Inner::kIntlTollBypass, true},
    {Front::kBeforeDot, Inner::kIntlAccess, false},
    {Front::kBeforeDot, Inner::kIntlAccess, true},
};
static_assert(std::size(kRules) == static_cast<size_t>(kLastDiscardDigits) + 1);

// The table of discard digits instructions of the system guide.
bool TakesOff(Inner inner, NumberPart part) {
  const bool carrier = part == NumberPart::kTransitNetwork ||
                       part == NumberPart::kTransitNetworkEscape;
  const bool long_distance = part == NumberPart::kLongDistanceDirectDial ||
                             part == NumberPart::kLongDistanceOperator;
  const bool area =
      part == NumberPart::kAreaCode || part == NumberPart::kLocalAreaCode;
  const bool access = part == NumberPart::kInternationalAccess ||
                      part == NumberPart::kInternationalDirectDial;
  switch (inner) {
    case Inner::kNothing:
      return false;
    case Inner::k1010Dialing:
      return carrier;
    case Inner::k11dTo10d:
      return carrier || long_distance;
    case Inner::k11d10dTo7d:
      return carrier || long_distance || area;
    case Inner::kIntlTollBypass:
      return carrier || access || part == NumberPart::kCountryCode ||
             part == NumberPart::kInternationalOperator;
    case Inner::kIntlAccess:
      return access;
  }
  return false;
}

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

DiscardRule RuleOf(DiscardDigits discard) {
  const auto i = static_cast<size_t>(discard);
  return i < std::size(kRules) ? kRules[i] : DiscardRule{};
}

std::string DiscardDigitsName(DiscardDigits discard) {
  const DiscardRule rule = RuleOf(discard);
  std::string out;
  const auto add = [&out](std::string_view word) {
    if (!out.empty()) out.push_back(' ');
    out += word;
  };
  if (rule.front == Front::kBeforeDot) add("PreDot");
  if (rule.front == Front::kBeforeAt) add("PreAt");
  switch (rule.inner) {
    case Inner::kNothing:
      break;
    case Inner::k1010Dialing:
      add("10-10-Dialing");
      break;
    case Inner::k11dTo10d:
      add("11D->10D");
      break;
    case Inner::k11d10dTo7d:
      add("11/10D->7D");
      break;
    case Inner::kIntlTollBypass:
      add("IntlTollBypass");
      break;
    case Inner::kIntlAccess:
      add("IntlAccess IntlDirectDial");
      break;
  }
  if (rule.trailing_pound) add("Trailing-#");
  return out.empty() ? "NoDigits" : out;
}

std::string ApplyDiscard(DiscardDigits discard, const DialPattern& pattern,
                         std::string_view number) {
  const DiscardRule rule = RuleOf(discard);
  size_t begin = 0;
  size_t end = number.size();
  if (rule.front == Front::kBeforeDot) begin = pattern.PreDotLength(number);
  if (rule.front == Front::kBeforeAt) begin = pattern.PreAtLength(number);
  if (rule.trailing_pound && end > begin && number[end - 1] == '#') --end;
  std::string out;
  size_t at = begin;
  if (rule.inner != Inner::kNothing) {
    for (const DialPattern::PlacedPart& part : pattern.PartsOf(number)) {
      if (!TakesOff(rule.inner, part.part)) continue;
      if (part.begin > at) out += number.substr(at, part.begin - at);
      at = std::max(at, part.end);
    }
  }
  if (at < end) out += number.substr(at, end - at);
  return out;
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
