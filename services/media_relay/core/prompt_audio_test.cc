#include "services/media_relay/core/prompt_audio.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/media_relay/core/g711.h"

namespace sallyport::media_relay {
namespace {

TEST(PromptAudioTest, TheMelodyIsSoundAndAlwaysTheSame) {
  const std::vector<int16_t> melody = PromptMelody();
  EXPECT_EQ(melody, PromptMelody());
  EXPECT_GT(melody.size(), 8000u * 10);
  EXPECT_LT(melody.size(), 8000u * 30);
  int loudest = 0;
  for (size_t i = 1; i < melody.size(); ++i) {
    loudest = std::max(loudest, std::abs(int{melody[i]}));
    // No click: 500 Hz and its harmonics at this level rise no faster.
    EXPECT_LT(std::abs(melody[i] - melody[i - 1]), 6000) << i;
  }
  EXPECT_GT(loudest, 4000);
  EXPECT_LT(loudest, 11000);
  // The end meets the beginning.
  EXPECT_EQ(melody.front(), 0);
  EXPECT_EQ(melody.back(), 0);
}

TEST(PromptAudioTest, OneLawBecomesTheOther) {
  const std::vector<int16_t> samples = {0, 1000, -1000, 32000, -32000};
  const PromptAudio mu = {PromptCodec::kPcmu,
                          EncodeG711(PromptCodec::kPcmu, samples)};
  const PromptAudio a = {PromptCodec::kPcma,
                         TranscodeG711(mu, PromptCodec::kPcma)};
  ASSERT_EQ(a.octets.size(), samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_NEAR(LinearFromALaw(static_cast<uint8_t>(a.octets[i])), samples[i],
                std::abs(samples[i]) / 12 + 16);
  }
  EXPECT_EQ(TranscodeG711(mu, PromptCodec::kPcmu), mu.octets);
  EXPECT_EQ(EncodeG711(PromptCodec::kPcma, {0}), "\xD5");
}

}  // namespace
}  // namespace sallyport::media_relay
