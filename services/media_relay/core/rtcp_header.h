// RTCP packets: RFC 3550 section 6.1 and 6.4, as far as a relay needs them.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTCP_HEADER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTCP_HEADER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::media_relay {

inline constexpr size_t kRtcpHeaderSize = 8;
inline constexpr uint8_t kRtcpSenderReport = 200;
inline constexpr uint8_t kRtcpReceiverReport = 201;
inline constexpr uint8_t kRtcpBye = 203;

struct RtcpHeader {
  uint8_t count;        // 0..31: report blocks, sources or a format
  uint8_t packet_type;  // 192..223
  size_t size;          // of this packet of the compound, in bytes
  uint32_t ssrc;        // of its sender
};

// Reads the first packet of a compound RTCP or SRTCP packet. In SRTCP what
// follows the first eight bytes is encrypted, so nothing else is looked at and
// `size` may then run past the part that is in clear, never past the packet.
//
// Returns kInvalidArgument without a message when the version is not 2, the
// type is not RTCP's or the length runs past the packet.
absl::StatusOr<RtcpHeader> ParseRtcpHeader(absl::Span<const uint8_t> packet);

// Checks a whole compound in clear: each length fits, together they fill the
// packet exactly. Short forms (RFC 5506) are valid. Returns the number of
// packets, or kInvalidArgument without a message.
absl::StatusOr<int> ParseRtcpCompound(absl::Span<const uint8_t> packet);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTCP_HEADER_H_
