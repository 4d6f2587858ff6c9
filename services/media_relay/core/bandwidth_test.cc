#include "services/media_relay/core/bandwidth.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {
namespace {

constexpr TrafficDirection kOut = TrafficDirection::kToPeers;
constexpr TrafficDirection kBack = TrafficDirection::kToClient;
const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

// Octets that pass in `period` when 200 are asked for every millisecond.
size_t Passed(RateBucket& bucket, absl::Duration period) {
  size_t passed = 0;
  for (absl::Duration t; t < period; t += absl::Milliseconds(1)) {
    if (bucket.Take(200, kStart + t)) passed += 200;
  }
  return passed;
}

TEST(RateBucketTest, LetsItsRateThroughAndAQuarterOfASecondAtOnce) {
  for (const uint64_t rate : {20'000u, 50'000u, 100'000u}) {
    RateBucket bucket(rate);
    const double expected = static_cast<double>(rate) * 10.25;
    EXPECT_NEAR(static_cast<double>(Passed(bucket, absl::Seconds(10))),
                expected, 0.01 * expected);
  }
  RateBucket none(0);
  EXPECT_EQ(Passed(none, absl::Seconds(10)), 2'000'000u);
  EXPECT_FALSE(none.IsExhausted(kStart));
}

TEST(RateBucketTest, EvenTheSmallestTakesTheLongestDatagram) {
  RateBucket bucket(1000);
  EXPECT_TRUE(bucket.Take(2048, kStart));
  EXPECT_TRUE(bucket.Take(2048, kStart));
  EXPECT_FALSE(bucket.Take(2048, kStart + absl::Seconds(2)));
  EXPECT_TRUE(bucket.Take(2048, kStart + absl::Milliseconds(2100)));
}

TEST(RateBucketTest, WhatIsRefusedCostsNothing) {
  RateBucket bucket(100'000);
  while (bucket.Take(1000, kStart)) {
  }
  EXPECT_TRUE(bucket.IsExhausted(kStart));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bucket.Take(1000, kStart));
  EXPECT_TRUE(bucket.Take(1000, kStart + absl::Milliseconds(11)));
  EXPECT_FALSE(bucket.IsExhausted(kStart + absl::Seconds(1)));
}

TEST(RateBucketTest, ChargedOctetsTellHowLongToWait) {
  RateBucket bucket(100'000);
  EXPECT_EQ(bucket.Charge(25'000, kStart), absl::ZeroDuration());
  EXPECT_EQ(bucket.Charge(50'000, kStart), absl::Milliseconds(500));
  EXPECT_EQ(bucket.Charge(10'000, kStart + absl::Milliseconds(500)),
            absl::Milliseconds(100));
  EXPECT_FALSE(bucket.Take(200, kStart + absl::Milliseconds(500)));
}

TEST(RateBucketTest, ExtremesDoNotOverflow) {
  RateBucket fast(UINT64_MAX);
  RateBucket slow(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(fast.Take(2048, kStart));
    EXPECT_EQ(fast.Charge(1 << 30, kStart), absl::ZeroDuration());
  }
  EXPECT_GT(slow.Charge(1 << 20, kStart), absl::Hours(200));
}

TEST(LocalBandwidthTest, EachBoundIsFoundAndDirectionsAreApart) {
  LocalBandwidth ledger(
      {.per_allocation = 10'000, .per_subject = 20'000, .per_tenant = 30'000});
  const auto a1 = ledger.ShareOf("t", "a", kStart);
  const auto a2 = ledger.ShareOf("t", "a", kStart);
  const auto b1 = ledger.ShareOf("t", "b", kStart);
  const auto c1 = ledger.ShareOf("t", "c", kStart);
  const auto take_all = [](BandwidthShare& share, TrafficDirection way) {
    DropReason over = DropReason::kNone;
    for (int i = 0; i < 1000 && over == DropReason::kNone; ++i) {
      over = share.Take(way, 100, kStart);
    }
    return over;
  };
  // Bursts: 4096 of an allocation, 5000 of a subject, 7500 of a tenant.
  EXPECT_EQ(take_all(*a1, kOut), DropReason::kAllocationBandwidth);
  EXPECT_EQ(take_all(*a2, kOut), DropReason::kSubjectBandwidth);
  EXPECT_FALSE(b1->IsExhausted(kStart));
  EXPECT_EQ(take_all(*b1, kOut), DropReason::kTenantBandwidth);
  EXPECT_EQ(take_all(*c1, kOut), DropReason::kTenantBandwidth);
  EXPECT_TRUE(c1->IsExhausted(kStart));
  EXPECT_EQ(take_all(*a1, kBack), DropReason::kAllocationBandwidth);
  // Another tenant has its own, of the same subject too.
  EXPECT_EQ(take_all(*ledger.ShareOf("u", "a", kStart), kOut),
            DropReason::kAllocationBandwidth);
  // What the tenant's bound refused was not taken from the others.
  EXPECT_EQ(c1->Take(kOut, 100, kStart + absl::Milliseconds(10)),
            DropReason::kNone);
}

TEST(LocalBandwidthTest, NothingIsKeptOfThoseWhoAreGone) {
  EXPECT_EQ(LocalBandwidth({}).ShareOf("t", "s", kStart), nullptr);
  LocalBandwidth ledger({.per_subject = 10'000});
  ASSERT_EQ(ledger.ShareOf("t", "back", kStart)->Take(kOut, 4096, kStart),
            DropReason::kNone);
  for (int i = 0; i < 10'000; ++i) {
    (void)ledger.ShareOf("t", absl::StrCat("s", i), kStart);
  }
  EXPECT_LT(ledger.size(), 200u);
  // But who ends and begins again has used what was used, until it is filled.
  EXPECT_EQ(ledger.ShareOf("t", "back", kStart)->Take(kOut, 4096, kStart),
            DropReason::kSubjectBandwidth);
  const MonoTime later = kStart + absl::Seconds(1);
  for (int i = 0; i < 1000; ++i) {
    (void)ledger.ShareOf("u", absl::StrCat("s", i), later);
  }
  EXPECT_LT(ledger.size(), 200u);
  EXPECT_EQ(ledger.ShareOf("t", "back", later)->Take(kOut, 4096, later),
            DropReason::kNone);
}

TEST(LocalBandwidthTest, TenantsWithLimitsOfTheirOwn) {
  LocalBandwidth ledger({.per_subject = 1'000'000});
  const auto before = ledger.ShareOf("t", "s", kStart);
  ledger.SetTenants(std::make_shared<const TenantLimits>(
      TenantLimits::Map{{"t",
                         {.allocation_bytes_per_second = 10'000,
                          .subject_bytes_per_second = 20'000}}}));
  EXPECT_EQ(ledger.LimitsOf("t"), (BandwidthLimits{10'000, 20'000, 0}));
  EXPECT_EQ(ledger.LimitsOf("u"), (BandwidthLimits{0, 1'000'000, 0}));
  const auto take = [](BandwidthShare& share) {
    size_t taken = 0;
    while (share.Take(kOut, 100, kStart) == DropReason::kNone) taken += 100;
    return taken;
  };
  // 4096 is the least burst of an allocation, 5000 a quarter of a second of the
  // subject.
  EXPECT_EQ(take(*ledger.ShareOf("t", "s", kStart)), 4000u);
  EXPECT_EQ(take(*ledger.ShareOf("t", "s", kStart)), 1000u);
  EXPECT_EQ(take(*before), 250'000u);
  EXPECT_EQ(take(*ledger.ShareOf("u", "s", kStart)), 250'000u);
  // And back.
  ledger.SetTenants(std::make_shared<const TenantLimits>());
  EXPECT_EQ(take(*ledger.ShareOf("t", "s", kStart)), 250'000u);
}

}  // namespace
}  // namespace sallyport::media_relay
