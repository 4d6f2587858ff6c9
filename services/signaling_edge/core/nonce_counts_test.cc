#include "services/signaling_edge/core/nonce_counts.h"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

NonceId Nonce(uint64_t made, uint64_t bucket = 0) {
  return {made, bucket << 16 | 7};
}

TEST(NonceCountsTest, EachCountIsGoodOnce) {
  NonceCounts counts(64);
  EXPECT_TRUE(counts.Take(Nonce(100), 1, 0));
  EXPECT_FALSE(counts.Take(Nonce(100), 1, 0));
  EXPECT_TRUE(counts.Take(Nonce(100), 40, 0));
  EXPECT_TRUE(counts.Take(Nonce(100), 39, 0));
  EXPECT_FALSE(counts.Take(Nonce(100), 39, 0));
  EXPECT_TRUE(counts.Take(Nonce(100), 0xffff'ffff, 0));
  EXPECT_FALSE(counts.Take(Nonce(100), 41, 0));  // below what is remembered
  EXPECT_TRUE(counts.Take(Nonce(101), 1, 0));    // another nonce
  EXPECT_TRUE(counts.Take(Nonce(100, 1), 1, 0));
  EXPECT_FALSE(counts.Take(Nonce(99, 2), 1, 100)) << "too old";
}

TEST(NonceCountsTest, WhatIsForgottenIsUsedUp) {
  NonceCounts counts(8);  // one bucket
  for (uint64_t made = 1; made <= 30; ++made) {
    EXPECT_TRUE(counts.Take(Nonce(made), 1, 0));
  }
  for (uint64_t made = 1; made <= 30; ++made) {
    EXPECT_FALSE(counts.Take(Nonce(made), 1, 0)) << made;
    EXPECT_EQ(counts.Take(Nonce(made), 2, 0), made > 22) << made;
  }
  // One that comes late, older than all that are there.
  EXPECT_FALSE(counts.Take(Nonce(3), 9, 0));
}

// Four threads present the same answers: each is taken once.
TEST(NonceCountsTest, ThreadsTakeACountOnce) {
  constexpr int kThreads = 4;
  constexpr uint64_t kNonces = 2'000;
  NonceCounts counts(4 * kNonces);
  std::array<std::atomic<int>, kNonces> taken = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (uint64_t n = 0; n < kNonces; ++n) {
        for (uint32_t count = 1; count <= 3; ++count) {
          if (counts.Take(Nonce(1 + n, n), count, 0)) ++taken[n];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int all = 0;
  for (const std::atomic<int>& each : taken) {
    EXPECT_LE(each, 3);
    all += each;
  }
  // Who finds a bucket taken for too long gives up, which is rare.
  EXPECT_GT(all, static_cast<int>(3 * kNonces * 9 / 10));
}

}  // namespace
}  // namespace sallyport::signaling_edge
