#include "services/media_relay/core/peer_policy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

using Bytes = absl::Span<const uint8_t>;

struct Block {
  std::array<uint8_t, 16> base;
  int bits;
};

constexpr Block kSpecialV4[] = {
    {{0}, 8},              // "this network", RFC 791
    {{10}, 8},             // private, RFC 1918
    {{100, 64}, 10},       // shared, RFC 6598
    {{127}, 8},            // loopback, RFC 1122
    {{169, 254}, 16},      // link local and cloud metadata, RFC 3927
    {{172, 16}, 12},       // private, RFC 1918
    {{192, 0, 0}, 24},     // IETF protocol assignments, RFC 6890
    {{192, 0, 2}, 24},     // documentation, RFC 5737
    {{192, 31, 196}, 24},  // AS112, RFC 7535
    {{192, 52, 193}, 24},  // AMT, RFC 7450
    {{192, 88, 99}, 24},   // 6to4 relay anycast, RFC 7526
    {{192, 168}, 16},      // private, RFC 1918
    {{192, 175, 48}, 24},  // AS112, RFC 7534
    {{198, 18}, 15},       // benchmarking, RFC 2544
    {{198, 51, 100}, 24},  // documentation, RFC 5737
    {{203, 0, 113}, 24},   // documentation, RFC 5737
    {{224}, 4},            // multicast, RFC 5771
    {{240}, 4},            // reserved and broadcast, RFC 1112, RFC 919
};

// In IPv6 only 2000::/3 is global unicast; these blocks inside it are not.
constexpr Block kGlobalV6 = {{0x20}, 3};
constexpr Block kSpecialV6[] = {
    {{0x20, 0x01}, 23},                    // IETF assignments, RFC 2928
    {{0x20, 0x01, 0x0D, 0xB8}, 32},        // documentation, RFC 3849
    {{0x20, 0x02}, 16},                    // 6to4, RFC 3056
    {{0x26, 0x20, 0x00, 0x4F, 0x80}, 48},  // AS112, RFC 7534
    {{0x3F, 0xFE}, 16},                    // 6bone, RFC 3701
    {{0x3F, 0xFF}, 20},                    // documentation, RFC 9637
};

bool InBlock(Bytes address, const Block& block) {
  const int whole = block.bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole,
                  block.base.begin())) {
    return false;
  }
  const int rest = block.bits % 8;
  if (rest == 0) return true;
  const uint8_t mask = static_cast<uint8_t>(0xFF << (8 - rest));
  return ((address[whole] ^ block.base[whole]) & mask) == 0;
}

bool IsGlobalUnicast(const IpAddress& address) {
  const Bytes bytes = address.bytes();
  const auto inside = [&](const Block& block) { return InBlock(bytes, block); };
  if (address.is_v4()) {
    return std::none_of(std::begin(kSpecialV4), std::end(kSpecialV4), inside);
  }
  if (address.is_v6()) {
    return inside(kGlobalV6) &&
           std::none_of(std::begin(kSpecialV6), std::end(kSpecialV6), inside);
  }
  return false;
}

bool AnyContains(const std::vector<IpPrefix>& prefixes,
                 const IpAddress& address) {
  return std::any_of(
      prefixes.begin(), prefixes.end(),
      [&](const IpPrefix& prefix) { return prefix.Contains(address); });
}

bool AllZero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](uint8_t byte) { return byte == 0; });
}

}  // namespace

