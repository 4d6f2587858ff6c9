#include "services/common/net/event_loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/rank.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kNoWait = absl::ZeroDuration();

class EventLoopTest : public testing::Test {
 protected:
  EventLoopTest() : loop_(*EventLoop::Create()) {}

  struct Pair {
    UniqueFd near, far;
  };
  static Pair MakePair() {
    std::array<int, 2> fds;
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()),
              0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
  static void WriteByte(const UniqueFd& fd) {
    EXPECT_EQ(write(fd.get(), "x", 1), 1);
  }

  std::unique_ptr<EventLoop> loop_;
};

TEST_F(EventLoopTest, TellsReadableAndWritable) {
  Pair pair = MakePair();
  std::vector<IoEvents> seen;
  ASSERT_THAT(loop_->Add(pair.near.get(), kReadable,
                         [&](IoEvents e) { seen.push_back(e); }),
              IsOk());
  loop_->RunOnce(kNoWait);
  EXPECT_TRUE(seen.empty());
  WriteByte(pair.far);
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_THAT(seen, ElementsAre(kReadable));
  ASSERT_THAT(loop_->Modify(pair.near.get(), kReadableAndWritable), IsOk());
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_THAT(seen, ElementsAre(kReadable, kReadableAndWritable));
  loop_->Remove(pair.near.get());
  loop_->RunOnce(kNoWait);
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(EventLoopTest, TellsHangUpEvenWhenNothingIsAsked) {
  Pair pair = MakePair();
  bool failed = false;
  ASSERT_THAT(loop_->Add(pair.near.get(), IoEvents(),
                         [&](IoEvents e) { failed = e.failed; }),
              IsOk());
  pair.far.reset();
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_TRUE(failed);
  loop_->Remove(pair.near.get());
}

TEST_F(EventLoopTest, RefusesWhatItCannotWatch) {
  Pair pair = MakePair();
  ASSERT_THAT(loop_->Add(pair.near.get(), kReadable, [](IoEvents) {}), IsOk());
  EXPECT_THAT(loop_->Add(pair.near.get(), kReadable, [](IoEvents) {}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  loop_->Remove(pair.near.get());
  loop_->Remove(pair.near.get());  // twice is harmless
  EXPECT_THAT(loop_->Modify(pair.near.get(), kReadable),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(loop_->Add(-1, kReadable, [](IoEvents) {}).ok());
}

TEST_F(EventLoopTest, RemovalWithinATurnSilencesEventsAlreadyCollected) {
  Pair a = MakePair(), b = MakePair();
  int calls = 0;
  const auto remove_both = [&](IoEvents) {
    ++calls;
    loop_->Remove(a.near.get());
    loop_->Remove(b.near.get());
  };
  ASSERT_THAT(loop_->Add(a.near.get(), kReadable, remove_both), IsOk());
  ASSERT_THAT(loop_->Add(b.near.get(), kReadable, remove_both), IsOk());
  WriteByte(a.far);
  WriteByte(b.far);
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_EQ(calls, 1);
}

// The classic epoll mistake: the descriptor of a closed connection is given to
// the next one within the same turn, which then gets the old one's events.
TEST_F(EventLoopTest, AReusedDescriptorDoesNotInheritEvents) {
  Pair a = MakePair(), b = MakePair();
  Pair fresh = MakePair();
  int stale = 0, swaps = 0;
  const auto swap_the_other = [&](Pair& other) {
    return [&](IoEvents) {
      ++swaps;
      loop_->Remove(other.near.get());
      // The same number, another connection, nothing to read on it.
      ASSERT_EQ(dup2(fresh.near.get(), other.near.get()), other.near.get());
      ASSERT_THAT(
          loop_->Add(other.near.get(), kReadable, [&](IoEvents) { ++stale; }),
          IsOk());
    };
  };
  ASSERT_THAT(loop_->Add(a.near.get(), kReadable, swap_the_other(b)), IsOk());
  ASSERT_THAT(loop_->Add(b.near.get(), kReadable, swap_the_other(a)), IsOk());
  WriteByte(a.far);
  WriteByte(b.far);
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_EQ(swaps, 1);
  EXPECT_EQ(stale, 0);
  loop_->Remove(a.near.get());
  loop_->Remove(b.near.get());
}

TEST_F(EventLoopTest, TimersFireOnceAndInOrder) {
  std::string order;
  const auto a = loop_->AddTimer([&](MonoTime) { order += 'a'; });
  const auto b = loop_->AddTimer([&](MonoTime) { order += 'b'; });
  const MonoTime start = loop_->RefreshNow();
  loop_->SetTimer(a, start + absl::Milliseconds(20));
  loop_->SetTimer(b, start + absl::Milliseconds(5));
  while (order.size() < 2) loop_->RunOnce(absl::Seconds(5));
  EXPECT_EQ(order, "ba");
  EXPECT_GE(loop_->now() - start, absl::Milliseconds(20));
  loop_->RunOnce(kNoWait);
  EXPECT_EQ(order, "ba");
  loop_->RemoveTimer(a);
  loop_->RemoveTimer(b);
}

TEST_F(EventLoopTest, ATimerMayDisarmAnotherThatIsDueToo) {
  int fired = 0;
  EventLoop::TimerId b = 0;
  const auto a = loop_->AddTimer([&](MonoTime) {
    ++fired;
    loop_->SetTimer(b, MonoTime::InfiniteFuture());
  });
  b = loop_->AddTimer([&](MonoTime) { fired += 100; });
  loop_->SetTimer(a, loop_->now());
  loop_->SetTimer(b, loop_->now());
  loop_->RunOnce(kNoWait);
  loop_->RunOnce(kNoWait);
  EXPECT_EQ(fired, 1);
}

TEST_F(EventLoopTest, ATimerMayRemoveItself) {
  int fired = 0;
  EventLoop::TimerId timer = 0;
  timer = loop_->AddTimer([&, big = std::string(1000, 'x')](MonoTime) {
    loop_->RemoveTimer(timer);
    fired += static_cast<int>(big.size());  // still there
  });
  loop_->SetTimer(timer, loop_->now());
  loop_->RunOnce(kNoWait);
  EXPECT_EQ(fired, 1000);
}

TEST_F(EventLoopTest, ATimerThatRearmsForNowDoesNotStarveDescriptors) {
  Pair pair = MakePair();
  int fired = 0, reads = 0;
  EventLoop::TimerId timer = 0;
  timer = loop_->AddTimer([&](MonoTime now) {
    ++fired;
    loop_->SetTimer(timer, now);
  });
  loop_->SetTimer(timer, loop_->now());
  ASSERT_THAT(
      loop_->Add(pair.near.get(), kReadable, [&](IoEvents) { ++reads; }),
      IsOk());
  WriteByte(pair.far);
  for (int i = 0; i < 3; ++i) loop_->RunOnce(kNoWait);
  EXPECT_EQ(fired, 3);
  EXPECT_EQ(reads, 3);
  loop_->Remove(pair.near.get());
}

TEST_F(EventLoopTest, DeferredTasksRunAtTheEndOfTheTurn) {
  std::string order;
  const auto timer = loop_->AddTimer([&](MonoTime) {
    loop_->Defer([&] { order += 'd'; });
    order += 't';
  });
  loop_->SetTimer(timer, loop_->now());
  loop_->RunOnce(kNoWait);
  EXPECT_EQ(order, "td");
}

TEST_F(EventLoopTest, StopFromAnotherThreadEndsRun) {
  bool ran = false;
  std::thread stopper([&] {
    absl::SleepFor(absl::Milliseconds(10));
    loop_->Stop();
  });
  loop_->Defer([&] { ran = true; });
  loop_->Run();
  stopper.join();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, StopBeforeRunIsNotLost) {
  loop_->Stop();
  loop_->Run();
}

#ifndef NDEBUG
TEST(EventLoopDeathTest, AnotherThreadIsCaught) {
  EXPECT_DEATH(
      {
        auto loop = *EventLoop::Create();
        std::thread other;
        loop->Defer([&] {
          other = std::thread([&] { loop->AddTimer([](MonoTime) {}); });
          other.join();
        });
        loop->Defer([&] { loop->Stop(); });
        loop->Run();
      },
      "check failed");
}
#endif

// Several descriptors of one rank that stay ready, and who was called.
class EventLoopRankTest : public EventLoopTest {
 protected:
  // Ready from now on, as nothing is read.
  void AddReady(const std::string& name, Rank rank) {
    pairs_.push_back(MakePair());
    WriteByte(pairs_.back().far);
    ASSERT_THAT(loop_->Add(
                    pairs_.back().near.get(), kReadable,
                    [this, name](IoEvents) {
                      called_.push_back(name);
                      if (on_call_) on_call_(name);
                    },
                    rank),
                IsOk());
  }
  // Who was called in one turn that must not have to wait.
  std::vector<std::string> Turn() {
    called_.clear();
    loop_->RunOnce(absl::Seconds(5));
    return called_;
  }

  std::vector<Pair> pairs_;
  std::vector<std::string> called_;
  std::function<void(const std::string&)> on_call_;
};

TEST_F(EventLoopRankTest, FirstComesBeforeLast) {
  AddReady("last", Rank::kLast);
  AddReady("first", Rank::kFirst);
  EXPECT_THAT(Turn(), ElementsAre("first", "last"));
}

TEST_F(EventLoopRankTest, UrgentComesFirstAndWhenItIsAskedFor) {
  AddReady("last", Rank::kLast);
  AddReady("a", Rank::kFirst);
  AddReady("b", Rank::kFirst);
  AddReady("urgent", Rank::kUrgent);
  on_call_ = [this](const std::string& name) {
    if (name == "a" || name == "last") loop_->ServeUrgent();
  };
  EXPECT_THAT(Turn(),
              ElementsAre("urgent", "a", "urgent", "b", "last", "urgent"));
  loop_->SetRank(pairs_[3].near.get(), Rank::kFirst);
  EXPECT_THAT(Turn(), UnorderedElementsAre("a", "b", "urgent", "last"));
  loop_->SetRank(pairs_[3].near.get(), Rank::kUrgent);
  EXPECT_THAT(Turn(),
              ElementsAre("urgent", "a", "urgent", "b", "last", "urgent"));
}

// Who is asked for within a turn may end whoever is being called.
TEST_F(EventLoopRankTest, WhoIsUrgentMayRemoveWhoeverAskedForIt) {
  AddReady("a", Rank::kFirst);
  AddReady("urgent", Rank::kUrgent);
  AddReady("last", Rank::kLast);
  int calls = 0;
  on_call_ = [this, &calls](const std::string& name) {
    if (name == "a") loop_->ServeUrgent();
    if (name != "urgent" || ++calls < 2) return;
    for (const Pair& pair : pairs_) loop_->Remove(pair.near.get());
  };
  EXPECT_THAT(Turn(), ElementsAre("urgent", "a", "urgent"));
  called_.clear();
  loop_->ServeUrgent();
  loop_->RunOnce(kNoWait);
  EXPECT_TRUE(called_.empty());
}

// However many strangers wait, one who is known waits for one of them at most.
TEST_F(EventLoopRankTest, OfLastATurnServesWhatItsTimeAllows) {
  loop_->SetTimeForLast(kNoWait);
  for (int i = 0; i < 200; ++i) AddReady("last", Rank::kLast);
  EXPECT_THAT(Turn(), ElementsAre("last"));
  AddReady("first", Rank::kFirst);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Turn(), ElementsAre("first", "last"));
}

TEST_F(EventLoopRankTest, AllOfLastHaveTheirTurn) {
  loop_->SetTimeForLast(kNoWait);
  constexpr int kCount = 150;  // more than the kernel is asked for at once
  for (int i = 0; i < kCount; ++i) AddReady(std::to_string(i), Rank::kLast);
  for (int round = 0; round < 3; ++round) {
    std::set<std::string> seen;
    for (int i = 0; i < kCount; ++i) {
      const std::vector<std::string> called = Turn();
      ASSERT_EQ(called.size(), 1u);
      seen.insert(called[0]);
    }
    EXPECT_EQ(seen.size(), static_cast<size_t>(kCount));
  }
}

TEST_F(EventLoopRankTest, WithTimeAllOfLastAreServedInOneTurn) {
  loop_->SetTimeForLast(absl::Seconds(5));
  for (int i = 0; i < 10; ++i) AddReady("last", Rank::kLast);
  EXPECT_EQ(Turn().size(), 10u);
}

TEST_F(EventLoopRankTest, ARankCanChange) {
  AddReady("a", Rank::kLast);
  AddReady("b", Rank::kFirst);
  EXPECT_THAT(Turn(), ElementsAre("b", "a"));
  loop_->SetRank(pairs_[0].near.get(), Rank::kFirst);
  loop_->SetRank(pairs_[1].near.get(), Rank::kLast);
  EXPECT_THAT(Turn(), ElementsAre("a", "b"));
  // It is still watched for what it was, and can be changed and removed.
  ASSERT_THAT(loop_->Modify(pairs_[0].near.get(), IoEvents()), IsOk());
  EXPECT_THAT(Turn(), ElementsAre("b"));
  loop_->Remove(pairs_[1].near.get());
  called_.clear();
  loop_->RunOnce(kNoWait);
  EXPECT_TRUE(called_.empty());
}

// What the kernel has told of them already is forgotten with them.
TEST_F(EventLoopRankTest, WhoIsRemovedWhileItWaitsIsNotCalled) {
  for (int i = 0; i < 10; ++i) AddReady("last", Rank::kLast);
  on_call_ = [this](const std::string&) {
    for (const Pair& pair : pairs_) loop_->Remove(pair.near.get());
  };
  EXPECT_THAT(Turn(), ElementsAre("last"));
}

// What those of the first rank have to send goes out before any of the others
// is looked at.
TEST_F(EventLoopRankTest, DeferredTasksOfFirstComeBeforeLast) {
  AddReady("first", Rank::kFirst);
  AddReady("last", Rank::kLast);
  on_call_ = [this](const std::string& name) {
    loop_->Defer([this, name] { called_.push_back("after " + name); });
  };
  EXPECT_THAT(Turn(),
              ElementsAre("first", "after first", "last", "after last"));
}

TEST_F(EventLoopTest, BusyPollingDoesNotSleepForAWhile) {
  Pair pair = MakePair();
  int calls = 0;
  ASSERT_THAT(loop_->Add(pair.near.get(), kReadable,
                         [&](IoEvents) {
                           char byte;
                           EXPECT_EQ(read(pair.near.get(), &byte, 1), 1);
                           ++calls;
                         }),
              IsOk());
  loop_->SetBusyPoll(absl::Milliseconds(20));
  WriteByte(pair.far);
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_EQ(calls, 1);
  // Turns that wait for nothing, until it is time to sleep again.
  const MonoTime start = loop_->RefreshNow();
  int turns = 0;
  while (loop_->RefreshNow() - start < absl::Milliseconds(20)) {
    loop_->RunOnce(absl::Milliseconds(100));
    ++turns;
  }
  EXPECT_GT(turns, 1);
  const MonoTime rested = loop_->RefreshNow();
  loop_->RunOnce(absl::Milliseconds(30));
  EXPECT_GE(loop_->RefreshNow() - rested, absl::Milliseconds(25));
}

}  // namespace
}  // namespace sallyport
