#include "services/common/fips/fips_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// IMP-70: of each service it is said what the mode refuses.
TEST(FipsRulesTest, EachServiceHasItsRules) {
  std::vector<std::string> services;
  for (const FipsRules& rules : AllFipsRules()) {
    services.emplace_back(rules.service);
    EXPECT_FALSE(rules.not_allowed.empty()) << rules.service;
    EXPECT_FALSE(rules.not_claimed.empty()) << rules.service;
  }
  EXPECT_THAT(services, ElementsAre("capf", "credential_issuer", "dialplan",
                                    "media_relay", "signaling_edge"));
}

// IMP-71: nothing is claimed that does not hold.
TEST(FipsRulesTest, TheBuildIsNotCalledValidated) {
  EXPECT_THAT(std::string(FipsDisclaimer()),
              HasSubstr("not FIPS 140-2 or 140-3 validated"));
}

}  // namespace
}  // namespace sallyport
