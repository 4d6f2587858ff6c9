#include "services/common/time/clock.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/fake_clock.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

TEST(RealClockTest, AgreesWithTheMachineAndNeverGoesBack) {
  const Clock& clock = Clock::Real();
  EXPECT_LT(absl::AbsDuration(clock.Now() - absl::Now()), absl::Seconds(5));
  MonoTime last = clock.MonoNow();
  for (int i = 0; i < 1000; ++i) {
    const MonoTime now = clock.MonoNow();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(FakeClockTest, MovesOnlyWhenTold) {
  FakeClock clock(absl::FromUnixSeconds(1000));
  const MonoTime start = clock.MonoNow();
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(1000));
  clock.Advance(absl::Seconds(2));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(1002));
  EXPECT_EQ(clock.MonoNow() - start, absl::Seconds(2));
}

TEST(FakeClockTest, AJumpOfCivilTimeLeavesTimersAlone) {
  FakeClock clock;
  const MonoTime start = clock.MonoNow();
  clock.JumpTo(absl::FromUnixSeconds(5));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(5));
  EXPECT_EQ(clock.MonoNow(), start);
}

}  // namespace
}  // namespace sallyport
