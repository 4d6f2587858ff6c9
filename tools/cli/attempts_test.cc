#include "tools/cli/attempts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

TEST(AttemptsTest, ReadsEveryDocument) {
  SP_ASSERT_OK_AND_ASSIGN(const auto attempts,
                          ParseAttempts("- from: user/1001\n"
                                        "  to: \"915550100\"\n"
                                        "---\n"
                                        "- {from: peer/gw, to: 1001, "
                                        "calling_number: '+12025550123'}\n",
                                        "t", "calls.yaml"));
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].parent(), "tenants/t");
  EXPECT_EQ(attempts[0].user(), "tenants/t/users/1001");
  EXPECT_EQ(attempts[0].called_number(), "915550100");
  EXPECT_EQ(attempts[1].peer(), "tenants/t/peers/gw");
  EXPECT_EQ(attempts[1].calling_number(), "+12025550123");
}

TEST(AttemptsTest, TellsEveryFaultWithItsLine) {
  const auto attempts = ParseAttempts(
      "- from: user/1001\n"
      "- to: 1\n  form: x\n"
      "- to: [1]\n"
      "- 9\n",
      "t", "calls.yaml");
  EXPECT_EQ(ReasonOf(attempts.status()), "ATTEMPTS_INVALID");
  std::vector<std::string> fields;
  for (const auto& violation : FieldViolationsOf(attempts.status())) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields,
              testing::ElementsAre("calls.yaml:1 to", "calls.yaml:3 form",
                                   "calls.yaml:4 to", "calls.yaml:4 to",
                                   "calls.yaml:5 "));
  EXPECT_FALSE(ParseAttempts("a: [", "t", "x").ok());
  EXPECT_FALSE(ParseAttempts("a: b", "t", "x").ok());
}

}  // namespace
}  // namespace sallyport::cli
