#include "services/capf/core/fips_self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;

// IMP-73.
TEST(FipsSelfTestTest, AllPassOnAGoodMachine) {
  const std::vector<SelfTest> tests = RunSelfTests();
  EXPECT_GE(tests.size(), 10u);
  EXPECT_EQ(FailedTests(tests), "");
}

// IMP-74: each failure is noticed, and named; the others still run.
TEST(FipsSelfTestTest, EachFailureIsNoticed) {
  for (const SelfTest& test : RunSelfTests()) {
    const std::vector<SelfTest> broken = RunSelfTests(test.name);
    EXPECT_EQ(FailedTests(broken), test.name);
    EXPECT_EQ(broken.size(), RunSelfTests().size());
  }
}

// IMP-71: the module is named, and nothing is claimed for it.
TEST(FipsSelfTestTest, NothingIsClaimedThatDoesNotHold) {
  EXPECT_THAT(ModuleName(), HasSubstr("BoringCrypto"));
  EXPECT_THAT(ModuleName(), HasSubstr("not validated"));
  EXPECT_THAT(std::string(FipsDisclaimer()),
              HasSubstr("not FIPS 140-2 or 140-3 validated"));
  EXPECT_FALSE(FipsDisallowed().empty());
}

}  // namespace
}  // namespace sallyport::capf
