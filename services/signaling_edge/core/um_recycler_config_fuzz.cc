#include "services/signaling_edge/core/um_recycler_config.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto first = sallyport::signaling_edge::ParseStartSecured(file);
  const auto again = sallyport::signaling_edge::ParseStartSecured(file);
  if (first.ok() != again.ok() || (first.ok() && *first != *again)) {
    __builtin_trap();
  }
  return 0;
}
