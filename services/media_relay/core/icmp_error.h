// What the network says of a datagram that it did not deliver: ICMP errors
// (RFC 792, RFC 4443) and the datagram that each of them quotes.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ICMP_ERROR_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ICMP_ERROR_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

// As the ICMP attribute of TURN carries it (RFC 8656 section 18.13).
struct IcmpError {
  uint8_t type = 0;
  uint8_t code = 0;
  // The next hop's MTU where the datagram was too big, else 0.
  uint32_t data = 0;

  friend bool operator==(const IcmpError&, const IcmpError&) = default;
};

// One that is told to clients: destination unreachable, time exceeded, and
// too big; none for any other (RFC 8656 section 11.5). `info` is what stands
// behind its checksum: the MTU where it is about that.
std::optional<IcmpError> MakeIcmpError(IpFamily family, uint8_t type,
                                       uint8_t code, uint32_t info);

// An error and the UDP datagram that it is about.
struct IcmpQuote {
  IcmpError error;
  Endpoint from;
  Endpoint to;
};

// An IPv4 packet as a raw socket gives it, header first. Nothing when it is
// cut, its ICMP checksum is wrong, or it is not about the first fragment of a
// UDP datagram.
std::optional<IcmpQuote> ParseIcmpv4(absl::Span<const uint8_t> packet);
// An ICMPv6 message without the IPv6 header, whose checksum the kernel has
// checked.
std::optional<IcmpQuote> ParseIcmpv6(absl::Span<const uint8_t> message);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ICMP_ERROR_H_
