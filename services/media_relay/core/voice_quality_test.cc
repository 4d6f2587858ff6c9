#include "services/media_relay/core/voice_quality.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

double Mos(const VoiceQualityInput& input) {
  return MeanOpinionScore(TransmissionRating(input));
}

TEST(VoiceQualityTest, G107AnnexBScoresOfRatings) {
  EXPECT_DOUBLE_EQ(MeanOpinionScore(-5), 1);
  EXPECT_DOUBLE_EQ(MeanOpinionScore(0), 1);
  // Table B.1: R 90, 80, 70, 60, 50.
  EXPECT_NEAR(MeanOpinionScore(90), 4.34, 0.01);
  EXPECT_NEAR(MeanOpinionScore(80), 4.03, 0.01);
  EXPECT_NEAR(MeanOpinionScore(70), 3.60, 0.01);
  EXPECT_NEAR(MeanOpinionScore(60), 3.10, 0.01);
  EXPECT_NEAR(MeanOpinionScore(50), 2.58, 0.01);
  EXPECT_DOUBLE_EQ(MeanOpinionScore(100), 4.5);
}

TEST(VoiceQualityTest, G711WithoutLossIsNearlyPerfect) {
  EXPECT_NEAR(TransmissionRating({}), 92.7, 0.1);
  EXPECT_GT(Mos({}), 4.38);
}

TEST(VoiceQualityTest, LossCostsByTheCodec) {
  VoiceQualityInput input;
  input.loss = 0.01;
  // 95 * 1 / 26.1 = 3.64
  EXPECT_NEAR(TransmissionRating(input), 92.72 - 3.64, 0.01);
  input.loss = 0.05;
  EXPECT_NEAR(TransmissionRating(input), 92.72 - 95 * 5 / 30.1, 0.01);
  input.payload_type = 18;
  EXPECT_NEAR(TransmissionRating(input), 93.2 - 0.6 - 11 - 84 * 5 / 24.0, 0.01);
  input.loss = 1;
  EXPECT_LT(Mos(input), 1.5);
}

TEST(VoiceQualityTest, DelayCostsMoreBeyond177Milliseconds) {
  VoiceQualityInput input;
  input.round_trip = absl::Milliseconds(200);
  EXPECT_NEAR(TransmissionRating(input), 93.2 - 0.024 * 120, 0.01);
  input.round_trip = absl::Milliseconds(600);
  EXPECT_NEAR(TransmissionRating(input),
              93.2 - 0.024 * 320 - 0.11 * (320 - 177.3), 0.01);
  const double before = Mos(input);
  input.jitter = absl::Milliseconds(40);
  EXPECT_LT(Mos(input), before);
}

}  // namespace
}  // namespace sallyport::media_relay
