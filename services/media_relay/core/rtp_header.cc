#include "services/media_relay/core/rtp_header.h"

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::media_relay {
namespace {

uint32_t Load32(const uint8_t* p) {
  return (static_cast<uint32_t>(p[0]) << 24) |
         (static_cast<uint32_t>(p[1]) << 16) |
         (static_cast<uint32_t>(p[2]) << 8) | static_cast<uint32_t>(p[3]);
}

}  // namespace

bool ReadRtpHeader(absl::Span<const uint8_t> packet, RtpHeader& header) {
  if (packet.size() < kRtpFixedHeaderSize || (packet[0] >> 6) != 2) {
    return false;
  }
  size_t size = kRtpFixedHeaderSize + (packet[0] & 0x0F) * size_t{4};
  if ((packet[0] & 0x10) != 0) {
    if (packet.size() < size + 4) return false;
    const size_t words =
        static_cast<size_t>((packet[size + 2] << 8) | packet[size + 3]);
    size += 4 + words * 4;
  }
  if (packet.size() < size) return false;
  header.payload_type = packet[1] & 0x7F;
  header.marker = (packet[1] & 0x80) != 0;
  header.padding = (packet[0] & 0x20) != 0;
  header.sequence = static_cast<uint16_t>((packet[2] << 8) | packet[3]);
  header.timestamp = Load32(packet.data() + 4);
  header.ssrc = Load32(packet.data() + 8);
  header.size = size;
  return true;
}

absl::StatusOr<RtpHeader> ParseRtpHeader(absl::Span<const uint8_t> packet) {
  RtpHeader header;
  if (!ReadRtpHeader(packet, header)) {
    return absl::Status(absl::StatusCode::kInvalidArgument, "");
  }
  return header;
}

}  // namespace sallyport::media_relay
