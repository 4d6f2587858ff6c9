#include "services/credential_issuer/core/clock_guard.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"

namespace sallyport::credential_issuer {
namespace {

const absl::Time kWall = absl::FromUnixSeconds(1'700'000'000);
const MonoTime kMono = MonoTime::FromOrigin(absl::Hours(5));

TEST(ClockGuardTest, AnEvenClockIsSettledFromTheStart) {
  ClockGuard guard;
  EXPECT_TRUE(guard.settled(kMono));
  for (int i = 0; i < 100; ++i) {
    // One that NTP slews by half a second every minute.
    const absl::Duration t = absl::Minutes(i);
    EXPECT_FALSE(
        guard.Observe(kWall + t + i * absl::Milliseconds(500), kMono + t));
  }
  EXPECT_TRUE(guard.settled(kMono + absl::Hours(2)));
}

TEST(ClockGuardTest, AJumpEitherWayIsToldOnceAndSettles) {
  for (const absl::Duration jump : {absl::Hours(1), -absl::Hours(1)}) {
    ClockGuard guard;
    EXPECT_FALSE(guard.Observe(kWall, kMono));
    const absl::Duration t = absl::Seconds(1);
    EXPECT_TRUE(guard.Observe(kWall + jump + t, kMono + t));
    EXPECT_FALSE(guard.Observe(kWall + jump + 2 * t, kMono + 2 * t));
    EXPECT_FALSE(guard.settled(kMono + t + ClockGuard::kSettling -
                               absl::Milliseconds(1)));
    EXPECT_TRUE(guard.settled(kMono + t + ClockGuard::kSettling));
    // Set right again: another jump, and another wait.
    EXPECT_TRUE(
        guard.Observe(kWall + absl::Minutes(20), kMono + absl::Minutes(20)));
    EXPECT_FALSE(guard.settled(kMono + absl::Minutes(20)));
  }
}

}  // namespace
}  // namespace sallyport::credential_issuer
