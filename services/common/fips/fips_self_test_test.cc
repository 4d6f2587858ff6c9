#include "services/common/fips/fips_self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

using ::testing::HasSubstr;

// IMP-73.
TEST(FipsSelfTestTest, AllPassOnAGoodMachine) {
  const std::vector<SelfTest> tests = RunSelfTests();
  EXPECT_GE(tests.size(), 15u);
  EXPECT_EQ(FailedTests(tests), "");
}

// IMP-74: each failure is noticed, and named; the others still run.
TEST(FipsSelfTestTest, EachFailureIsNoticed) {
  const std::vector<SelfTest> all = RunSelfTests();
  for (const SelfTest& test : all) {
    const std::vector<SelfTest> broken = RunSelfTests(test.name);
    EXPECT_EQ(FailedTests(broken), test.name);
    EXPECT_EQ(broken.size(), all.size());
  }
}

// IMP-71: the module is named, and that it is no validated one.
TEST(FipsSelfTestTest, TheModuleIsNamed) {
  EXPECT_THAT(ModuleName(), HasSubstr("BoringCrypto"));
  EXPECT_THAT(ModuleName(), HasSubstr("not validated"));
}

}  // namespace
}  // namespace sallyport
