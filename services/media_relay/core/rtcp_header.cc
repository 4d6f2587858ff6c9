#include "services/media_relay/core/rtcp_header.h"

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::media_relay {
namespace {

absl::Status Malformed() {
  return absl::Status(absl::StatusCode::kInvalidArgument, "");
}

// Version 2, a type of RTCP's, a length inside the packet. Four bytes are
// enough for the later packets of a compound (an empty BYE has no SSRC).
absl::StatusOr<size_t> PacketSize(absl::Span<const uint8_t> packet) {
  if (packet.size() < 4 || (packet[0] >> 6) != 2 || packet[1] < 192 ||
      packet[1] > 223) {
    return Malformed();
  }
  const size_t words = static_cast<size_t>((packet[2] << 8) | packet[3]);
  const size_t size = (words + 1) * 4;
  if (size > packet.size()) return Malformed();
  return size;
}

}  // namespace

absl::StatusOr<RtcpHeader> ParseRtcpHeader(absl::Span<const uint8_t> packet) {
  if (packet.size() < kRtcpHeaderSize) return Malformed();
  const absl::StatusOr<size_t> size = PacketSize(packet);
  if (!size.ok()) return size.status();
  RtcpHeader header;
  header.count = packet[0] & 0x1F;
  header.packet_type = packet[1];
  header.size = *size;
  header.ssrc = (static_cast<uint32_t>(packet[4]) << 24) |
                (static_cast<uint32_t>(packet[5]) << 16) |
                (static_cast<uint32_t>(packet[6]) << 8) |
                static_cast<uint32_t>(packet[7]);
  return header;
}

absl::StatusOr<int> ParseRtcpCompound(absl::Span<const uint8_t> packet) {
  int count = 0;
  do {
    const absl::StatusOr<size_t> size = PacketSize(packet);
    if (!size.ok()) return size.status();
    packet.remove_prefix(*size);
    ++count;
  } while (!packet.empty());
  return count;
}

}  // namespace sallyport::media_relay
