#include "services/capf/io/work_pool.h"

#include <atomic>
#include <functional>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

TEST(WorkPoolTest, OneThreadRunsInOrderAndToTheEnd) {
  std::vector<int> done;
  {
    WorkPool work(1, 100);
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(work.Post([&done, i] { done.push_back(i); }), IsOk());
    }
  }
  ASSERT_EQ(done.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(done[i], i);
}

// Jobs that block do not keep others waiting while a thread is free.
TEST(WorkPoolTest, LongJobsGetAllThreads) {
  constexpr int kThreads = 8;
  for (int round = 0; round < 20; ++round) {
    absl::Notification all;
    std::atomic<int> there = 0;
    WorkPool work(kThreads, 100);
    for (int i = 0; i < kThreads; ++i) {
      // Each ends only once all of them have begun.
      ASSERT_THAT(work.Post([&] {
        if (++there == kThreads) all.Notify();
        all.WaitForNotification();
      }),
                  IsOk());
    }
    work.Stop();
    EXPECT_EQ(there, kThreads);
  }
}

TEST(WorkPoolTest, RefusesWhenFullAndAfterStop) {
  WorkPool work(1, 2);
  absl::Notification started, go;
  ASSERT_THAT(work.Post([&] {
    started.Notify();
    go.WaitForNotification();
  }),
              IsOk());
  started.WaitForNotification();
  EXPECT_THAT(work.Post([] {}), IsOk());
  EXPECT_THAT(work.Post([] {}), IsOk());
  EXPECT_THAT(work.Post([] {}), HasReason("TOO_BUSY"));
  go.Notify();
  work.Stop();
  EXPECT_THAT(work.Post([] {}), HasReason("TOO_BUSY"));
}

// Stop() waits for what a job said that it waits for, and for what that waits
// for in turn.
TEST(WorkPoolTest, StopWaitsForWhatIsExpected) {
  std::atomic<int> done = 0;
  WorkPool others(1, 1000);  // what is waited for
  WorkPool work(3, 100);
  const std::function<void(int)> step = [&](int left) {
    ++done;
    if (left == 0) return;
    work.Expect();
    EXPECT_THAT(others.Post([&work, &step, left] {
      work.Continue([&step, left] { step(left - 1); });
    }),
                IsOk());
  };
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(work.Post([&] { step(5); }), IsOk());
  }
  work.Stop();
  EXPECT_EQ(done, 20 * 6);
  others.Stop();  // has left Continue() when `work` goes
}

// However short jobs are and whenever they come, none is left lying.
TEST(WorkPoolTest, EveryJobRuns) {
  WorkPool work(4, 100000);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> left = 10;
    absl::Notification all;
    for (int i = 0; i < 10; ++i) {
      ASSERT_THAT(work.Post([&] {
        if (--left == 0) all.Notify();
      }),
                  IsOk());
    }
    all.WaitForNotification();
  }
}

}  // namespace
}  // namespace sallyport::capf
