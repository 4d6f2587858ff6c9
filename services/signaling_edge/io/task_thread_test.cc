#include "services/signaling_edge/io/task_thread.h"

#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

TEST(TaskThreadTest, RunsInOrderAndFinishesBeforeItGoes) {
  std::vector<int> ran;
  {
    TaskThread thread(100);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(thread.Post([&ran, i] { ran.push_back(i); }).ok());
    }
  }
  ASSERT_EQ(ran.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ran[i], i);
}

TEST(TaskThreadTest, IsBounded) {
  absl::Notification begun, go;
  TaskThread thread(2);
  ASSERT_TRUE(thread
                  .Post([&] {
                    begun.Notify();
                    go.WaitForNotification();
                  })
                  .ok());
  begun.WaitForNotification();
  EXPECT_TRUE(thread.Post([] {}).ok());
  EXPECT_TRUE(thread.Post([] {}).ok());
  EXPECT_EQ(thread.Post([] {}).code(), absl::StatusCode::kResourceExhausted);
  go.Notify();
}

}  // namespace
}  // namespace sallyport::signaling_edge
