#include "services/media_relay/core/prompt_audio.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include "services/media_relay/core/g711.h"

namespace sallyport::media_relay {
namespace {

constexpr int kRate = 8000;

struct Note {
  int half_tones;  // above A of 440 Hz
  int eighths;
};
constexpr int kRest = -1000;
constexpr double kEighthSeconds = 0.24;

// "An die Freude", L. van Beethoven, 1824.
constexpr std::array<Note, 32> kTune = {{
    {-5, 2}, {-5, 2}, {-4, 2},    {-2, 2},    {-2, 2}, {-4, 2}, {-5, 2},
    {-7, 2}, {-9, 2}, {-9, 2},    {-7, 2},    {-5, 2}, {-5, 3}, {-7, 1},
    {-7, 4}, {-5, 2}, {-5, 2},    {-4, 2},    {-2, 2}, {-2, 2}, {-4, 2},
    {-5, 2}, {-7, 2}, {-9, 2},    {-9, 2},    {-7, 2}, {-5, 2}, {-7, 3},
    {-9, 1}, {-9, 4}, {kRest, 4}, {kRest, 4},
}};

uint8_t Encode(PromptCodec codec, int16_t sample) {
  return codec == PromptCodec::kPcma ? ALawFromLinear(sample)
                                     : MuLawFromLinear(sample);
}

}  // namespace

std::string EncodeG711(PromptCodec codec, const std::vector<int16_t>& samples) {
  std::string octets;
  octets.reserve(samples.size());
  for (const int16_t sample : samples) {
    octets.push_back(static_cast<char>(Encode(codec, sample)));
  }
  return octets;
}

std::string TranscodeG711(const PromptAudio& audio, PromptCodec to) {
  if (audio.codec == to) return audio.octets;
  std::string octets;
  octets.reserve(audio.octets.size());
  for (const char c : audio.octets) {
    const auto octet = static_cast<uint8_t>(c);
    const int16_t sample = audio.codec == PromptCodec::kPcma
                               ? LinearFromALaw(octet)
                               : LinearFromMuLaw(octet);
    octets.push_back(static_cast<char>(Encode(to, sample)));
  }
  return octets;
}

std::vector<int16_t> PromptMelody() {
  constexpr double kAmplitude = 7000;
  std::vector<int16_t> samples;
  for (const Note& note : kTune) {
    const int count =
        static_cast<int>(note.eighths * kEighthSeconds * kRate + 0.5);
    const double step = 2 * std::numbers::pi * 440 *
                        std::pow(2.0, note.half_tones / 12.0) / kRate;
    for (int i = 0; i < count; ++i) {
      if (note.half_tones == kRest) {
        samples.push_back(0);
        continue;
      }
      // Struck in 5 ms, fading, gone 10 ms before the next: no clicks.
      const double seconds = static_cast<double>(i) / kRate;
      const double left = static_cast<double>(count - i) / kRate;
      const double envelope = std::min(1.0, seconds / 0.005) *
                              std::min(1.0, left / 0.010) *
                              std::exp(-2.0 * seconds);
      const double wave = std::sin(step * i) + 0.3 * std::sin(2 * step * i) +
                          0.1 * std::sin(3 * step * i);
      samples.push_back(static_cast<int16_t>(kAmplitude * envelope * wave));
    }
  }
  return samples;
}

}  // namespace sallyport::media_relay
