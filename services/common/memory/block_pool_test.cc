#include "services/common/memory/block_pool.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(BlockPoolTest, BlocksAreApartAndAligned) {
  BlockPool pool(100);
  std::vector<char*> blocks;
  const size_t count = BlockPool::kPiece / 128 + 10;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(static_cast<char*>(pool.Take()));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(blocks[i]) % BlockPool::kAlignment,
              0u);
    std::memset(blocks[i], static_cast<int>(i), 100);
  }
  EXPECT_EQ(pool.pieces(), 2u);
  for (size_t i = 0; i < count; ++i) {
    for (size_t octet = 0; octet < 100; ++octet) {
      ASSERT_EQ(blocks[i][octet], static_cast<char>(i));
    }
  }
  EXPECT_EQ(std::set<char*>(blocks.begin(), blocks.end()).size(), count);
}

TEST(BlockPoolTest, WhatIsGivenBackIsTakenAgain) {
  BlockPool pool(64);
  void* const first = pool.Take();
  void* const second = pool.Take();
  EXPECT_NE(first, second);
  pool.Give(first);
  pool.Give(nullptr);
  EXPECT_EQ(pool.Take(), first);
  for (int i = 0; i < 100'000; ++i) pool.Give(pool.Take());
  EXPECT_EQ(pool.pieces(), 1u);
}

TEST(BlockPoolTest, ABlockMayBeAWholePiece) {
  BlockPool pool(BlockPool::kPiece);
  void* const first = pool.Take();
  void* const second = pool.Take();
  EXPECT_NE(first, second);
  EXPECT_EQ(pool.pieces(), 2u);
}

TEST(BlockPoolTest, ThreadsMayGiveWhatOthersTook) {
  BlockPool pool(64);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&pool] {
      std::vector<void*> mine;
      for (int round = 0; round < 2000; ++round) {
        mine.push_back(pool.Take());
        if (round % 3 == 0) {
          pool.Give(mine.back());
          mine.pop_back();
        }
      }
      for (void* const block : mine) pool.Give(block);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.pieces(), 1u);
}

struct alignas(64) Thing final : Pooled<Thing> {
  explicit Thing(int v) : value(v) {}
  int value;
};

TEST(PooledTest, ObjectsComeFromThePool) {
  std::vector<std::unique_ptr<Thing>> things;
  for (int i = 0; i < 1000; ++i) things.push_back(std::make_unique<Thing>(i));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(things[static_cast<size_t>(i)]->value, i);
    EXPECT_EQ(
        reinterpret_cast<uintptr_t>(things[static_cast<size_t>(i)].get()) %
            alignof(Thing),
        0u);
  }
}

TEST(BlockPoolTest, WhatIsGivenBackIsKnown) {
  const size_t before = BlockPool::ReturnedBytes();
  {
    BlockPool pool(128);
    void* const one = pool.Take();
    void* const two = pool.Take();
    // What nobody has had yet does not count.
    EXPECT_EQ(BlockPool::ReturnedBytes(), before);
    pool.Give(one);
    EXPECT_EQ(BlockPool::ReturnedBytes(), before + 128);
    pool.Give(two);
    EXPECT_EQ(BlockPool::ReturnedBytes(), before + 256);
    EXPECT_EQ(pool.Take(), two);
    EXPECT_EQ(BlockPool::ReturnedBytes(), before + 128);
    void* const again = pool.Take();
    EXPECT_EQ(again, one);
    void* const third = pool.Take();
    EXPECT_EQ(BlockPool::ReturnedBytes(), before);
    for (void* const block : {two, again, third}) pool.Give(block);
    EXPECT_EQ(BlockPool::ReturnedBytes(), before + 384);
  }
  EXPECT_EQ(BlockPool::ReturnedBytes(), before);
}

}  // namespace
}  // namespace sallyport
