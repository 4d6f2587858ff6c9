#include "services/media_relay/core/playback_wheel.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

using absl::Milliseconds;

MonoTime At(int64_t ms) { return MonoTime::FromOrigin(Milliseconds(ms)); }

TEST(PlaybackWheelTest, EachIsDueOnceInTwentyMilliseconds) {
  PlaybackWheel wheel;
  EXPECT_EQ(wheel.deadline(), MonoTime::InfiniteFuture());
  for (SocketId key = 1; key <= 25; ++key) wheel.Add(key, At(1000));
  wheel.Add(1, At(1000));
  EXPECT_EQ(wheel.size(), 25u);
  std::map<SocketId, std::vector<int64_t>> times;
  std::map<SocketId, std::vector<uint64_t>> rounds;
  size_t most = 0;
  while (wheel.deadline() < At(1200)) {
    const MonoTime now = wheel.deadline();
    size_t together = 0;
    while (const auto due = wheel.Next(now)) {
      times[due->key].push_back(absl::ToInt64Milliseconds(now.since_origin()));
      rounds[due->key].push_back(due->round);
      ++together;
    }
    EXPECT_GT(together, 0u);
    most = std::max(most, together);
  }
  EXPECT_EQ(most, 3u);  // spread over the places
  for (const auto& [key, when] : times) {
    EXPECT_GE(when.size(), 9u);
    for (size_t i = 1; i < when.size(); ++i) {
      EXPECT_EQ(when[i], when[i - 1] + 20) << key;
      EXPECT_EQ(rounds[key][i], rounds[key][i - 1] + 1) << key;
    }
  }
}

TEST(PlaybackWheelTest, WhatIsTooLateIsLeftOut) {
  PlaybackWheel wheel;
  wheel.Add(7, At(0));
  const auto first = wheel.Next(At(20));
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(wheel.Next(At(20)).has_value());
  int late = 0;
  uint64_t last = first->round;
  while (const auto due = wheel.Next(At(10'000))) {
    ++late;
    EXPECT_GT(due->round, last);
    last = due->round;
  }
  EXPECT_LE(late, 6);
  EXPECT_GE(last, 498u);  // in time with the clock again
}

TEST(PlaybackWheelTest, RemovalWhileAPlaceIsServedSkipsNobody) {
  for (SocketId removed = 1; removed <= 50; ++removed) {
    for (int after = 0; after <= 5; ++after) {
      PlaybackWheel wheel;
      for (SocketId key = 1; key <= 50; ++key) wheel.Add(key, At(0));
      std::map<SocketId, int> seen;
      for (int i = 0; i < after; ++i) ++seen[wheel.Next(At(20))->key];
      wheel.Remove(removed);
      wheel.Remove(removed);
      while (const auto due = wheel.Next(At(20))) ++seen[due->key];
      for (SocketId key = 1; key <= 50; ++key) {
        if (key == removed) {
          EXPECT_LE(seen[key], 1);
        } else {
          EXPECT_EQ(seen[key], 1) << key << " without " << removed;
        }
      }
      EXPECT_EQ(wheel.size(), 49u);
    }
  }
}

TEST(PlaybackWheelTest, OneThatIsEmptiedStartsWithTheClock) {
  PlaybackWheel wheel;
  wheel.Add(1, At(0));
  wheel.Remove(1);
  EXPECT_EQ(wheel.deadline(), MonoTime::InfiniteFuture());
  EXPECT_FALSE(wheel.Next(At(50)).has_value());
  wheel.Add(1, At(5001));
  EXPECT_GT(wheel.deadline(), At(5001));
  EXPECT_LE(wheel.deadline(), At(5022));
  EXPECT_TRUE(wheel.Next(At(5022)).has_value());
}

}  // namespace
}  // namespace sallyport::media_relay
