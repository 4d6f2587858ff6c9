#include "services/media_relay/core/packet_classifier.h"

#include <cstdint>

#include "absl/types/span.h"

namespace sallyport::media_relay {

PacketKind ClassifyPacket(absl::Span<const uint8_t> datagram) {
  if (datagram.size() < 2) return PacketKind::kUnknown;
  const uint8_t first = datagram[0];
  if (first <= 3) return PacketKind::kStun;
  if (first >= 20 && first <= 63) return PacketKind::kDtls;
  if (first >= 64 && first <= 127) return PacketKind::kChannelData;
  if (first >= 128 && first <= 191) {
    const uint8_t type = datagram[1];
    return type >= 192 && type <= 223 ? PacketKind::kRtcp : PacketKind::kRtp;
  }
  return PacketKind::kUnknown;
}

}  // namespace sallyport::media_relay
