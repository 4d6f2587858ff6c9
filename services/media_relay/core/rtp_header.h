// The RTP header: RFC 3550 section 5.1 and 5.3.1.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTP_HEADER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTP_HEADER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::media_relay {

inline constexpr size_t kRtpFixedHeaderSize = 12;

struct RtpHeader {
  uint8_t payload_type;  // 0..127
  bool marker;
  bool padding;
  uint16_t sequence;
  uint32_t timestamp;  // in units of the payload's clock
  uint32_t ssrc;
  size_t size;  // header with CSRC list and extension, in bytes
};

// Reads the header of an RTP or SRTP packet; the payload is not looked at, so
// padding is not checked (in SRTP it is encrypted).
//
// Returns kInvalidArgument without a message when the version is not 2 or the
// CSRC list or the extension runs past the packet.
absl::StatusOr<RtpHeader> ParseRtpHeader(absl::Span<const uint8_t> packet);
// The same for the packet path; false instead of the error.
bool ReadRtpHeader(absl::Span<const uint8_t> packet, RtpHeader& header);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTP_HEADER_H_
