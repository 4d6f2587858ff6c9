// The power-up self tests of FIPS mode, and what the mode forbids (IMP-69,
// IMP-70, IMP-73).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_FIPS_SELF_TEST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_FIPS_SELF_TEST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace sallyport::capf {

struct SelfTest {
  std::string_view name;  // "SHA-256"
  bool passed = false;
};

// Known answers of published documents over each function that this service
// uses, pairwise tests of fresh keys, then the library's own self test. All
// run, whatever fails. `broken` names one that is given a wrong answer, to see
// that a failure is noticed; empty: none.
std::vector<SelfTest> RunSelfTests(std::string_view broken = {});

// Names of those that failed, joined by ", "; empty if all passed.
std::string FailedTests(const std::vector<SelfTest>& tests);

// The library, its version, and whether this build of it is the validated
// module, which it is not (IMP-71).
std::string ModuleName();

// What nobody may say of this build.
std::string_view FipsDisclaimer();

// What is refused while the mode is on, by this service and by others.
absl::Span<const std::string_view> FipsDisallowed();

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_FIPS_SELF_TEST_H_
