#include "services/common/net/mailbox.h"

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/event_loop.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;

TEST(MailboxTest, DeliversInOrderOnTheLoop) {
  auto loop = *EventLoop::Create();
  std::vector<int> got;
  SP_ASSERT_OK_AND_ASSIGN(auto box, Mailbox<std::unique_ptr<int>>::Create(
                                        *loop, 10, [&](std::unique_ptr<int> m) {
                                          got.push_back(*m);
                                        }));
  for (int i = 1; i <= 3; ++i) {
    ASSERT_THAT(box->Send(std::make_unique<int>(i)), IsOk());
  }
  EXPECT_THAT(got, ElementsAre());
  loop->RunOnce(absl::Seconds(5));
  EXPECT_THAT(got, ElementsAre(1, 2, 3));
  ASSERT_THAT(box->Send(std::make_unique<int>(4)), IsOk());
  loop->RunOnce(absl::Seconds(5));
  EXPECT_THAT(got, ElementsAre(1, 2, 3, 4));
}

TEST(MailboxTest, FullIsResourceExhaustedAndLeavesTheMessage) {
  auto loop = *EventLoop::Create();
  int received = 0;
  SP_ASSERT_OK_AND_ASSIGN(
      auto box, Mailbox<std::unique_ptr<int>>::Create(
                    *loop, 2, [&](std::unique_ptr<int>) { ++received; }));
  ASSERT_THAT(box->Send(std::make_unique<int>(1)), IsOk());
  ASSERT_THAT(box->Send(std::make_unique<int>(2)), IsOk());
  auto third = std::make_unique<int>(3);
  EXPECT_THAT(box->Send(std::move(third)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ASSERT_NE(third, nullptr);  // NOLINT(bugprone-use-after-move): the contract
  loop->RunOnce(absl::Seconds(5));
  EXPECT_EQ(received, 2);
  EXPECT_THAT(box->Send(std::move(third)), IsOk());
}

TEST(MailboxTest, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4, kEach = 5000;
  auto loop = *EventLoop::Create();
  int64_t sum = 0;
  int count = 0;
  SP_ASSERT_OK_AND_ASSIGN(auto box, Mailbox<int>::Create(*loop, 64, [&](int m) {
                            sum += m;
                            if (++count == kThreads * kEach) loop->Stop();
                          }));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 1; i <= kEach; ++i) {
        while (!box->Send(int{i}).ok()) std::this_thread::yield();
      }
    });
  }
  loop->Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, int64_t{kThreads} * kEach * (kEach + 1) / 2);
}

TEST(MailboxTest, MessagesMayBeSentByTheReceiver) {
  auto loop = *EventLoop::Create();
  std::unique_ptr<Mailbox<int>> box;
  int last = 0;
  box = *Mailbox<int>::Create(*loop, 4, [&](int m) {
    last = m;
    if (m < 5) {
      EXPECT_THAT(box->Send(m + 1), IsOk());
    } else {
      loop->Stop();
    }
  });
  ASSERT_THAT(box->Send(1), IsOk());
  loop->Run();
  EXPECT_EQ(last, 5);
}

}  // namespace
}  // namespace sallyport
