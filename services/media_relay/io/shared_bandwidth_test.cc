#include "services/media_relay/io/shared_bandwidth.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/drop_reason.h"

namespace sallyport::media_relay {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

TEST(SharedBandwidthTest, BoundsHoldAcrossLoops) {
  SharedBandwidth ledger({.per_subject = 1'000'000});
  std::atomic<uint64_t> passed = 0;
  std::vector<std::thread> loops;
  for (int loop = 0; loop < 4; ++loop) {
    loops.emplace_back([&] {
      const auto share = ledger.ShareOf("t", "s", kStart);
      for (int i = 0; i < 20'000; ++i) {
        if (share->Take(TrafficDirection::kToPeers, 100, kStart) ==
            DropReason::kNone) {
          passed += 100;
        }
      }
    });
  }
  for (std::thread& loop : loops) loop.join();
  EXPECT_EQ(passed, 250'000u);
}

TEST(RelayThroughputTest, IsTheSumOfAllLoops) {
  RelayThroughput throughput(1000);
  EXPECT_FALSE(throughput.Report(0, 600));
  EXPECT_TRUE(throughput.Report(1, 400));
  EXPECT_TRUE(throughput.Report(0, 900));
  EXPECT_FALSE(throughput.Report(0, 100));
  RelayThroughput unbounded(0);
  EXPECT_FALSE(unbounded.Report(0, UINT64_MAX / 2));
}

}  // namespace
}  // namespace sallyport::media_relay
