// Whatever ParseSdesCrypto() accepts of a known suite reads back the same.
#include "services/signaling_edge/core/sdes.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  const auto first = edge::ParseSdesCrypto(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!first.ok() || !first->suite.has_value()) return 0;
  const auto second = edge::ParseSdesCrypto(edge::WriteSdesCrypto(*first));
  if (!second.ok() || !(*first == *second)) abort();
  return 0;
}
