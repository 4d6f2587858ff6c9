#include "services/media_relay/core/channel_data.h"

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::media_relay {

absl::StatusOr<ChannelData> ParseChannelData(
    absl::Span<const uint8_t> datagram) {
  const absl::Status malformed(absl::StatusCode::kInvalidArgument, "");
  if (datagram.size() < kChannelDataHeaderSize) return malformed;
  const uint16_t channel =
      static_cast<uint16_t>((datagram[0] << 8) | datagram[1]);
  if (channel < kFirstChannel || channel > kLastChannel) return malformed;
  const size_t length = static_cast<size_t>((datagram[2] << 8) | datagram[3]);
  if (length > datagram.size() - kChannelDataHeaderSize) return malformed;
  return ChannelData{channel, datagram.subspan(kChannelDataHeaderSize, length)};
}

void WriteChannelDataHeader(uint16_t channel, size_t payload_size,
                            uint8_t* header) {
  header[0] = static_cast<uint8_t>(channel >> 8);
  header[1] = static_cast<uint8_t>(channel);
  header[2] = static_cast<uint8_t>(payload_size >> 8);
  header[3] = static_cast<uint8_t>(payload_size);
}

}  // namespace sallyport::media_relay
