#include "services/common/net/address_order.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {
namespace {

using Octets = std::array<uint8_t, 16>;

// IPv4 as v4-mapped (section 3.2).
Octets OctetsOf(const SocketAddress& address) {
  Octets out = {};
  const ByteSpan ip = address.ip_bytes();
  if (ip.size() == 4) {
    out[10] = out[11] = 0xff;
    std::copy(ip.begin(), ip.end(), out.begin() + 12);
  } else {
    std::copy(ip.begin(), ip.end(), out.begin());
  }
  return out;
}

bool IsMappedV4(const Octets& a) {
  return std::all_of(a.begin(), a.begin() + 10,
                     [](uint8_t octet) { return octet == 0; }) &&
         a[10] == 0xff && a[11] == 0xff;
}

// Section 3.1, and 3.2 for IPv4: by RFC 4291 section 2.7.
constexpr int kLinkLocal = 0x2;
constexpr int kSiteLocal = 0x5;
constexpr int kGlobal = 0xe;

int ScopeOf(const Octets& a) {
  if (IsMappedV4(a)) {
    const bool local = a[12] == 127 || (a[12] == 169 && a[13] == 254);
    return local ? kLinkLocal : kGlobal;
  }
  if (a[0] == 0xff) return a[1] & 0xf;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return kLinkLocal;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) return kSiteLocal;
  const bool loopback =
      a[15] == 1 && std::all_of(a.begin(), a.begin() + 15,
                                [](uint8_t octet) { return octet == 0; });
  return loopback ? kLinkLocal : kGlobal;
}

// Section 2.1, the longest prefix first.
struct Policy {
  Octets prefix;
  size_t bits;
  int precedence;
  int label;
};
constexpr std::array<Policy, 9> kPolicies = {{
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},
    {{}, 96, 1, 3},
    {{0x20, 0x01}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2},
    {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11},
    {{0xfc}, 7, 3, 13},
    {{}, 0, 40, 1},
}};

bool HasPrefix(const Octets& a, const Policy& policy) {
  for (size_t bit = 0; bit < policy.bits; ++bit) {
    const uint8_t mask = static_cast<uint8_t>(0x80 >> (bit % 8));
    if ((a[bit / 8] & mask) != (policy.prefix[bit / 8] & mask)) return false;
  }
  return true;
}

const Policy& PolicyOf(const Octets& a) {
  return *std::find_if(
      kPolicies.begin(), kPolicies.end(),
      [&](const Policy& policy) { return HasPrefix(a, policy); });
}

// What comes first is less.
std::tuple<bool, bool, bool, int, int> RankOf(
    const SocketAddress& to, const std::optional<SocketAddress>& source) {
  const Octets destination = OctetsOf(to);
  const Policy& policy = PolicyOf(destination);
  const int scope = ScopeOf(destination);
  bool other_scope = true;
  bool other_label = true;
  if (source.has_value()) {
    const Octets from = OctetsOf(*source);
    other_scope = ScopeOf(from) != scope;
    other_label = PolicyOf(from).label != policy.label;
  }
  return {!source.has_value(), other_scope, other_label, -policy.precedence,
          scope};
}

}  // namespace

std::optional<SocketAddress> SourceFor(const SocketAddress& to) {
  sockaddr_storage storage = {};
  // Connecting a datagram socket only looks the route up; the port is none's.
  const socklen_t size = to.WithPort(9).ToSockaddr(storage);
  const UniqueFd fd(
      socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid() ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) !=
          0) {
    return std::nullopt;
  }
  sockaddr_storage name = {};
  socklen_t name_size = sizeof(name);
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &name_size) !=
      0) {
    return std::nullopt;
  }
  const auto source = SocketAddress::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&name), name_size);
  if (!source.has_value()) return std::nullopt;
  return source->WithPort(0);
}

std::vector<SocketAddress> OrderAddresses(std::vector<SocketAddress> addresses,
                                          const SourceOf& source) {
  using Rank = decltype(RankOf(SocketAddress(), std::nullopt));
  std::vector<std::pair<Rank, SocketAddress>> ranked;
  ranked.reserve(addresses.size());
  for (const SocketAddress& each : addresses) {
    ranked.emplace_back(RankOf(each, source(each)), each);
  }
  std::stable_sort(
      ranked.begin(), ranked.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < ranked.size(); ++i) addresses[i] = ranked[i].second;
  return addresses;
}

}  // namespace sallyport
