#include "services/media_relay/core/stream_statistics.h"

#include <cmath>
#include <cstdint>

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/rtp_header.h"

namespace sallyport::media_relay {
namespace {

constexpr uint64_t kFirstCycle = 65536;  // so that nothing goes below zero
// A jump this far is a restart of the sender, not loss (RFC 3550 A.1).
constexpr int kMaxDropout = 3000;
constexpr int kMaxMisorder = 100;

// RFC 3551 table 4 and 5; dynamic types are taken for telephony.
uint32_t ClockRate(uint8_t payload_type) {
  switch (payload_type) {
    case 6:
      return 16000;
    case 10:
    case 11:
      return 44100;
    case 14:
    case 25:
    case 26:
    case 28:
    case 31:
    case 32:
    case 33:
    case 34:
      return 90000;
    case 16:
      return 11025;
    case 17:
      return 22050;
    default:
      return 8000;
  }
}

}  // namespace

void StreamStatistics::Begin(const RtpHeader& header) {
  if (started_) lost_before_ += LostNow();
  started_ = true;
  ssrc_ = header.ssrc;
  base_ = kFirstCycle + header.sequence;
  highest_ = base_;
  received_ = 0;
  has_transit_ = false;
}

void StreamStatistics::OnPacket(const RtpHeader& header, MonoTime arrival) {
  if (!started_ || header.ssrc != ssrc_) {
    Begin(header);
  } else {
    const int delta = static_cast<int16_t>(static_cast<uint16_t>(
        header.sequence - static_cast<uint16_t>(highest_)));
    if (delta > kMaxDropout || delta < -kMaxMisorder) {
      Begin(header);
    } else if (delta > 0) {
      highest_ += static_cast<uint64_t>(delta);
    }
  }
  ++received_;

  if (header.payload_type != payload_type_ || !has_transit_) {
    // Event packets (RFC 4733) keep one timestamp: only one type counts, and
    // a change of type starts anew.
    payload_type_ = header.payload_type;
    clock_rate_ = ClockRate(payload_type_);
    has_transit_ = false;
  }
  const double arrival_units =
      static_cast<double>(absl::ToInt64Nanoseconds(arrival.since_origin())) *
      (1e-9 * clock_rate_);
  const double transit = arrival_units - static_cast<double>(header.timestamp);
  if (has_transit_) {
    const double difference = std::abs(transit - transit_);
    // More than ten seconds apart is a new talk spurt's timestamp or a wrap.
    if (difference < 10.0 * clock_rate_) {
      jitter_ += (difference - jitter_) / 16.0;
    }
  }
  transit_ = transit;
  has_transit_ = true;
}

uint64_t StreamStatistics::LostNow() const {
  const uint64_t expected = highest_ - base_ + 1;
  return expected > received_ ? expected - received_ : 0;
}

uint64_t StreamStatistics::lost() const {
  return started_ ? lost_before_ + LostNow() : 0;
}

absl::Duration StreamStatistics::jitter() const {
  return absl::Seconds(jitter_ / clock_rate_);
}

}  // namespace sallyport::media_relay
