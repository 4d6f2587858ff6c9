// Digit changes on the way out (protocols.md section 11.3).

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TRANSFORM_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TRANSFORM_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// The name of an instruction as operators know it: "PreDot", "NoDigits"...
std::string_view DiscardDigitsName(DiscardDigits discard);

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