CanonicalAddress Canonicalize(const IpAddress& address) {
  if (!address.is_v6()) return {address, EmbeddedForm::kNone};
  const Bytes a = address.bytes();
  const auto embedded = [&](size_t offset, EmbeddedForm form) {
    return CanonicalAddress{IpAddress::FromBytes(a.subspan(offset, 4)), form};
  };
  if (AllZero(a.first(10)) && a[10] == 0xFF && a[11] == 0xFF) {
    return embedded(12, EmbeddedForm::kMapped);
  }
  if (AllZero(a.first(8)) && a[8] == 0xFF && a[9] == 0xFF && a[10] == 0 &&
      a[11] == 0) {
    return embedded(12, EmbeddedForm::kMapped);
  }
  // :: and ::1 are addresses of their own, not compatible forms.
  if (AllZero(a.first(12))) {
    const bool own = AllZero(a.subspan(12, 3)) && a[15] <= 1;
    return own ? CanonicalAddress{address, EmbeddedForm::kNone}
               : embedded(12, EmbeddedForm::kCompatible);
  }
  if (InBlock(a, {{0x00, 0x64, 0xFF, 0x9B}, 96}) ||
      InBlock(a, {{0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01}, 48})) {
    return embedded(12, EmbeddedForm::kNat64);
  }
  if (InBlock(a, {{0x20, 0x02}, 16})) return embedded(2, EmbeddedForm::k6to4);
  if (InBlock(a, {{0x20, 0x01, 0x00, 0x00}, 32})) {
    // The client's address is stored inverted.
    std::array<uint8_t, 4> octets;
    for (size_t i = 0; i < 4; ++i) {
      octets[i] = static_cast<uint8_t>(~a[12 + i]);
    }
    return {IpAddress::FromBytes(octets), EmbeddedForm::kTeredo};
  }
  if ((a[8] & 0xFD) == 0 && a[9] == 0 && a[10] == 0x5E && a[11] == 0xFE) {
    return embedded(12, EmbeddedForm::kIsatap);
  }
  return {address, EmbeddedForm::kNone};
}

std::string_view PeerVerdictName(PeerVerdict verdict) {
  switch (verdict) {
    case PeerVerdict::kAllowed:
      return "allowed";
    case PeerVerdict::kEmbeddedForm:
      return "embedded_form";
    case PeerVerdict::kSpecialPurpose:
      return "special_purpose";
    case PeerVerdict::kDeniedPrefix:
      return "denied_prefix";
    case PeerVerdict::kDeniedPort:
      return "denied_port";
    case PeerVerdict::kPartnerWay:
      return "partner_way";
  }
  return "special_purpose";
}

PeerPolicy::PeerPolicy(PeerPolicyOptions options)
    : options_(std::move(options)) {}

PeerVerdict PeerPolicy::CheckAddress(const IpAddress& address) const {
  const CanonicalAddress canonical = Canonicalize(address);
  if (AnyContains(options_.denied, canonical.address) ||
      AnyContains(options_.denied, address)) {
    return PeerVerdict::kDeniedPrefix;
  }
  if (canonical.form != EmbeddedForm::kNone) return PeerVerdict::kEmbeddedForm;
  if ((IsGlobalUnicast(address) && !options_.deny_public) ||
      AnyContains(options_.allowed, address)) {
    return PeerVerdict::kAllowed;
  }
  return PeerVerdict::kSpecialPurpose;
}

const PartnerWay* PeerPolicy::WayOf(const IpAddress& address) const {
  for (const PartnerWay& way : options_.partners) {
    if (AnyContains(way.prefixes, address)) return &way;
  }
  return nullptr;
}

PeerVerdict PeerPolicy::CheckAccepted(const IpAddress& address) const {
  const PeerVerdict verdict = CheckAddress(address);
  if (verdict != PeerVerdict::kAllowed) return verdict;
  const PartnerWay* const way = WayOf(address);
  return way == nullptr || way->tcp_comes_in ? PeerVerdict::kAllowed
                                             : PeerVerdict::kPartnerWay;
}

PeerVerdict PeerPolicy::Check(const Endpoint& peer,
                              PeerTransport transport) const {
  const PeerVerdict verdict = CheckAddress(peer.ip);
  if (verdict != PeerVerdict::kAllowed) return verdict;
  if (const PartnerWay* const way = WayOf(peer.ip); way != nullptr) {
    const PeerPorts& ports =
        transport == PeerTransport::kUdp ? way->udp : way->tcp;
    if (!ports.Contains(peer.port)) return PeerVerdict::kPartnerWay;
  } else if (peer.port < options_.lowest_port || peer.port == 0) {
    return PeerVerdict::kDeniedPort;
  }
  if (std::find(options_.denied_endpoints.begin(),
                options_.denied_endpoints.end(),
                peer) != options_.denied_endpoints.end()) {
    return PeerVerdict::kDeniedPort;
  }
  return PeerVerdict::kAllowed;
}

}  // namespace sallyport::media_relay
