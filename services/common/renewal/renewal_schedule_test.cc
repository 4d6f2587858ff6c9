#include "services/common/renewal/renewal_schedule.h"

#include "gtest/gtest.h"

namespace sallyport {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

// pki.md 5.2: two thirds of the life, with jitter.
TEST(RenewalScheduleTest, RenewsAtTwoThirdsGiveOrTakeATwentieth) {
  const absl::Time end = kStart + absl::Hours(24 * 90);
  EXPECT_EQ(RenewalTime(kStart, end, 0.5), kStart + absl::Hours(24 * 60));
  EXPECT_EQ(RenewalTime(kStart, end, 0), kStart + absl::Hours(24 * 55.5));
  EXPECT_EQ(RenewalTime(kStart, end, 1), kStart + absl::Hours(24 * 64.5));
}

TEST(RenewalScheduleTest, BacksOffFromAMinuteToADay) {
  EXPECT_EQ(RenewalBackoff(1, 0.5), absl::Minutes(1));
  EXPECT_EQ(RenewalBackoff(4, 0.5), absl::Minutes(8));
  EXPECT_EQ(RenewalBackoff(1000, 0.5), absl::Hours(24));
  EXPECT_EQ(RenewalBackoff(1, 1), absl::Seconds(72));
}

TEST(RenewalScheduleTest, TriesAgainBeforeTheCertificateEnds) {
  EXPECT_EQ(RenewalBackoff(20, 0.5, absl::Hours(20)), absl::Hours(5));
  EXPECT_EQ(RenewalBackoff(1, 0.5, absl::Hours(20)), absl::Minutes(1));
  EXPECT_EQ(RenewalBackoff(9, 0.5, absl::Seconds(2)), absl::Seconds(1));
  EXPECT_EQ(RenewalBackoff(20, 0.5, absl::ZeroDuration()), absl::Minutes(5));
}

}  // namespace
}  // namespace sallyport
