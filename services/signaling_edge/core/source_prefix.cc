#include "services/signaling_edge/core/source_prefix.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "services/common/bytes/byte_span.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

struct Prefix {
  SocketAddress base;
  uint32_t bits = 0;
};

std::optional<Prefix> Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto base = SocketAddress::FromIp(text.substr(0, slash), 0);
  if (!base.ok()) return std::nullopt;
  const uint32_t width = static_cast<uint32_t>(base->ip_bytes().size()) * 8;
  if (slash == std::string_view::npos) return Prefix{*base, width};
  const auto length = ParseUint(text.substr(slash + 1), width);
  if (!length.has_value()) return std::nullopt;
  return Prefix{*base, static_cast<uint32_t>(*length)};
}

}  // namespace

bool IsPrefix(std::string_view prefix) { return Parse(prefix).has_value(); }

bool InPrefix(const SocketAddress& address, std::string_view prefix) {
  const auto parsed = Parse(prefix);
  if (!parsed.has_value() || parsed->base.is_v4() != address.is_v4()) {
    return false;
  }
  const ByteSpan a = address.ip_bytes();
  const ByteSpan b = parsed->base.ip_bytes();
  uint32_t bits = parsed->bits;
  for (size_t i = 0; i < a.size() && bits > 0; ++i) {
    const uint32_t take = bits < 8 ? bits : 8;
    const uint8_t mask = static_cast<uint8_t>(0xFF00 >> take);
    if ((a[i] & mask) != (b[i] & mask)) return false;
    bits -= take;
  }
  return true;
}

}  // namespace sallyport::signaling_edge
