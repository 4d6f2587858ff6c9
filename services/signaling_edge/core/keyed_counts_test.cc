#include "services/signaling_edge/core/keyed_counts.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

uint64_t Key(uint64_t i) { return i * 0x9E37'79B9'7F4A'7C15; }

TEST(KeyedCountsTest, CountsEachKeyForItself) {
  KeyedCounts counts(1000);
  for (uint64_t i = 1; i <= 1000; ++i) {
    for (uint64_t n = 0; n < i % 7; ++n) counts.Add(Key(i));
  }
  for (uint64_t i = 1; i <= 1000; ++i) {
    EXPECT_EQ(counts.Of(Key(i)), i % 7) << i;
  }
  EXPECT_EQ(counts.Of(Key(1001)), 0u);
}

TEST(KeyedCountsTest, ARemovedKeyLeavesItsPlace) {
  KeyedCounts counts(1);
  // Far more keys than there is room for, one after the other.
  for (uint64_t i = 1; i <= 10'000; ++i) {
    counts.Add(Key(i));
    ASSERT_EQ(counts.Of(Key(i)), 1u) << i;
    counts.Remove(Key(i));
    ASSERT_EQ(counts.Of(Key(i)), 0u) << i;
  }
}

TEST(KeyedCountsTest, AFullBucketErrsInFavour) {
  KeyedCounts counts(1);
  for (uint64_t i = 1; i <= 100; ++i) counts.Add(i << 32);
  uint32_t counted = 0;
  for (uint64_t i = 1; i <= 100; ++i) counted += counts.Of(i << 32);
  EXPECT_EQ(counted, 8u);
  // What was not counted takes nothing from who was.
  for (uint64_t i = 100; i > 8; --i) counts.Remove(i << 32);
  EXPECT_EQ(counts.Of(uint64_t{1} << 32), 1u);
}

TEST(KeyedCountsTest, UpToTheMostAndNoFurther) {
  KeyedCounts counts(16);
  EXPECT_FALSE(counts.AddUnder(Key(1), 0));
  EXPECT_TRUE(counts.AddUnder(Key(1), 2));
  EXPECT_TRUE(counts.AddUnder(Key(1), 2));
  EXPECT_FALSE(counts.AddUnder(Key(1), 2));
  EXPECT_EQ(counts.Of(Key(1)), 2u);
  counts.Remove(Key(1));
  EXPECT_TRUE(counts.AddUnder(Key(1), 2));
}

TEST(KeyedCountsTest, OfThreadsThatWantTheLastPlaceOneGetsIt) {
  constexpr uint32_t kMost = 1'000;
  KeyedCounts counts(16);
  counts.Add(Key(1));
  std::atomic<uint32_t> got = 1;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint32_t i = 0; i < kMost; ++i) {
        if (counts.AddUnder(Key(1), kMost)) ++got;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, kMost);
  EXPECT_EQ(counts.Of(Key(1)), kMost);
}

TEST(KeyedCountsTest, ThreadsThatMeetLoseNothing) {
  KeyedCounts counts(16);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&counts] {
      for (int round = 0; round < 20'000; ++round) {
        const uint64_t key = Key(1 + round % 5);
        counts.Add(key);
        if (round % 2 == 0) counts.Remove(key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint32_t sum = 0;
  for (uint64_t i = 1; i <= 5; ++i) sum += counts.Of(Key(i));
  EXPECT_EQ(sum, 4u * 10'000u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
