#include "services/signaling_edge/core/toll_guard.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kTenant[] = "tenants/t";

class TollGuardTest : public testing::Test {
 protected:
  TollGuardTest() {
    restriction_.name = "tenants/t/diallingRestrictions/r";
    restriction_.toll_limits = {
        {.toll_classes = {TollClass::kInternational, TollClass::kPremium},
         .calls_per_caller = 2,
         .calls_per_tenant = 3,
         .calls_per_minute_per_caller = 10}};
  }
  std::string Call(std::string_view caller,
                   TollClass toll_class = TollClass::kInternational) {
    const absl::Status status =
        guard_.Admit(&restriction_, toll_class, caller, kTenant, now_);
    if (!status.ok()) return ReasonOf(status);
    places_.push_back(
        guard_.OnBegan(&restriction_, toll_class, caller, kTenant));
    return "";
  }
  void EndAll() {
    for (const auto& each : places_) guard_.OnEnded(each);
    places_.clear();
  }

  FakeRandom random_;
  DiallingRestrictionEntry restriction_;
  TollGuard guard_{random_};
  std::vector<TollGuard::Places> places_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

TEST_F(TollGuardTest, CallsAtATimeAreLimitedByCallerAndTenant) {
  EXPECT_EQ(Call("a"), "");
  EXPECT_EQ(Call("a", TollClass::kPremium), "");
  EXPECT_EQ(Call("a"), "TOLL_CALL_LIMIT");
  EXPECT_EQ(Call("b"), "");
  EXPECT_EQ(Call("b"), "TOLL_CALL_LIMIT");  // the tenant's three
  EXPECT_EQ(Call("b", TollClass::kNational), "");
  EXPECT_EQ(Call("b", TollClass::kEmergency), "");
  EndAll();
  EXPECT_EQ(Call("b"), "");
}

TEST_F(TollGuardTest, ShortCallsAreLimitedByTheMinute) {
  int taken = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string reason = Call("a");
    EXPECT_TRUE(reason.empty() || reason == "TOLL_CALL_RATE");
    taken += reason.empty() ? 1 : 0;
    EndAll();
  }
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(Call("b"), "");
  now_ += absl::Seconds(6);
  EXPECT_EQ(Call("a"), "");
}

TEST_F(TollGuardTest, WhatIsRefusedCountsForNothing) {
  restriction_.toll_limits[0].calls_per_minute_per_tenant = 2;
  for (int i = 0; i < 20; ++i) Call("a");
  EXPECT_EQ(places_.size(), 2u);
  EndAll();
  now_ += absl::Seconds(60);
  EXPECT_EQ(Call("a"), "");
}

TEST_F(TollGuardTest, WithoutLimitsNothingIsRefused) {
  restriction_.toll_limits.clear();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Call("a"), "");
  EXPECT_EQ(guard_.Admit(nullptr, TollClass::kPremium, "a", kTenant, now_),
            absl::OkStatus());
}

// Memory is fixed: what is over leaves room, and callers beyond all room are
// favoured, never each other's calls counted.
TEST_F(TollGuardTest, ManyCallersArePassed) {
  restriction_.toll_limits[0].calls_per_tenant = 0;
  for (int i = 0; i < 200'000; ++i) {
    ASSERT_EQ(Call(Cat("user", i)), "");
    if (i % 1000 == 0) EndAll();
  }
  EndAll();
  EXPECT_EQ(Call("a"), "");
  EXPECT_EQ(Call("a"), "");
  EXPECT_EQ(Call("a"), "TOLL_CALL_LIMIT");
}

// A limit is the edge's, whichever of its loops the calls come to.
TEST_F(TollGuardTest, ThreadsShareTheLimits) {
  restriction_.toll_limits[0] = {.toll_classes = {TollClass::kPremium},
                                 .calls_per_minute_per_tenant = 500};
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        taken +=
            guard_.Admit(&restriction_, TollClass::kPremium, "c", kTenant, now_)
                    .ok()
                ? 1
                : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Those who meet at the last place may each have got it.
  EXPECT_GE(taken, 500);
  EXPECT_LE(taken, 504);
}

}  // namespace
}  // namespace sallyport::signaling_edge
