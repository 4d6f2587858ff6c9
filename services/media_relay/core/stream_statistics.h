// Loss and jitter of received RTP: RFC 3550 sections 6.4.1, A.3 and A.8.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_STATISTICS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_STATISTICS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/rtp_header.h"

namespace sallyport::media_relay {

// Follows one sender; a new SSRC starts a new count and keeps the loss so far.
// Thread-compatible.
class StreamStatistics {
 public:
  void OnPacket(const RtpHeader& header, MonoTime arrival);

  // Expected less received, over all SSRCs; late duplicates do not make it
  // negative.
  uint64_t lost() const;
  absl::Duration jitter() const;
  // Of the newest packet that counted.
  uint8_t payload_type() const { return payload_type_; }

 private:
  void Begin(const RtpHeader& header);
  uint64_t LostNow() const;

  // One cache line.
  bool started_ = false;
  bool has_transit_ = false;
  uint8_t payload_type_ = 0;
  uint32_t ssrc_ = 0;
  uint32_t clock_rate_ = 8000;
  uint64_t base_ = 0;     // extended sequence of the first packet
  uint64_t highest_ = 0;  // extended sequence of the newest packet
  uint64_t received_ = 0;
  uint64_t lost_before_ = 0;  // of former SSRCs
  double jitter_ = 0;         // in units of the payload's clock
  double transit_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_STATISTICS_H_
