#include "services/media_relay/core/delay_histogram.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

TEST(DelayHistogramTest, EmptyIsZero) {
  EXPECT_EQ(DelayHistogram().Quantile(0.99), absl::ZeroDuration());
}

TEST(DelayHistogramTest, NeverBelowTheTruthAndAtMostAQuarterAbove) {
  for (int64_t us = 1; us < 30'000'000; us = us * 5 / 4 + 1) {
    DelayHistogram histogram;
    histogram.Record(absl::Microseconds(us));
    const double got = absl::ToDoubleMicroseconds(histogram.Quantile(0.5));
    EXPECT_GE(got, static_cast<double>(us));
    EXPECT_LE(got, static_cast<double>(us) * 1.25 + 1) << us;
  }
}

TEST(DelayHistogramTest, Quantiles) {
  DelayHistogram histogram;
  for (int i = 0; i < 990; ++i) histogram.Record(absl::Microseconds(100));
  for (int i = 0; i < 10; ++i) histogram.Record(absl::Milliseconds(50));
  EXPECT_EQ(histogram.count(), 1000u);
  EXPECT_LT(histogram.Quantile(0.99), absl::Microseconds(130));
  EXPECT_GE(histogram.Quantile(0.991), absl::Milliseconds(50));
  EXPECT_GE(histogram.Quantile(1), absl::Milliseconds(50));
}

TEST(DelayHistogramTest, ExtremesStayInRange) {
  DelayHistogram histogram;
  histogram.Record(-absl::Seconds(1));
  histogram.Record(absl::Hours(1));
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_GT(histogram.Quantile(1), absl::Seconds(60));
}

}  // namespace
}  // namespace sallyport::media_relay
