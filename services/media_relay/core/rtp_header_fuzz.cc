// Any bytes: the header's size stays inside the packet.

#include "services/media_relay/core/rtp_header.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace relay = sallyport::media_relay;
  const auto header = relay::ParseRtpHeader(absl::MakeConstSpan(data, size));
  if (!header.ok()) return 0;
  if (header->size > size || header->size < relay::kRtpFixedHeaderSize) abort();
  if (header->payload_type > 127) abort();
  return 0;
}
