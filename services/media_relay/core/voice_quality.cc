#include "services/media_relay/core/voice_quality.h"

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace sallyport::media_relay {
namespace {

// Equipment impairment and robustness against loss (G.113 appendix I).
struct Codec {
  double ie;
  double bpl;
  double delay_ms;  // of coding, with one packet of 20 or 30 ms
};

Codec CodecOf(uint8_t payload_type) {
  switch (payload_type) {
    case 3:  // GSM full rate
      return {20, 10, 20};
    case 4:  // G.723.1 at 6.3 kbit/s
      return {15, 16.1, 67.5};
    case 18:  // G.729A
      return {11, 19, 25};
    default:  // G.711 with concealment (G.711 appendix I)
      return {0, 25.1, 20};
  }
}

}  // namespace

double TransmissionRating(const VoiceQualityInput& input) {
  const Codec codec = CodecOf(input.payload_type);
  const double delay = absl::ToDoubleMilliseconds(input.round_trip) / 2 +
                       2 * absl::ToDoubleMilliseconds(input.jitter) +
                       codec.delay_ms;
  double delay_impairment = 0.024 * delay;
  if (delay > 177.3) delay_impairment += 0.11 * (delay - 177.3);
  const double percent = std::clamp(input.loss, 0.0, 1.0) * 100;
  // G.107 equation 7-29.
  const double loss_impairment =
      codec.ie + (95 - codec.ie) * percent / (percent + codec.bpl);
  return std::clamp(93.2 - delay_impairment - loss_impairment, 0.0, 93.2);
}

double MeanOpinionScore(double rating) {
  if (rating <= 0) return 1;
  if (rating >= 100) return 4.5;
  return std::max(
      1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6);
}

}  // namespace sallyport::media_relay
