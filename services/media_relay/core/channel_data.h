// TURN ChannelData frames: RFC 8656 section 12.4, RFC 5766 section 11.4.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CHANNEL_DATA_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CHANNEL_DATA_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::media_relay {

inline constexpr size_t kChannelDataHeaderSize = 4;
inline constexpr uint16_t kFirstChannel = 0x4000;
// RFC 8656 ends at 0x4FFF. Clients of RFC 5766 draw from the whole range that
// it gave them, up to 0x7FFE (0x7FFF in some), coturn's own client before 4.16
// among them; on a client's port nothing else begins with these bytes.
inline constexpr uint16_t kLastChannel = 0x7FFF;

// One TURN ChannelData frame, borrowed from the datagram it arrived in.
struct ChannelData {
  uint16_t channel;                   // 0x4000..0x7FFF, checked by the parser
  absl::Span<const uint8_t> payload;  // the Length bytes; padding is excluded
};

// Reads `datagram` as a single ChannelData frame (RFC 8656 section 12.4).
//
// Pure: same bytes in, same answer out; nothing is copied, logged or believed.
// Whether the channel is bound is the allocation's question, not the parser's.
//
// Returns kInvalidArgument, with no message so a flood costs no allocation,
// when the header is short, the channel is out of range, or Length runs past
// the datagram. Trailing bytes are legal on UDP and are ignored.
absl::StatusOr<ChannelData> ParseChannelData(
    absl::Span<const uint8_t> datagram ABSL_ATTRIBUTE_LIFETIME_BOUND);

// Writes the four header bytes that stand before `payload_size` bytes.
void WriteChannelDataHeader(uint16_t channel, size_t payload_size,
                            uint8_t* header);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CHANNEL_DATA_H_
