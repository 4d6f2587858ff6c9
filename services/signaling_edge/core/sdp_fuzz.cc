// Whatever ParseSdp() accepts must read the same after being written.
#include "services/signaling_edge/core/sdp.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  const auto first = edge::ParseSdp(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!first.ok()) return 0;
  // Line ends grow and t= may be added, so near the limits it may not fit.
  const std::string text = edge::WriteSdp(*first);
  if (text.size() > edge::kMaxSdpBytes / 2) return 0;
  const auto second = edge::ParseSdp(text);
  if (!second.ok()) {
    if (first->attributes.size() + 8 > edge::kMaxSdpLines / 2) return 0;
    abort();
  }
  if (!(*first == *second)) abort();
  return 0;
}
