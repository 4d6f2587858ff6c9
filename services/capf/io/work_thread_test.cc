#include "services/capf/io/work_thread.h"

#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

TEST(WorkThreadTest, RunsInOrderAndToTheEnd) {
  std::vector<int> done;
  {
    WorkThread work(100);
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(work.Post([&done, i] { done.push_back(i); }), IsOk());
    }
  }
  ASSERT_EQ(done.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(done[i], i);
}

TEST(WorkThreadTest, RefusesWhenFullAndAfterStop) {
  WorkThread work(2);
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

}  // namespace
}  // namespace sallyport::capf
