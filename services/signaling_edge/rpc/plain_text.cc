#include "services/signaling_edge/rpc/plain_text.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::signaling_edge {
namespace {

// Octets of the UTF-8 character (RFC 3629) that `text` begins with; 0 if none.
size_t CharacterSize(std::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const auto is_tail = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const uint8_t first = at(0);
  const uint8_t second = at(1);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !is_tail(1)) return 0;
  if (first < 0xE0) return 2;
  if (!is_tail(2)) return 0;
  if (first < 0xF0) {
    const bool is_long = first == 0xE0 && second < 0xA0;
    const bool is_surrogate = first == 0xED && second >= 0xA0;
    return is_long || is_surrogate ? 0 : 3;
  }
  const bool is_out =
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90);
  return is_out || !is_tail(3) ? 0 : 4;
}

}  // namespace

std::string PlainText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    const auto first = static_cast<uint8_t>(text[0]);
    if (size == 0 || first < 0x20 || first == 0x7F) {
      out.push_back('?');
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
  return out;
}

}  // namespace sallyport::signaling_edge
