#include "services/media_relay/core/endpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/net/socket_address.h"

namespace sallyport::media_relay {

IpAddress IpAddress::V4(const std::array<uint8_t, 4>& octets) {
  return FromBytes(octets);
}

IpAddress IpAddress::V6(const std::array<uint8_t, 16>& octets) {
  return FromBytes(octets);
}

IpAddress IpAddress::FromBytes(absl::Span<const uint8_t> bytes) {
  IpAddress address;
  if (bytes.size() == 4) {
    address.family_ = IpFamily::kIpv4;
  } else if (bytes.size() == 16) {
    address.family_ = IpFamily::kIpv6;
  } else {
    return address;
  }
  std::copy(bytes.begin(), bytes.end(), address.octets_.begin());
  return address;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::FromIp(text, 0);
  if (!address.ok()) return std::nullopt;
  return FromBytes(address->ip_bytes());
}

absl::Span<const uint8_t> IpAddress::bytes() const {
  switch (family_) {
    case IpFamily::kIpv4:
      return absl::MakeConstSpan(octets_.data(), 4);
    case IpFamily::kIpv6:
      return octets_;
    case IpFamily::kNone:
      break;
  }
  return {};
}

bool IpAddress::IsUnspecified() const {
  return std::all_of(octets_.begin(), octets_.end(),
                     [](uint8_t octet) { return octet == 0; });
}

std::string IpAddress::ToString() const {
  const std::optional<SocketAddress> address =
      SocketAddress::FromBytes(bytes(), 0);
  return address.has_value() ? address->IpText() : "";
}

SocketAddress Endpoint::ToSocketAddress() const {
  return SocketAddress::FromBytes(ip.bytes(), port).value_or(SocketAddress());
}

std::string Endpoint::ToString() const {
  if (ip.is_v6()) return absl::StrCat("[", ip.ToString(), "]:", port);
  return absl::StrCat(ip.ToString(), ":", port);
}

std::optional<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> base = IpAddress::Parse(text.substr(0, slash));
  if (!base.has_value()) return std::nullopt;
  const int width = static_cast<int>(base->bytes().size()) * 8;
  int bits = width;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const char* end = number.data() + number.size();
    const auto [rest, error] = std::from_chars(number.data(), end, bits);
    if (error != std::errc() || rest != end || bits < 0 || bits > width) {
      return std::nullopt;
    }
  }
  for (int bit = bits; bit < width; ++bit) {
    if (base->bytes()[bit / 8] & (0x80 >> (bit % 8))) return std::nullopt;
  }
  return IpPrefix(*base, bits);
}

bool IpPrefix::Contains(const IpAddress& address) const {
  if (address.family() != base_.family()) return false;
  const absl::Span<const uint8_t> a = address.bytes();
  const absl::Span<const uint8_t> b = base_.bytes();
  const int whole = bits_ / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const int rest = bits_ % 8;
  if (rest == 0) return true;
  const uint8_t mask = static_cast<uint8_t>(0xFF << (8 - rest));
  return (a[whole] & mask) == (b[whole] & mask);
}

}  // namespace sallyport::media_relay
