// Digit changes on the way out (protocols.md section 11.3).

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TRANSFORM_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TRANSFORM_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// What an instruction takes off, part by part.
struct DiscardRule {
  enum class Front : uint8_t { kNothing, kBeforeDot, kBeforeAt };
  // Of a number of a numbering plan, by the names of its parts.
  enum class Inner : uint8_t {
    kNothing,
    k1010Dialing,     // the carrier access code
    k11dTo10d,        // that, and what a long distance number begins with
    k11d10dTo7d,      // that, and the area code
    kIntlTollBypass,  // carrier, international access and country codes
    kIntlAccess,      // the international access code alone
  };
  Front front = Front::kNothing;
  Inner inner = Inner::kNothing;
  bool trailing_pound = false;

  // Whether the pattern must have a '.', or a '@', for it to mean anything.
  bool needs_dot() const { return front == Front::kBeforeDot; }
  bool needs_at() const {
    return front == Front::kBeforeAt || inner != Inner::kNothing;
  }
};
DiscardRule RuleOf(DiscardDigits discard);

// The name of an instruction as operators know it: "PreDot", "NoDigits"...
std::string DiscardDigitsName(DiscardDigits discard);

// `number` without what `discard` takes off; `pattern` matched it.
std::string ApplyDiscard(DiscardDigits discard, const DialPattern& pattern,
                         std::string_view number);

// `number` under a mask, from the right: X keeps a digit, any other character
// stands for itself, and digits left of the mask's end are cut. An X for
// which there is no digit left gives nothing. An empty mask changes nothing.
std::string ApplyMask(std::string_view mask, std::string_view number);

// Whether `mask` is made of X and dialling symbols, '+' only in front, and at
// most kMaxNumberLength long; empty is fine. kInvalidArgument otherwise,
// reason MASK_INVALID.
absl::Status CheckMask(std::string_view mask);

// Whether `prefix` is made of dialling symbols, '+' only in front, and at
// most kMaxNumberLength long; empty is fine. kInvalidArgument otherwise,
// reason PREFIX_INVALID.
absl::Status CheckPrefix(std::string_view prefix);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TRANSFORM_H_
