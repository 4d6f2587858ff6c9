#include "services/signaling_edge/core/stun_keep_alive.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/common/bytes/byte_span.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kHeaderSize = 20;
constexpr std::string_view kMagicCookie("\x21\x12\xA4\x42", 4);
constexpr uint16_t kBindingRequest = 0x0001;
constexpr uint16_t kBindingSuccess = 0x0101;
constexpr uint16_t kBindingError = 0x0111;
constexpr uint16_t kErrorCode = 0x0009;
constexpr uint16_t kUnknownAttributes = 0x000A;
constexpr uint16_t kXorMappedAddress = 0x0020;
// What is named in a 420: enough to tell, too few to amplify.
constexpr size_t kMaxUnknown = 4;

uint16_t ReadU16(std::string_view text, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(text[at]) << 8 |
                               static_cast<uint8_t>(text[at + 1]));
}
void AppendU16(std::string& out, uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xFF));
}

std::string Response(uint16_t type, std::string_view request,
                     std::string_view attributes) {
  std::string out;
  AppendU16(out, type);
  AppendU16(out, static_cast<uint16_t>(attributes.size()));
  out += request.substr(4, 16);  // cookie and transaction id
  out += attributes;
  return out;
}

}  // namespace

bool IsStun(std::string_view datagram) {
  return datagram.size() >= kHeaderSize &&
         (static_cast<uint8_t>(datagram[0]) & 0xC0) == 0 &&
         datagram.substr(4, 4) == kMagicCookie &&
         ReadU16(datagram, 2) == datagram.size() - kHeaderSize &&
         datagram.size() % 4 == 0;
}

std::optional<std::string> AnswerStun(std::string_view datagram,
                                      const SocketAddress& from) {
  if (!IsStun(datagram) || ReadU16(datagram, 0) != kBindingRequest) {
    return std::nullopt;
  }
  std::vector<uint16_t> unknown;
  for (size_t at = kHeaderSize; at < datagram.size();) {
    if (datagram.size() - at < 4) return std::nullopt;
    const uint16_t type = ReadU16(datagram, at);
    const size_t size = (ReadU16(datagram, at + 2) + 3u) & ~size_t{3};
    if (datagram.size() - at - 4 < size) return std::nullopt;
    // Below 0x8000 it must be understood; there are none that a binding
    // request without credentials needs (RFC 5389 section 15).
    if (type < 0x8000 && unknown.size() < kMaxUnknown) unknown.push_back(type);
    at += 4 + size;
  }
  std::string attributes;
  if (!unknown.empty()) {
    AppendU16(attributes, kErrorCode);
    AppendU16(attributes, 4);
    attributes += std::string_view("\0\0\4\x14", 4);  // 420, no phrase
    AppendU16(attributes, kUnknownAttributes);
    AppendU16(attributes, static_cast<uint16_t>(2 * unknown.size()));
    for (const uint16_t type : unknown) AppendU16(attributes, type);
    if (unknown.size() % 2 != 0) AppendU16(attributes, 0);
    return Response(kBindingError, datagram, attributes);
  }
  const SocketAddress address = from.Canonical();
  const ByteSpan ip = address.ip_bytes();
  AppendU16(attributes, kXorMappedAddress);
  AppendU16(attributes, static_cast<uint16_t>(4 + ip.size()));
  AppendU16(attributes, address.is_v4() ? 1 : 2);
  AppendU16(attributes, static_cast<uint16_t>(address.port() ^ 0x2112));
  for (size_t i = 0; i < ip.size(); ++i) {
    attributes.push_back(
        static_cast<char>(ip[i] ^ static_cast<uint8_t>(datagram[4 + i])));
  }
  return Response(kBindingSuccess, datagram, attributes);
}

}  // namespace sallyport::signaling_edge
