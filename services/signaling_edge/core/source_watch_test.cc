#include "services/signaling_edge/core/source_watch.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"

namespace sallyport::signaling_edge {
namespace {

SocketAddress At(std::string_view ip) { return *SocketAddress::FromIp(ip, 1); }

class SourceWatchTest : public testing::Test {
 protected:
  Suspicion Walk(const SocketAddress& source, int users, bool failed = false) {
    Suspicion found = Suspicion::kNone;
    for (int i = 0; i < users; ++i) {
      const Suspicion one =
          watch_.OnUnproven(source, absl::StrCat("user", i), failed, now_);
      if (one != Suspicion::kNone) {
        EXPECT_EQ(found, Suspicion::kNone) << "told twice";
        found = one;
      }
    }
    return found;
  }

  FakeRandom random_;
  SourceWatch watch_{{}, random_};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

TEST_F(SourceWatchTest, AWalkThroughUsersIsToldOnceAndPasses) {
  EXPECT_EQ(Walk(At("192.0.2.1"), 100), Suspicion::kUserWalk);
  EXPECT_EQ(watch_.Of(At("192.0.2.1"), now_), Suspicion::kUserWalk);
  EXPECT_EQ(watch_.Of(At("192.0.2.2"), now_), Suspicion::kNone);
  now_ += absl::Seconds(61);
  EXPECT_EQ(watch_.Of(At("192.0.2.1"), now_), Suspicion::kNone);
  EXPECT_EQ(Walk(At("192.0.2.1"), 10), Suspicion::kNone);  // a new window
}

// An office behind one address, after a power cut.
TEST_F(SourceWatchTest, UsersThatProveThemselvesAreNoWalk) {
  for (int i = 0; i < 1000; ++i) {
    const std::string user = absl::StrCat("user", i);
    EXPECT_EQ(watch_.OnUnproven(At("192.0.2.1"), user, false, now_),
              Suspicion::kNone);
    watch_.OnProven(At("192.0.2.1"), user, now_);
  }
  EXPECT_TRUE(watch_.HasProven(At("192.0.2.1"), now_));
  EXPECT_FALSE(watch_.HasProven(At("192.0.2.1"), now_ + absl::Hours(25)));
}

TEST_F(SourceWatchTest, APhoneThatAsksAgainAndAgainIsNoWalk) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(watch_.OnUnproven(At("192.0.2.1"), "bob", false, now_),
              Suspicion::kNone);
  }
}

TEST_F(SourceWatchTest, WrongPasswordsAreGuesses) {
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(watch_.OnUnproven(At("192.0.2.1"), "bob", true, now_),
              Suspicion::kNone);
  }
  EXPECT_EQ(watch_.OnUnproven(At("192.0.2.1"), "bob", true, now_),
            Suspicion::kPasswordGuessing);
  EXPECT_EQ(watch_.OnUnproven(At("192.0.2.1"), "bob", true, now_),
            Suspicion::kNone);  // it is known
  EXPECT_EQ(SuspicionReason(watch_.Of(At("192.0.2.1"), now_)),
            "PASSWORD_GUESSING");
}

TEST_F(SourceWatchTest, AnIpv6SourceIsItsPrefix) {
  EXPECT_EQ(Walk(At("2001:db8:0:1::1"), 60), Suspicion::kUserWalk);
  EXPECT_EQ(watch_.Of(At("2001:db8:0:1:ffff::9"), now_), Suspicion::kUserWalk);
  EXPECT_EQ(watch_.Of(At("2001:db8:0:2::1"), now_), Suspicion::kNone);
}

// A flood of forged sources costs no memory and drives out no proven one.
TEST_F(SourceWatchTest, AFloodOfSourcesForgetsNobodyWhoHasProven) {
  const size_t before = watch_.capacity();
  for (int i = 0; i < 100; ++i) {
    watch_.OnProven(At(absl::StrCat("192.0.2.", i)), "gw", now_);
  }
  for (int i = 0; i < 200'000; ++i) {
    now_ += absl::Microseconds(100);
    watch_.OnUnproven(
        At(absl::StrCat("10.", i >> 16 & 255, ".", i >> 8 & 255, ".", i & 255)),
        "x", false, now_);
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(watch_.HasProven(At(absl::StrCat("192.0.2.", i)), now_)) << i;
  }
  EXPECT_EQ(watch_.capacity(), before);
}

// Loops share it: each fact is told once, whoever sees it.
TEST_F(SourceWatchTest, ThreadsTellASuspicionOnce) {
  std::atomic<int> told = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20'000; ++i) {
        told += watch_.OnUnproven(At("192.0.2.1"), absl::StrCat("user", i % 97),
                                  false, now_) != Suspicion::kNone
                    ? 1
                    : 0;
        // Others come and go in all buckets meanwhile.
        watch_.OnUnproven(At(absl::StrCat("10.", t, ".", i >> 8, ".", i & 255)),
                          "x", false, now_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(watch_.Of(At("192.0.2.1"), now_), Suspicion::kUserWalk);
}

TEST_F(SourceWatchTest, AFullTableOfThreadsForgetsNobodyWhoHasProven) {
  SourceWatch small({.sources = 64}, random_);
  for (int i = 0; i < 8; ++i) {
    small.OnProven(At(absl::StrCat("192.0.2.", i)), "gw", now_);
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50'000; ++i) {
        small.OnUnproven(
            At(absl::StrCat("10.", t, ".", i >> 8 & 255, ".", i & 255)), "x",
            i % 5 == 0, now_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(small.HasProven(At(absl::StrCat("192.0.2.", i)), now_)) << i;
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
