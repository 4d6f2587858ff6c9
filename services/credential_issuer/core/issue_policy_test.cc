#include "services/credential_issuer/core/issue_policy.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/mono_time.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::AllOf;

// AVE-18.
TEST(LifetimeTest, NeverMoreThanEightHours) {
  IssueLimits limits;
  EXPECT_EQ(LifetimeFor(limits, "a", absl::Hours(9)), absl::Hours(8));
  EXPECT_EQ(LifetimeFor(limits, "a", absl::InfiniteDuration()), absl::Hours(8));
  EXPECT_EQ(LifetimeFor(limits, "a", absl::Minutes(5)), absl::Minutes(5));
  EXPECT_EQ(LifetimeFor(limits, "a", absl::ZeroDuration()), absl::Hours(1));
  limits.max_lifetime = absl::Hours(100);
  EXPECT_EQ(LifetimeFor(limits, "a", absl::Hours(9)), absl::Hours(8));
  limits.max_lifetime = absl::Minutes(10);
  EXPECT_EQ(LifetimeFor(limits, "a", absl::ZeroDuration()), absl::Minutes(10));
}

TEST(IssueRequestTest, NamesEveryFault) {
  EXPECT_THAT(CheckIssueRequest({"default", "alice", absl::Hours(1)}), IsOk());
  const absl::Status status =
      CheckIssueRequest({"Bad/Tenant", "", absl::Hours(-1)});
  EXPECT_THAT(status, AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                            HasReason("REQUEST_INVALID")));
  EXPECT_EQ(FieldViolationsOf(status).size(), 3u);
  EXPECT_THAT(CheckIssueRequest({"a", std::string(129, 'x'), {}}),
              HasReason("REQUEST_INVALID"));
  EXPECT_THAT(CheckIssueRequest({"a", "a\nb", {}}),
              HasReason("REQUEST_INVALID"));
  EXPECT_THAT(CheckIssueRequest({"a", "b", absl::Milliseconds(1)}),
              HasReason("REQUEST_INVALID"));
}

TEST(TenantIdTest, LettersDigitsAndDashesInside) {
  for (const char* good : {"a", "default", "t-1", "0"}) {
    EXPECT_TRUE(IsTenantId(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("-"), std::string("-a"), std::string("a-"),
        std::string("A"), std::string("a.b"), std::string("a/b"),
        std::string(64, 'a')}) {
    EXPECT_FALSE(IsTenantId(bad)) << bad;
  }
}

TEST(IssueRateTest, BoundsSubjectAndTenant) {
  FakeRandom random;
  IssueLimits limits;
  limits.per_subject_minute = 3;
  limits.per_tenant_second = 5;
  IssueRate rate(limits, random);
  const MonoTime now = MonoTime() + absl::Hours(1);
  const IssueRequest alice = {"a", "alice", {}};
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(rate.Take("edge", alice, now), IsOk());
  EXPECT_THAT(rate.Take("edge", alice, now),
              AllOf(StatusIs(absl::StatusCode::kResourceExhausted),
                    HasReason("RATE_LIMITED")));
  // Another subject of the same tenant has what is left of the tenant's five.
  EXPECT_THAT(rate.Take("edge", {"a", "bob", {}}, now), IsOk());
  EXPECT_THAT(rate.Take("edge", {"a", "carol", {}}, now), IsOk());
  EXPECT_THAT(rate.Take("edge", {"a", "dave", {}}, now),
              HasReason("RATE_LIMITED"));
  EXPECT_THAT(rate.Take("edge", {"b", "alice", {}}, now), IsOk());
  EXPECT_THAT(rate.Take("edge", alice, now + absl::Seconds(20)), IsOk());
}

TEST(LifetimeTest, ATenantHasItsOwn) {
  IssueLimits limits;
  limits.tenants["short"].max_lifetime = absl::Minutes(10);
  limits.tenants["usual"].default_lifetime = absl::Minutes(2);
  limits.tenants["long"].max_lifetime = absl::Hours(100);
  EXPECT_EQ(LifetimeFor(limits, "short", absl::Hours(1)), absl::Minutes(10));
  EXPECT_EQ(LifetimeFor(limits, "short", {}), absl::Minutes(10));
  EXPECT_EQ(LifetimeFor(limits, "usual", {}), absl::Minutes(2));
  EXPECT_EQ(LifetimeFor(limits, "usual", absl::Hours(9)), absl::Hours(8));
  EXPECT_EQ(LifetimeFor(limits, "long", absl::Hours(9)), absl::Hours(8));
}

TEST(TenantPolicyTest, ADisabledTenantGetsNothing) {
  IssueLimits limits;
  limits.tenants["off"].disabled = true;
  limits.tenants["on"].per_second = 1;
  EXPECT_THAT(CheckTenantEnabled(limits, "off"),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason("TENANT_DISABLED")));
  EXPECT_THAT(CheckTenantEnabled(limits, "on"), IsOk());
  EXPECT_THAT(CheckTenantEnabled(limits, "other"), IsOk());
}

TEST(IssueRateTest, BoundsACallerAndATenantWithARateOfItsOwn) {
  FakeRandom random;
  IssueLimits limits;
  limits.per_caller_second = 3;
  limits.tenants["slow"].per_second = 2;
  IssueRate rate(limits, random);
  const MonoTime now = MonoTime() + absl::Hours(1);
  EXPECT_THAT(rate.Take("edge", {"slow", "a", {}}, now), IsOk());
  EXPECT_THAT(rate.Take("edge", {"slow", "b", {}}, now), IsOk());
  EXPECT_THAT(rate.Take("edge", {"slow", "c", {}}, now),
              HasReason("RATE_LIMITED"));
  EXPECT_THAT(rate.Take("edge", {"a", "a", {}}, now), IsOk());
  EXPECT_THAT(rate.Take("edge", {"a", "b", {}}, now),
              HasReason("RATE_LIMITED"));
  EXPECT_THAT(rate.Take("operator ann", {"a", "b", {}}, now), IsOk());
  EXPECT_THAT(
      rate.Take("edge", {"slow", "c", {}}, now + absl::Milliseconds(501)),
      IsOk());
}

}  // namespace
}  // namespace sallyport::credential_issuer
