#include "services/common/net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"

namespace sallyport {
namespace {

constexpr size_t kMaxIpText = 45;  // INET6_ADDRSTRLEN without the NUL

absl::Status Malformed() {
  return absl::InvalidArgumentError("not an IP address and port");
}

}  // namespace

absl::StatusOr<SocketAddress> SocketAddress::FromIp(std::string_view ip,
                                                    uint16_t port) {
  if (ip.size() > kMaxIpText || ip.find('\0') != std::string_view::npos) {
    return Malformed();
  }
  const std::string text(ip);  // inet_pton wants a NUL
  SocketAddress out;
  out.port_ = port;
  if (inet_pton(AF_INET, text.c_str(), out.ip_.data()) == 1) return out;
  if (inet_pton(AF_INET6, text.c_str(), out.ip_.data()) != 1) {
    return Malformed();
  }
  out.v6_ = true;
  return out;
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed();
  std::string_view ip = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  const bool bracketed =
      ip.size() >= 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  // SimpleAtoi would take signs and white space.
  if (port_text.empty() || port_text.size() > 5 ||
      !std::all_of(port_text.begin(), port_text.end(),
                   [](char c) { return c >= '0' && c <= '9'; })) {
    return Malformed();
  }
  uint32_t port = 0;
  if (!absl::SimpleAtoi(AbslView(port_text), &port) || port > 65535) {
    return Malformed();
  }
  auto out = FromIp(ip, static_cast<uint16_t>(port));
  if (out.ok() && out->v6_ != bracketed) return Malformed();
  return out;
}

std::optional<SocketAddress> SocketAddress::FromBytes(ByteSpan ip,
                                                      uint16_t port) {
  if (ip.size() != 4 && ip.size() != 16) return std::nullopt;
  SocketAddress out;
  out.v6_ = ip.size() == 16;
  out.port_ = port;
  std::copy(ip.begin(), ip.end(), out.ip_.begin());
  return out;
}

std::optional<SocketAddress> SocketAddress::FromSockaddr(
    const sockaddr* address, size_t size) {
  if (address == nullptr || size < sizeof(sa_family_t)) return std::nullopt;
  SocketAddress out;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof(in));
    std::memcpy(out.ip_.data(), &in.sin_addr, 4);
    out.port_ = ntohs(in.sin_port);
    return out;
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof(in));
    std::memcpy(out.ip_.data(), &in.sin6_addr, 16);
    out.port_ = ntohs(in.sin6_port);
    out.scope_ = in.sin6_scope_id;
    out.v6_ = true;
    return out;
  }
  return std::nullopt;
}

SocketAddress SocketAddress::AnyV6(uint16_t port) {
  SocketAddress out;
  out.v6_ = true;
  out.port_ = port;
  return out;
}

SocketAddress SocketAddress::V4(std::array<uint8_t, 4> ip, uint16_t port) {
  SocketAddress out;
  std::copy(ip.begin(), ip.end(), out.ip_.begin());
  out.port_ = port;
  return out;
}

SocketAddress SocketAddress::WithPort(uint16_t port) const {
  SocketAddress out = *this;
  out.port_ = port;
  return out;
}

SocketAddress SocketAddress::Canonical() const {
  static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                      0, 0, 0, 0, 0xff, 0xff};
  if (!v6_ || !std::equal(kMapped.begin(), kMapped.end(), ip_.begin())) {
    return *this;
  }
  return V4({ip_[12], ip_[13], ip_[14], ip_[15]}, port_);
}

bool SocketAddress::is_unspecified() const {
  const SocketAddress a = Canonical();
  return std::all_of(a.ip_.begin(), a.ip_.end(),
                     [](uint8_t byte) { return byte == 0; });
}

bool SocketAddress::is_loopback() const {
  const SocketAddress a = Canonical();
  if (!a.v6_) return a.ip_[0] == 127;
  return std::all_of(a.ip_.begin(), a.ip_.end() - 1,
                     [](uint8_t byte) { return byte == 0; }) &&
         a.ip_[15] == 1;
}

bool SocketAddress::is_multicast() const {
  const SocketAddress a = Canonical();
  return a.v6_ ? a.ip_[0] == 0xff : (a.ip_[0] & 0xf0) == 0xe0;
}

std::string SocketAddress::IpText() const {
  // glibc prints an IPv4 address by sprintf, and this runs per message.
  if (!v6_) return absl::StrCat(ip_[0], ".", ip_[1], ".", ip_[2], ".", ip_[3]);
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(AF_INET6, ip_.data(), text, sizeof(text)) == nullptr) return "";
  return text;
}

std::string SocketAddress::ToString() const {
  return v6_ ? absl::StrCat("[", IpText(), "]:", port_)
             : absl::StrCat(IpText(), ":", port_);
}

uint32_t SocketAddress::ToSockaddr(sockaddr_storage& out) const {
  // Only what is in use is cleared: this runs per packet.
  if (!v6_) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_);
    std::memcpy(&in.sin_addr, ip_.data(), 4);
    std::memcpy(&out, &in, sizeof(in));
    return sizeof(in);
  }
  sockaddr_in6 in = {};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port_);
  in.sin6_scope_id = scope_;
  std::memcpy(&in.sin6_addr, ip_.data(), 16);
  std::memcpy(&out, &in, sizeof(in));
  return sizeof(in);
}

}  // namespace sallyport
