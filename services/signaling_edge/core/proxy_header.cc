#include "services/signaling_edge/core/proxy_header.h"

#include <cstdint>

#include "absl/status/status.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
// A NUL after two empty lines begins no message.
constexpr size_t kTelling = 5;

constexpr uint8_t kVersion2 = 0x20;
constexpr uint8_t kLocal = 0;
constexpr uint8_t kProxy = 1;
// Family in the high half, protocol in the low one.
constexpr uint8_t kUnspec = 0x00;
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PROXY_HEADER_INVALID",
                   what);
}

size_t AddressSize(uint8_t family) {
  return family == kTcp4 ? 4 : family == kTcp6 ? 16 : 0;
}

}  // namespace

bool LooksLikeProxyHeader(std::string_view octets) {
  return octets.size() >= kTelling && octets.substr(0, kSignature.size()) ==
                                          kSignature.substr(0, octets.size());
}

absl::StatusOr<size_t> ProxyHeaderSize(ByteSpan prefix) {
  ByteReader reader(prefix);
  const auto signature = reader.ReadBytes(kSignature.size());
  if (!signature.has_value() || AsText(*signature) != kSignature) {
    return Invalid("a PROXY protocol version 2 header was expected");
  }
  const uint8_t command = reader.ReadU8().value_or(0);
  const uint8_t family = reader.ReadU8().value_or(0xff);
  const auto size = reader.ReadU16();
  if (!size.has_value()) return Invalid("the PROXY header is short");
  if ((command & 0xf0) != kVersion2) {
    return Invalid("a PROXY header of another version");
  }
  if ((command & 0x0f) > kProxy) return Invalid("an unknown PROXY command");
  if (family != kUnspec && family != kTcp4 && family != kTcp6) {
    return Invalid("a PROXY header of another family than TCP");
  }
  if (*size > kMaxProxyPayload) return Invalid("the PROXY header is too long");
  if ((command & 0x0f) == kProxy && *size < 2 * AddressSize(family) + 4 &&
      family != kUnspec) {
    return Invalid("the PROXY header has no room for its addresses");
  }
  return kProxyPrefixSize + *size;
}

absl::StatusOr<ProxyHeader> ParseProxyHeader(ByteSpan header) {
  SP_ASSIGN_OR_RETURN(
      const size_t size,
      ProxyHeaderSize(header.first(header.size() < kProxyPrefixSize
                                       ? header.size()
                                       : kProxyPrefixSize)));
  if (size != header.size()) return Invalid("the PROXY header is cut");
  const bool local = (header[12] & 0x0f) == kLocal;
  const uint8_t family = header[13];
  ByteReader reader(header.subspan(kProxyPrefixSize));
  ProxyHeader out;
  // LOCAL and UNSPEC: what follows is to be passed over unread.
  if (local || family == kUnspec) return out;
  const size_t width = AddressSize(family);
  const auto source = reader.ReadBytes(width);
  reader.Skip(width);  // where the client had connected to
  const auto port = reader.ReadU16();
  if (!source.has_value() || !port.has_value() || !reader.Skip(2)) {
    return Invalid("the PROXY header is short");
  }
  while (!reader.empty()) {
    if (!reader.Skip(1) || !reader.ReadU16Prefixed().has_value()) {
      return Invalid("a TLV of the PROXY header runs past its end");
    }
  }
  const auto address = SocketAddress::FromBytes(*source, *port);
  if (!address.has_value() || address->Canonical().is_unspecified() ||
      address->Canonical().is_multicast()) {
    return Invalid("the client of the PROXY header is nobody");
  }
  out.source = address->Canonical();
  return out;
}

}  // namespace sallyport::signaling_edge
