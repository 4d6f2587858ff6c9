// What a datagram is, by its first byte: RFC 7983 section 7, with RFC 5761
// section 4 for RTP against RTCP.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PACKET_CLASSIFIER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PACKET_CLASSIFIER_H_

#include <cstdint>

#include "absl/types/span.h"

namespace sallyport::media_relay {

enum class PacketKind : uint8_t {
  kStun,         // 0..3
  kDtls,         // 20..63
  kChannelData,  // 64..79, and 80..127 of RFC 5766
  kRtp,          // 128..191, payload type outside 64..95
  kRtcp,         // 128..191, packet type 192..223
  kUnknown,      // everything else, and the empty datagram
};

// Looks at two bytes and believes nothing: a parser must follow.
PacketKind ClassifyPacket(absl::Span<const uint8_t> datagram);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PACKET_CLASSIFIER_H_
