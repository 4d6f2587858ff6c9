#include "services/media_relay/core/stun_message.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMaxAttributes = 64;
constexpr uint32_t kFingerprintXor = 0x5354554E;
constexpr uint8_t kFamilyIpv4 = 0x01;
constexpr uint8_t kFamilyIpv6 = 0x02;

uint16_t Load16(const uint8_t* p) {
  return static_cast<uint16_t>((p[0] << 8) | p[1]);
}

uint32_t Load32(const uint8_t* p) {
  return (static_cast<uint32_t>(p[0]) << 24) |
         (static_cast<uint32_t>(p[1]) << 16) |
         (static_cast<uint32_t>(p[2]) << 8) | static_cast<uint32_t>(p[3]);
}

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1) ? (value >> 1) ^ 0xEDB88320u : value >> 1;
    }
    table[i] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrcTable = MakeCrcTable();

// Types below 0x8000 must be understood (RFC 8489 section 14).
bool IsKnownRequired(uint16_t type) {
  namespace a = stun_attribute;
  switch (type) {
    case a::kMappedAddress:
    case a::kUsername:
    case a::kMessageIntegrity:
    case a::kErrorCode:
    case a::kUnknownAttributes:
    case a::kChannelNumber:
    case a::kLifetime:
    case a::kXorPeerAddress:
    case a::kData:
    case a::kRealm:
    case a::kNonce:
    case a::kXorRelayedAddress:
    case a::kRequestedAddressFamily:
    case a::kEvenPort:
    case a::kRequestedTransport:
    case a::kDontFragment:
    case a::kMessageIntegritySha256:
    case a::kPasswordAlgorithm:
    case a::kUserhash:
    case a::kXorMappedAddress:
    case a::kReservationToken:
    case a::kPriority:
    case a::kUseCandidate:
    case a::kConnectionId:
      return true;
    default:
      return false;
  }
}

absl::Status Malformed() {
  return absl::Status(absl::StatusCode::kInvalidArgument, "");
}

}  // namespace

uint32_t StunFingerprint(absl::Span<const uint8_t> bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t byte : bytes) {
    crc = kCrcTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  }
  return ~crc ^ kFingerprintXor;
}

StunTransactionId StunMessage::transaction_id() const {
  StunTransactionId id;
  std::copy_n(bytes_.begin() + 8, kStunTransactionIdSize, id.begin());
  return id;
}

StunMessage::Attribute StunMessage::AttributeAt(size_t offset) const {
  const uint8_t* p = bytes_.data() + offset;
  const size_t size = Load16(p + 2);
  return {Load16(p), bytes_.subspan(offset + 4, size),
          offset + 4 + ((size + 3) & ~size_t{3})};
}

std::optional<absl::Span<const uint8_t>> StunMessage::Find(
    uint16_t type) const {
  size_t offset = kStunHeaderSize;
  while (offset < covered_end_) {
    const Attribute attribute = AttributeAt(offset);
    if (attribute.type == type) return attribute.value;
    offset = attribute.next;
  }
  return std::nullopt;
}

std::optional<std::string_view> StunMessage::FindText(uint16_t type) const {
  const std::optional<absl::Span<const uint8_t>> value = Find(type);
  if (!value.has_value()) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(value->data()),
                          value->size());
}

std::optional<uint32_t> StunMessage::FindUint32(uint16_t type) const {
  const std::optional<absl::Span<const uint8_t>> value = Find(type);
  if (!value.has_value() || value->size() != 4) return std::nullopt;
  return Load32(value->data());
}

std::optional<Endpoint> StunMessage::FindXorAddress(uint16_t type) const {
  const std::optional<absl::Span<const uint8_t>> value = Find(type);
  if (!value.has_value()) return std::nullopt;
  return DecodeXorAddress(*value);
}

std::optional<Endpoint> StunMessage::DecodeXorAddress(
    absl::Span<const uint8_t> value) const {
  if (value.size() < 8) return std::nullopt;
  size_t size = 0;
  if (value[1] == kFamilyIpv4) size = 4;
  if (value[1] == kFamilyIpv6) size = 16;
  if (size == 0 || value.size() != 4 + size) return std::nullopt;
  std::array<uint8_t, 16> octets;
  for (size_t i = 0; i < size; ++i) {
    // The cookie and the transaction id follow each other in the header.
    octets[i] = value[4 + i] ^ bytes_[4 + i];
  }
  Endpoint endpoint;
  endpoint.ip = IpAddress::FromBytes(absl::MakeConstSpan(octets.data(), size));
  endpoint.port = static_cast<uint16_t>(Load16(value.data() + 2) ^
                                        (kStunMagicCookie >> 16));
  return endpoint;
}

absl::StatusOr<StunMessage> ParseStunMessage(
    absl::Span<const uint8_t> datagram) {
  if (datagram.size() < kStunHeaderSize) return Malformed();
  const uint16_t type = Load16(datagram.data());
  const size_t length = Load16(datagram.data() + 2);
  if ((type & 0xC000) != 0 || length % 4 != 0 ||
      length + kStunHeaderSize != datagram.size() ||
      Load32(datagram.data() + 4) != kStunMagicCookie) {
    return Malformed();
  }

  StunMessage message;
  message.bytes_ = datagram;
  message.class_ =
      static_cast<StunClass>(((type >> 7) & 0x2) | ((type >> 4) & 0x1));
  message.method_ = static_cast<uint16_t>(
      ((type >> 2) & 0x0F80) | ((type >> 1) & 0x0070) | (type & 0x000F));

  size_t count = 0;
  size_t offset = kStunHeaderSize;
  while (offset < datagram.size()) {
    // Lengths are multiples of four, so a header always fits here.
    const uint16_t attribute = Load16(datagram.data() + offset);
    const size_t size = Load16(datagram.data() + offset + 2);
    const size_t next = offset + 4 + ((size + 3) & ~size_t{3});
    if (next > datagram.size() || ++count > kMaxAttributes) return Malformed();

    if (attribute == stun_attribute::kFingerprint) {
      if (size != 4 || next != datagram.size() ||
          Load32(datagram.data() + offset + 4) !=
              StunFingerprint(datagram.first(offset))) {
        return Malformed();
      }
      message.has_fingerprint_ = true;
      if (message.covered_end_ == 0) message.covered_end_ = offset;
    } else if (message.integrity_sha256_ != 0) {
      // Behind the last integrity attribute: never read.
    } else if (attribute == stun_attribute::kMessageIntegritySha256) {
      // TURN does not allow a truncated one (RFC 8489 section 14.6).
      if (size != 32) return Malformed();
      message.integrity_sha256_ = offset;
      if (message.covered_end_ == 0) message.covered_end_ = offset;
    } else if (message.integrity_ != 0) {
      // Behind MESSAGE-INTEGRITY: never read.
    } else if (attribute == stun_attribute::kMessageIntegrity) {
      if (size != 20) return Malformed();
      message.integrity_ = offset;
      message.covered_end_ = offset;
    } else if (attribute < 0x8000 && !IsKnownRequired(attribute) &&
               message.unknown_count_ < StunMessage::kMaxUnknown) {
      message.unknown_[message.unknown_count_++] = attribute;
    }
    offset = next;
  }
  if (message.covered_end_ == 0) message.covered_end_ = datagram.size();
  return message;
}

}  // namespace sallyport::media_relay
