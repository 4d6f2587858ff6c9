#include "services/media_relay/core/icmp_error.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIpv6Fragment = 44;
constexpr size_t kIcmpHeader = 8;
constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr size_t kPorts = 4;

uint16_t At16(absl::Span<const uint8_t> bytes, size_t offset) {
  return static_cast<uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

uint32_t At32(absl::Span<const uint8_t> bytes, size_t offset) {
  return static_cast<uint32_t>(At16(bytes, offset)) << 16 |
         At16(bytes, offset + 2);
}

// RFC 1071: the sum of all words, the checksum among them.
bool IsChecksumRight(absl::Span<const uint8_t> bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += At16(bytes, i);
  if (bytes.size() % 2 != 0) sum += static_cast<uint64_t>(bytes.back()) << 8;
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return sum == 0xFFFF;
}

// The length of the IPv4 header at the front; 0: there is none.
size_t Ipv4HeaderSize(absl::Span<const uint8_t> packet) {
  if (packet.size() < kIpv4Header || packet[0] >> 4 != 4) return 0;
  const size_t size = static_cast<size_t>(packet[0] & 0x0F) * 4;
  return size < kIpv4Header || size > packet.size() ? 0 : size;
}

}  // namespace

std::optional<IcmpError> MakeIcmpError(IpFamily family, uint8_t type,
                                       uint8_t code, uint32_t info) {
  const bool told = family == IpFamily::kIpv6
                        ? type == 1 || type == 2 || type == 3
                        : type == 3 || type == 11;
  if (!told) return std::nullopt;
  IcmpError error{type, code, 0};
  if (family == IpFamily::kIpv6) {
    if (type == 2) error.data = info;
  } else if (type == 3 && code == 4) {
    error.data = info & 0xFFFF;  // RFC 1191 section 4
  }
  return error;
}

std::optional<IcmpQuote> ParseIcmpv4(absl::Span<const uint8_t> packet) {
  const size_t outer = Ipv4HeaderSize(packet);
  if (outer == 0 || packet[9] != kIcmp) return std::nullopt;
  const absl::Span<const uint8_t> icmp = packet.subspan(outer);
  if (icmp.size() < kIcmpHeader || !IsChecksumRight(icmp)) return std::nullopt;
  const std::optional<IcmpError> error =
      MakeIcmpError(IpFamily::kIpv4, icmp[0], icmp[1], At32(icmp, 4));
  const absl::Span<const uint8_t> quoted = icmp.subspan(kIcmpHeader);
  const size_t inner = Ipv4HeaderSize(quoted);
  if (!error.has_value() || inner == 0 || quoted[9] != kUdp ||
      (At16(quoted, 6) & 0x1FFF) != 0 || quoted.size() < inner + kPorts) {
    return std::nullopt;
  }
  return IcmpQuote{
      *error,
      {IpAddress::FromBytes(quoted.subspan(12, 4)), At16(quoted, inner)},
      {IpAddress::FromBytes(quoted.subspan(16, 4)), At16(quoted, inner + 2)}};
}

std::optional<IcmpQuote> ParseIcmpv6(absl::Span<const uint8_t> message) {
  if (message.size() < kIcmpHeader + kIpv6Header) return std::nullopt;
  const std::optional<IcmpError> error =
      MakeIcmpError(IpFamily::kIpv6, message[0], message[1], At32(message, 4));
  const absl::Span<const uint8_t> quoted = message.subspan(kIcmpHeader);
  if (!error.has_value() || quoted[0] >> 4 != 6) return std::nullopt;
  // We send no other extension header than that of a first fragment.
  size_t ports = kIpv6Header;
  uint8_t next = quoted[6];
  if (next == kIpv6Fragment) {
    if (quoted.size() < ports + 8 || (At16(quoted, ports + 2) & 0xFFF8) != 0) {
      return std::nullopt;
    }
    next = quoted[ports];
    ports += 8;
  }
  if (next != kUdp || quoted.size() < ports + kPorts) return std::nullopt;
  return IcmpQuote{
      *error,
      {IpAddress::FromBytes(quoted.subspan(8, 16)), At16(quoted, ports)},
      {IpAddress::FromBytes(quoted.subspan(24, 16)), At16(quoted, ports + 2)}};
}

}  // namespace sallyport::media_relay
