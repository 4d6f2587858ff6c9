// How a listener would rate what a leg receives: the E-model.
//
// ITU-T G.107 with its default values, reduced as in R. G. Cole and J. H.
// Rosenbluth, "Voice over IP performance monitoring" (ACM SIGCOMM CCR, 2001):
// R = 93.2 - Id(delay) - Ie,eff(codec, loss). Impairments of codecs from ITU-T
// G.113 appendix I; loss is taken for random (BurstR = 1).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_VOICE_QUALITY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_VOICE_QUALITY_H_

#include <cstdint>

#include "absl/time/time.h"

namespace sallyport::media_relay {

struct VoiceQualityInput {
  // Static types of RFC 3551; all others are rated as G.711, of which the
  // relay knows no better.
  uint8_t payload_type = 0;
  double loss = 0;            // share of packets that never came, 0 to 1
  absl::Duration round_trip;  // zero when not known
  absl::Duration jitter;      // the far side's buffer is taken for twice that
};

// The transmission rating R, 0 to 93.2.
double TransmissionRating(const VoiceQualityInput& input);
// Mean opinion score of a rating (G.107 annex B), 1 to 4.5.
double MeanOpinionScore(double rating);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_VOICE_QUALITY_H_
