#include "services/media_relay/core/allocation_quota.h"

#include <memory>

#include "gtest/gtest.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {
namespace {

constexpr QuotaVerdict kGranted = QuotaVerdict::kGranted;

TEST(LocalQuotaTest, BoundsSubjectTenantAndAll) {
  LocalQuota quota({.all = 5, .per_tenant = 3, .per_subject = 2});
  EXPECT_EQ(quota.Take("t", "s"), kGranted);
  EXPECT_EQ(quota.Take("t", "s"), kGranted);
  EXPECT_EQ(quota.Take("t", "s"), QuotaVerdict::kQuotaReached);
  EXPECT_EQ(quota.Take("t", "other"), kGranted);
  EXPECT_EQ(quota.Take("t", "third"), QuotaVerdict::kQuotaReached);
  // A subject of the same name elsewhere is another.
  EXPECT_EQ(quota.Take("u", "s"), kGranted);
  EXPECT_EQ(quota.Take("v", "s"), kGranted);
  EXPECT_EQ(quota.Take("w", "s"), QuotaVerdict::kCapacityReached);
  quota.GiveBack("t", "s");
  EXPECT_EQ(quota.Take("w", "s"), kGranted);
  EXPECT_EQ(quota.Take("t", "s"), QuotaVerdict::kCapacityReached);
}

// What was refused for the relay's sake leaves nothing counted behind.
TEST(LocalQuotaTest, ARefusalCountsNothing) {
  LocalQuota quota({.all = 1, .per_tenant = 3, .per_subject = 1});
  EXPECT_EQ(quota.Take("t", "a"), kGranted);
  EXPECT_EQ(quota.Take("t", "b"), QuotaVerdict::kCapacityReached);
  EXPECT_EQ(quota.Take("t", "b"), QuotaVerdict::kCapacityReached);
  quota.GiveBack("t", "a");
  EXPECT_EQ(quota.Take("t", "b"), kGranted);
}

// A tenant's policy counts instead of the relay's limits, more or less; what is
// zero in it does not. Who has more than he may keeps it.
TEST(LocalQuotaTest, TenantsWithLimitsOfTheirOwn) {
  LocalQuota quota({.all = 9, .per_tenant = 3, .per_subject = 2});
  EXPECT_EQ(quota.Take("t", "a"), kGranted);
  EXPECT_EQ(quota.Take("t", "a"), kGranted);
  quota.SetTenants(std::make_shared<const TenantLimits>(
      TenantLimits::Map{{"t", {.max_allocations_per_subject = 1}},
                        {"u", {.max_allocations = 5}}}));
  EXPECT_EQ(quota.Take("t", "a"), QuotaVerdict::kQuotaReached);
  EXPECT_EQ(quota.Take("t", "b"), kGranted);
  EXPECT_EQ(quota.Take("t", "c"), QuotaVerdict::kQuotaReached);
  for (const char* subject : {"a", "a", "b", "b", "c"}) {
    EXPECT_EQ(quota.Take("u", subject), kGranted);
  }
  EXPECT_EQ(quota.Take("u", "d"), QuotaVerdict::kQuotaReached);
  quota.GiveBack("t", "a");
  EXPECT_EQ(quota.Take("t", "a"), QuotaVerdict::kQuotaReached);
  quota.SetTenants(std::make_shared<const TenantLimits>());
  EXPECT_EQ(quota.Take("t", "a"), kGranted);
}

TEST(QuotaCountsTest, NothingStaysOfThoseWhoGaveBack) {
  QuotaCounts counts({.all = 9, .per_tenant = 9, .per_subject = 9});
  EXPECT_TRUE(counts.Take("t", "s"));
  EXPECT_TRUE(counts.Take("t", "r"));
  EXPECT_FALSE(counts.empty());
  counts.GiveBack("t", "s");
  counts.GiveBack("t", "r");
  EXPECT_TRUE(counts.empty());
}

}  // namespace
}  // namespace sallyport::media_relay
