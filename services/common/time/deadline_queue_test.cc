#include "services/common/time/deadline_queue.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;

MonoTime At(int seconds) {
  return MonoTime::FromOrigin(absl::Seconds(seconds));
}

std::vector<std::string> Drain(DeadlineQueue<std::string>& queue,
                               MonoTime now) {
  std::vector<std::string> out;
  while (auto key = queue.PopExpired(now)) out.push_back(*key);
  return out;
}

TEST(DeadlineQueueTest, ExpiresInOrder) {
  DeadlineQueue<std::string> queue;
  queue.Set("c", At(3));
  queue.Set("a", At(1));
  queue.Set("b", At(2));
  EXPECT_EQ(queue.next(), At(1));
  EXPECT_THAT(Drain(queue, At(2)), ElementsAre("a", "b"));
  EXPECT_EQ(queue.next(), At(3));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(DeadlineQueueTest, EqualDeadlinesKeepTheirOrder) {
  DeadlineQueue<std::string> queue;
  for (const char* key : {"x", "b", "q", "a", "z"}) queue.Set(key, At(1));
  EXPECT_THAT(Drain(queue, At(1)), ElementsAre("x", "b", "q", "a", "z"));
}

TEST(DeadlineQueueTest, MovesAndDisarms) {
  DeadlineQueue<std::string> queue;
  queue.Set("a", At(1));
  queue.Set("b", At(2));
  queue.Set("a", At(5));
  EXPECT_EQ(queue.deadline("a"), At(5));
  EXPECT_EQ(queue.next(), At(2));
  queue.Set("b", MonoTime::InfiniteFuture());
  EXPECT_FALSE(queue.contains("b"));
  EXPECT_EQ(queue.deadline("b"), MonoTime::InfiniteFuture());
  EXPECT_TRUE(queue.Erase("a"));
  EXPECT_FALSE(queue.Erase("a"));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.next(), MonoTime::InfiniteFuture());
  EXPECT_EQ(queue.PopExpired(At(100)), std::nullopt);
}

TEST(DeadlineQueueTest, AgreesWithASortedMap) {
  std::mt19937 random(7);
  DeadlineQueue<int> queue;
  std::map<int, MonoTime> model;
  for (int step = 0; step < 20000; ++step) {
    const int key = static_cast<int>(random() % 64);
    if (random() % 3 == 0) {
      EXPECT_EQ(queue.Erase(key), model.erase(key) == 1);
    } else {
      const MonoTime when = At(static_cast<int>(random() % 1000));
      queue.Set(key, when);
      model[key] = when;
    }
    MonoTime least = MonoTime::InfiniteFuture();
    for (const auto& [k, when] : model) least = std::min(least, when);
    ASSERT_EQ(queue.next(), least);
    ASSERT_EQ(queue.size(), model.size());
    if (step % 50 == 0) {
      const MonoTime now = At(static_cast<int>(random() % 300));
      while (auto popped = queue.PopExpired(now)) {
        ASSERT_LE(model.at(*popped), now);
        model.erase(*popped);
      }
      for (const auto& [k, when] : model) ASSERT_GT(when, now);
    }
  }
}

}  // namespace
}  // namespace sallyport
