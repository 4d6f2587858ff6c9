#include "services/media_relay/core/stream_statistics.h"

#include <cstdint>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/rtp_header.h"

namespace sallyport::media_relay {
namespace {

RtpHeader Header(uint16_t sequence, uint32_t timestamp, uint32_t ssrc = 1) {
  return RtpHeader{0, false, false, sequence, timestamp, ssrc, 12};
}

MonoTime At(absl::Duration after) {
  return MonoTime::FromOrigin(absl::Hours(1) + after);
}

TEST(StreamStatisticsTest, NothingReceivedNothingLost) {
  EXPECT_EQ(StreamStatistics().lost(), 0u);
  EXPECT_EQ(StreamStatistics().jitter(), absl::ZeroDuration());
}

TEST(StreamStatisticsTest, EvenSpacingHasNoJitter) {
  StreamStatistics stats;
  for (uint16_t i = 0; i < 500; ++i) {
    stats.OnPacket(Header(i, 160u * i), At(absl::Milliseconds(20) * i));
  }
  EXPECT_EQ(stats.lost(), 0u);
  EXPECT_LT(stats.jitter(), absl::Microseconds(1));
}

// RFC 3550 A.8: alternating 10 ms early and late converges on |D| = 20 ms.
TEST(StreamStatisticsTest, JitterConverges) {
  StreamStatistics stats;
  for (uint16_t i = 0; i < 1000; ++i) {
    const absl::Duration shift =
        i % 2 == 0 ? absl::Milliseconds(10) : -absl::Milliseconds(10);
    stats.OnPacket(Header(i, 160u * i), At(absl::Milliseconds(20) * i + shift));
  }
  EXPECT_NEAR(absl::ToDoubleMilliseconds(stats.jitter()), 20, 0.5);
}

TEST(StreamStatisticsTest, LossAcrossTheSequenceWrap) {
  StreamStatistics stats;
  for (int i = 65500; i < 65600; ++i) {
    if (i % 10 == 3) continue;
    stats.OnPacket(Header(static_cast<uint16_t>(i), 0), At({}));
  }
  EXPECT_EQ(stats.lost(), 10u);
}

TEST(StreamStatisticsTest, LateAndDoublePacketsDoNotMakeLossNegative) {
  StreamStatistics stats;
  for (const uint16_t i : {1, 3, 2, 2, 2, 3}) {
    stats.OnPacket(Header(i, 0), At({}));
  }
  EXPECT_EQ(stats.lost(), 0u);
}

TEST(StreamStatisticsTest, NewSsrcKeepsTheLossSoFar) {
  StreamStatistics stats;
  stats.OnPacket(Header(1, 0), At({}));
  stats.OnPacket(Header(5, 0), At({}));
  stats.OnPacket(Header(60000, 0, 2), At({}));
  stats.OnPacket(Header(60002, 0, 2), At({}));
  EXPECT_EQ(stats.lost(), 4u);
}

TEST(StreamStatisticsTest, RestartOfTheSenderIsNotLoss) {
  StreamStatistics stats;
  stats.OnPacket(Header(10, 0), At({}));
  stats.OnPacket(Header(30000, 0), At({}));
  stats.OnPacket(Header(30001, 0), At({}));
  EXPECT_EQ(stats.lost(), 0u);
}

}  // namespace
}  // namespace sallyport::media_relay
