// The power-up self tests of FIPS mode (IMP-69, IMP-71, IMP-73), the same in
// every service.

#ifndef SALLYPORT_SERVICES_COMMON_FIPS_FIPS_SELF_TEST_H_
#define SALLYPORT_SERVICES_COMMON_FIPS_FIPS_SELF_TEST_H_

#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

struct SelfTest {
  std::string_view name;  // "SHA-256"
  bool passed = false;
};

// Known answers of published documents over each function that the services
// use, pairwise tests of fresh keys, then the library's own self test. All
// run, whatever fails. `broken` names one that is given a wrong answer, to see
// that a failure is noticed; empty: none.
std::vector<SelfTest> RunSelfTests(std::string_view broken = {});

// Names of those that failed, joined by ", "; empty if all passed.
std::string FailedTests(const std::vector<SelfTest>& tests);

// The library, its version, and whether this build of it is the validated
// module, which it is not (IMP-71).
std::string ModuleName();

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FIPS_FIPS_SELF_TEST_H_
