// Audio as it goes into RTP packets: octets of one codec.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_AUDIO_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_AUDIO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::media_relay {

// All have 64 kbit/s, and an RTP clock of 8000 (RFC 3551 sections 4.5.2 and
// 4.5.14), so that 20 ms are always 160 octets and 160 units of time.
enum class PromptCodec : uint8_t { kPcmu, kPcma, kG722 };
inline constexpr size_t kPromptCodecs = 3;
inline constexpr size_t kPromptFrame = 160;

// One recording in one codec.
struct PromptAudio {
  PromptCodec codec = PromptCodec::kPcmu;
  std::string octets;
};

// 8000 samples a second.
std::string EncodeG711(PromptCodec codec, const std::vector<int16_t>& samples);
// From one law to the other.
std::string TranscodeG711(const PromptAudio& audio, PromptCodec to);

// A tune with a rest at its end, to be repeated: what plays where nothing was
// prepared. Computed, always the same, under a third of full scale.
std::vector<int16_t> PromptMelody();

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_AUDIO_H_
