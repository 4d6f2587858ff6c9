// Any bytes: what parses is inside the datagram and writes back the same.

#include "services/media_relay/core/channel_data.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/types/span.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace relay = sallyport::media_relay;
  const auto frame = relay::ParseChannelData(absl::MakeConstSpan(data, size));
  if (!frame.ok()) return 0;
  if (frame->payload.data() + frame->payload.size() > data + size) abort();
  uint8_t header[relay::kChannelDataHeaderSize];
  relay::WriteChannelDataHeader(frame->channel, frame->payload.size(), header);
  if (std::memcmp(header, data, sizeof(header)) != 0) abort();
  return 0;
}
