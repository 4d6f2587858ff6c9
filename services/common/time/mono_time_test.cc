#include "services/common/time/mono_time.h"

#include "absl/hash/hash_testing.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(MonoTimeTest, Arithmetic) {
  const MonoTime t = MonoTime::FromOrigin(absl::Seconds(10));
  EXPECT_EQ(t + absl::Seconds(5) - t, absl::Seconds(5));
  EXPECT_EQ(t - absl::Seconds(10), MonoTime());
  EXPECT_LT(t, t + absl::Nanoseconds(1));
  EXPECT_GE(t, t);
}

TEST(MonoTimeTest, InfinitiesSaturate) {
  const MonoTime never = MonoTime::InfiniteFuture();
  EXPECT_EQ(never + absl::Hours(1), never);
  EXPECT_EQ(never - absl::Hours(1), never);
  EXPECT_EQ(MonoTime() + absl::InfiniteDuration(), never);
  EXPECT_LT(MonoTime::InfinitePast(), MonoTime());
  EXPECT_LT(MonoTime(), never);
}

TEST(MonoTimeTest, Hashes) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {MonoTime(), MonoTime::FromOrigin(absl::Seconds(1)),
       MonoTime::InfiniteFuture(), MonoTime::InfinitePast()}));
}

}  // namespace
}  // namespace sallyport
