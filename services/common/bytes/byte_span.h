// Views between text and octets, so that no caller writes a reinterpret_cast.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_BYTE_SPAN_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_BYTE_SPAN_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace sallyport {

// Borrowed, immutable octets.
using ByteSpan = absl::Span<const uint8_t>;

// The octets of `text`; valid as long as `text` is.
inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// `bytes` seen as text; valid as long as `bytes` is.
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An owned copy.
inline std::string ToString(ByteSpan bytes) {
  return std::string(AsText(bytes));
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_BYTE_SPAN_H_
