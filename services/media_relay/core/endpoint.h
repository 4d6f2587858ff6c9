// IP addresses alone, with prefixes, and transport addresses made of them, as
// STUN, permissions and the packet path need them: small, trivially copyable
// values. SocketAddress has no address without a port, hence these.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ENDPOINT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ENDPOINT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/types/span.h"
#include "services/common/net/socket_address.h"

namespace sallyport::media_relay {

enum class IpFamily : uint8_t { kNone = 0, kIpv4 = 4, kIpv6 = 6 };

// An IPv4 or IPv6 address in network order. Immutable.
class IpAddress {
 public:
  constexpr IpAddress() = default;

  static IpAddress V4(const std::array<uint8_t, 4>& octets);
  static IpAddress V6(const std::array<uint8_t, 16>& octets);
  // 4 or 16 bytes; anything else gives the empty address.
  static IpAddress FromBytes(absl::Span<const uint8_t> bytes);
  // Dotted or colon text, without port, zone or brackets.
  static std::optional<IpAddress> Parse(std::string_view text);

  IpFamily family() const { return family_; }
  bool is_v4() const { return family_ == IpFamily::kIpv4; }
  bool is_v6() const { return family_ == IpFamily::kIpv6; }
  // 4 or 16 bytes, or none for the empty address.
  absl::Span<const uint8_t> bytes() const;
  // True for 0.0.0.0, :: and the empty address.
  bool IsUnspecified() const;
  std::string ToString() const;

  friend bool operator==(const IpAddress& a, const IpAddress& b) {
    return a.family_ == b.family_ && a.octets_ == b.octets_;
  }
  friend bool operator!=(const IpAddress& a, const IpAddress& b) {
    return !(a == b);
  }
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.family_, a.octets_);
  }

 private:
  IpFamily family_ = IpFamily::kNone;
  std::array<uint8_t, 16> octets_ = {};  // IPv4 uses the first four
};

// A transport address: the protocol is known from where it is used.
struct Endpoint {
  IpAddress ip;
  uint16_t port = 0;

  // "192.0.2.1:3478", "[2001:db8::1]:3478".
  std::string ToString() const;
  SocketAddress ToSocketAddress() const;

  friend bool operator==(const Endpoint& a, const Endpoint& b) {
    return a.port == b.port && a.ip == b.ip;
  }
  friend bool operator!=(const Endpoint& a, const Endpoint& b) {
    return !(a == b);
  }
  template <typename H>
  friend H AbslHashValue(H h, const Endpoint& e) {
    return H::combine(std::move(h), e.ip, e.port);
  }
};

// A CIDR block. Host bits of the base must be zero: Parse() refuses others.
class IpPrefix {
 public:
  // "10.0.0.0/8", "fc00::/7"; a bare address is a block of one.
  static std::optional<IpPrefix> Parse(std::string_view text);

  IpPrefix(IpAddress base, int bits) : base_(base), bits_(bits) {}

  // Families never match each other: canonicalise first.
  bool Contains(const IpAddress& address) const;

  const IpAddress& base() const { return base_; }
  int bits() const { return bits_; }

 private:
  IpAddress base_;
  int bits_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ENDPOINT_H_
