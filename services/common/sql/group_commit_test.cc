#include "services/common/sql/group_commit.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

using Queue = GroupCommit<std::unique_ptr<int>>;

TEST(GroupCommitTest, WhatCameMeanwhileIsOneBatchAndFinishedAtTheEnd) {
  absl::Notification first_runs;
  absl::Notification go_on;
  std::vector<size_t> sizes;
  std::vector<int> order;
  {
    Queue::Options options;
    options.max_queue = 5;
    options.max_batch = 3;
    Queue queue(options, [&](std::vector<std::unique_ptr<int>> batch) {
      sizes.push_back(batch.size());
      for (const auto& job : batch) order.push_back(*job);
      if (sizes.size() == 1) {
        first_runs.Notify();
        go_on.WaitForNotification();
      }
    });
    auto job = std::make_unique<int>(0);
    EXPECT_TRUE(queue.Submit(job));
    first_runs.WaitForNotification();
    for (int i = 1; i <= 5; ++i) {
      job = std::make_unique<int>(i);
      EXPECT_TRUE(queue.Submit(job));
    }
    job = std::make_unique<int>(6);
    EXPECT_FALSE(queue.Submit(job));
    ASSERT_NE(job, nullptr);
    EXPECT_EQ(*job, 6);
    go_on.Notify();
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 3, 2}));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(GroupCommitTest, WhoLetsOthersRunStillTakesAllInOrder) {
  constexpr int kJobs = 2000;
  std::vector<int> order;
  {
    Queue::Options options;
    options.max_queue = 2 * kJobs;
    options.max_batch = 7;
    options.lets_others_run = true;
    Queue queue(options, [&](std::vector<std::unique_ptr<int>> batch) {
      EXPECT_LE(batch.size(), 7u);
      for (const auto& job : batch) order.push_back(*job);
    });
    std::thread even([&] {
      for (int i = 0; i < kJobs; i += 2) {
        auto job = std::make_unique<int>(i);
        EXPECT_TRUE(queue.Submit(job));
      }
    });
    for (int i = 1; i < kJobs; i += 2) {
      auto job = std::make_unique<int>(i);
      EXPECT_TRUE(queue.Submit(job));
    }
    even.join();
  }
  ASSERT_EQ(order.size(), size_t{kJobs});
  int last[2] = {-2, -1};
  for (const int job : order) {
    EXPECT_EQ(job, last[job % 2] + 2);
    last[job % 2] = job;
  }
}

TEST(GroupCommitTest, IsCalledWithoutJobsWhenWokenAndWhenIdle) {
  std::atomic<int> calls = 0;
  absl::Notification called;
  Queue woken({}, [&](std::vector<std::unique_ptr<int>> batch) {
    EXPECT_TRUE(batch.empty());
    called.Notify();
  });
  woken.Wake();
  called.WaitForNotification();

  absl::Notification idle;
  Queue::Options options;
  options.idle_period = absl::Milliseconds(1);
  const Queue queue(options, [&](std::vector<std::unique_ptr<int>>) {
    if (++calls == 3) idle.Notify();
  });
  idle.WaitForNotification();
}

}  // namespace
}  // namespace sallyport
