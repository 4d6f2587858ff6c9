// What FIPS mode refuses in each service, and what nobody may claim of this
// build (IMP-70, IMP-71).

#ifndef SALLYPORT_SERVICES_COMMON_FIPS_FIPS_RULES_H_
#define SALLYPORT_SERVICES_COMMON_FIPS_FIPS_RULES_H_

#include <string_view>

#include "absl/types/span.h"

namespace sallyport {

// Immutable.
struct FipsRules {
  std::string_view service;  // "media_relay"
  // What is refused while the mode is on, each in words.
  absl::Span<const std::string_view> not_allowed;
  // What works in the mode with cryptography that is outside of it.
  absl::Span<const std::string_view> not_claimed;
};

// Of all services, in order of name.
absl::Span<const FipsRules> AllFipsRules();

// What nobody may say of this build.
std::string_view FipsDisclaimer();

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FIPS_FIPS_RULES_H_
