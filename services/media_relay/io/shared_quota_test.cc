#include "services/media_relay/io/shared_quota.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "services/media_relay/core/allocation_quota.h"

namespace sallyport::media_relay {
namespace {

TEST(SharedQuotaTest, BoundsHoldAcrossLoops) {
  SharedQuota quota({.all = 1000, .per_tenant = 600, .per_subject = 50});
  std::atomic<int> granted = 0;
  std::vector<std::thread> loops;
  for (int loop = 0; loop < 4; ++loop) {
    loops.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::string tenant = i % 2 == 0 ? "even" : "odd";
        const std::string subject = "s" + std::to_string(i % 20);
        if (quota.Take(tenant, subject) == QuotaVerdict::kGranted) ++granted;
      }
    });
  }
  for (std::thread& loop : loops) loop.join();
  // Ten subjects of each tenant, fifty each; the tenants' six hundred and the
  // relay's thousand are not passed.
  EXPECT_EQ(granted, 1000);
  EXPECT_EQ(quota.Take("third", "s"), QuotaVerdict::kCapacityReached);
  EXPECT_EQ(quota.Take("even", "s0"), QuotaVerdict::kQuotaReached);
  quota.GiveBack("even", "s0");
  EXPECT_EQ(quota.Take("third", "s"), QuotaVerdict::kGranted);
}

}  // namespace
}  // namespace sallyport::media_relay
