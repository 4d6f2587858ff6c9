// An IPv4 or IPv6 transport address.

#ifndef SALLYPORT_SERVICES_COMMON_NET_SOCKET_ADDRESS_H_
#define SALLYPORT_SERVICES_COMMON_NET_SOCKET_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

struct sockaddr;
struct sockaddr_storage;

namespace sallyport {

// A value: IP address and port. The default one is 0.0.0.0:0. Two addresses
// are equal only if spelled the same: ::ffff:192.0.2.1 is not 192.0.2.1 until
// Canonical(). Immutable but for assignment; Thread-compatible.
class SocketAddress {
 public:
  SocketAddress() = default;

  // "192.0.2.1:5060" or "[2001:db8::1]:5060". INVALID_ARGUMENT for anything
  // else, host names included.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);
  // `ip` without brackets or port; IPv6 without a zone.
  static absl::StatusOr<SocketAddress> FromIp(std::string_view ip,
                                              uint16_t port);
  // From 4 or 16 octets in network order; nullopt for any other size.
  static std::optional<SocketAddress> FromBytes(ByteSpan ip, uint16_t port);
  // nullopt unless AF_INET or AF_INET6 with a sufficient `size`.
  static std::optional<SocketAddress> FromSockaddr(const sockaddr* address,
                                                   size_t size);

  static SocketAddress AnyV4(uint16_t port) { return V4({0, 0, 0, 0}, port); }
  static SocketAddress AnyV6(uint16_t port);
  static SocketAddress LoopbackV4(uint16_t port) {
    return V4({127, 0, 0, 1}, port);
  }
  static SocketAddress V4(std::array<uint8_t, 4> ip, uint16_t port);

  bool is_v4() const { return !v6_; }
  bool is_v6() const { return v6_; }
  uint16_t port() const { return port_; }
  // 4 or 16 octets in network order; valid as long as this object.
  ByteSpan ip_bytes() const { return {ip_.data(), v6_ ? 16u : 4u}; }

  SocketAddress WithPort(uint16_t port) const;
  // The IPv4 address that a v4-mapped one (::ffff:0:0/96, RFC 4291 section
  // 2.5.5.2) stands for; any other address unchanged.
  SocketAddress Canonical() const;

  bool is_unspecified() const;  // 0.0.0.0 or ::
  bool is_loopback() const;     // 127.0.0.0/8, ::1, and either v4-mapped
  bool is_multicast() const;    // 224.0.0.0/4, ff00::/8, likewise

  // "192.0.2.1" or "2001:db8::1" (RFC 5952 form). Addresses are personal data:
  // log them through Redacted only.
  std::string IpText() const;
  // As Parse reads it.
  std::string ToString() const;

  // Fills `out` and returns its size in use, for system calls.
  uint32_t ToSockaddr(sockaddr_storage& out) const;

  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const SocketAddress& a) {
    return H::combine(std::move(h), a.v6_, a.ip_, a.port_, a.scope_);
  }

 private:
  bool v6_ = false;
  std::array<uint8_t, 16> ip_ = {};  // IPv4: the first four, the rest zero
  uint16_t port_ = 0;
  uint32_t scope_ = 0;  // interface of an IPv6 link-local address, else 0
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_SOCKET_ADDRESS_H_
