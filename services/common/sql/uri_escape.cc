#include "services/common/sql/uri_escape.h"

#include <cstdint>

#include "absl/strings/ascii.h"

namespace sallyport {

std::string UriEscape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  // A secret's escape leaves no part of itself in a shorter buffer.
  out.reserve(3 * text.size());
  for (const char c : text) {
    const auto octet = static_cast<uint8_t>(c);
    if (absl::ascii_isalnum(octet)) {
      out += c;
    } else {
      out += {'%', kHex[octet >> 4], kHex[octet & 15]};
    }
  }
  return out;
}

}  // namespace sallyport
