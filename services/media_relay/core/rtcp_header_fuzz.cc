// Any bytes: sizes stay inside, and a whole compound begins with a header.

#include "services/media_relay/core/rtcp_header.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace relay = sallyport::media_relay;
  const auto bytes = absl::MakeConstSpan(data, size);
  const auto header = relay::ParseRtcpHeader(bytes);
  if (header.ok() && header->size > size) abort();
  const auto compound = relay::ParseRtcpCompound(bytes);
  if (compound.ok() &&
      (*compound < 1 || static_cast<size_t>(*compound) * 4 > size)) {
    abort();
  }
  return 0;
}
