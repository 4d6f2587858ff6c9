#include "services/common/digit_analysis/dialling_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using testing::HasSubstr;

constexpr TollClass kAll[] = {TollClass::kInternal,      TollClass::kEmergency,
                              TollClass::kLocal,         TollClass::kNational,
                              TollClass::kInternational, TollClass::kPremium};

// Entries must outlive the policy, as in a snapshot.
struct Fixture {
  PlanSnapshot plan;
  DiallingPolicy policy;
};

Fixture Make(std::vector<TollClass> allowed, std::vector<DiallingRule> rules) {
  Fixture out;
  out.plan.dialling_restrictions = {{"tenants/t/diallingRestrictions/r",
                                     std::move(allowed), std::move(rules)}};
  auto policy = DiallingPolicy::Compile(out.plan);
  EXPECT_THAT(policy, IsOk());
  out.policy = *std::move(policy);
  return out;
}

// UM-12: denied unless a dialling restriction allows it.
TEST(DiallingPolicyTest, Um12DeniesByDefault) {
  const DiallingPolicy none;
  for (const TollClass toll : kAll) {
    EXPECT_EQ(none.Check("", "9123", toll, false).allowed,
              toll == TollClass::kInternal || toll == TollClass::kEmergency);
  }
  EXPECT_THAT(none.Check("", "9123", TollClass::kPremium, false).detail,
              HasSubstr("premium"));
  // A restriction that is gone allows nothing either.
  EXPECT_FALSE(
      none.Check("tenants/t/x", "9123", TollClass::kLocal, false).allowed);
}

TEST(DiallingPolicyTest, ClassesThatAreAllowed) {
  const Fixture f = Make({TollClass::kLocal, TollClass::kNational}, {});
  const std::string r = f.plan.dialling_restrictions[0].name;
  for (const TollClass toll : kAll) {
    const bool allowed = toll == TollClass::kLocal ||
                         toll == TollClass::kNational ||
                         toll == TollClass::kEmergency;
    EXPECT_EQ(f.policy.Check(r, "9123", toll, false).allowed, allowed)
        << TollClassName(toll);
  }
  // What stays inside costs nothing.
  EXPECT_TRUE(f.policy.Check(r, "4001", TollClass::kInternal, true).allowed);
}

TEST(DiallingPolicyTest, TheFirstRuleThatMatchesDecides) {
  const Fixture f =
      Make({TollClass::kNational}, {{"service", "9.1800XXXXXXX", true},
                                    {"premium", "9.1900!", false},
                                    {"abroad", "9.011[^7]!", true},
                                    {"@", "9.@", false}});
  const std::string r = f.plan.dialling_restrictions[0].name;
  const auto allowed = [&](const char* number, TollClass toll) {
    return f.policy.Check(r, number, toll, false).allowed;
  };
  EXPECT_TRUE(allowed("918005551234", TollClass::kPremium));
  EXPECT_FALSE(allowed("919005551234", TollClass::kNational));
  EXPECT_TRUE(allowed("901144123", TollClass::kInternational));
  EXPECT_FALSE(allowed("90117123", TollClass::kNational));  // 9.@
  EXPECT_TRUE(allowed("8123", TollClass::kNational));       // no rule: class
  EXPECT_FALSE(allowed("8123", TollClass::kLocal));
  EXPECT_FALSE(allowed("", TollClass::kLocal));
  const auto why =
      f.policy.Check(r, "919005551234", TollClass::kNational, false);
  EXPECT_THAT(why.detail, HasSubstr("9.1900!"));
  EXPECT_THAT(why.detail, HasSubstr("premium"));
}

// "EMERGENCY: emergency service; never denied."
TEST(DiallingPolicyTest, EmergencyIsNeverDenied) {
  const Fixture f = Make({}, {{"all", "!", false}, {"nines", "9!", false}});
  const std::string r = f.plan.dialling_restrictions[0].name;
  EXPECT_TRUE(f.policy.Check(r, "911", TollClass::kEmergency, false).allowed);
  EXPECT_TRUE(f.policy.Check(r, "9911", TollClass::kEmergency, true).allowed);
  EXPECT_FALSE(f.policy.Check(r, "911", TollClass::kInternal, false).allowed);
  EXPECT_FALSE(f.policy.Check(r, "4001", TollClass::kInternal, true).allowed);
}

TEST(DiallingPolicyTest, BadMasksAreNamed) {
  PlanSnapshot plan;
  plan.dialling_restrictions = {
      {"tenants/t/diallingRestrictions/r", {}, {{"g", "9[", true}}}};
  const auto policy = DiallingPolicy::Compile(plan);
  EXPECT_THAT(policy, HasReason("PATTERN_BAD_CLASS"));
  EXPECT_THAT(std::string(policy.status().message()), HasSubstr("/r"));
}

}  // namespace
}  // namespace sallyport
