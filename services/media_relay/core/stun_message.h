// Reading STUN and TURN messages: RFC 8489 sections 5, 6.3 and 14, RFC 8656.
// RFC 3489 messages (no magic cookie) are not STUN here.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_MESSAGE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

inline constexpr size_t kStunHeaderSize = 20;
inline constexpr uint32_t kStunMagicCookie = 0x2112A442;
inline constexpr size_t kStunTransactionIdSize = 12;
using StunTransactionId = std::array<uint8_t, kStunTransactionIdSize>;

enum class StunClass : uint8_t {
  kRequest = 0,
  kIndication = 1,
  kSuccess = 2,
  kError = 3,
};

enum class StunMethod : uint16_t {
  kBinding = 0x001,
  kAllocate = 0x003,
  kRefresh = 0x004,
  kSend = 0x006,
  kData = 0x007,
  kCreatePermission = 0x008,
  kChannelBind = 0x009,
  // RFC 6062 section 6.1.
  kConnect = 0x00A,
  kConnectionBind = 0x00B,
  kConnectionAttempt = 0x00C,
};

// Attribute types, named as the IANA registry does.
namespace stun_attribute {
inline constexpr uint16_t kMappedAddress = 0x0001;
inline constexpr uint16_t kUsername = 0x0006;
inline constexpr uint16_t kMessageIntegrity = 0x0008;
inline constexpr uint16_t kErrorCode = 0x0009;
inline constexpr uint16_t kUnknownAttributes = 0x000A;
inline constexpr uint16_t kChannelNumber = 0x000C;
inline constexpr uint16_t kLifetime = 0x000D;
inline constexpr uint16_t kXorPeerAddress = 0x0012;
inline constexpr uint16_t kData = 0x0013;
inline constexpr uint16_t kRealm = 0x0014;
inline constexpr uint16_t kNonce = 0x0015;
inline constexpr uint16_t kXorRelayedAddress = 0x0016;
inline constexpr uint16_t kRequestedAddressFamily = 0x0017;
inline constexpr uint16_t kEvenPort = 0x0018;
inline constexpr uint16_t kRequestedTransport = 0x0019;
inline constexpr uint16_t kDontFragment = 0x001A;
inline constexpr uint16_t kMessageIntegritySha256 = 0x001C;
inline constexpr uint16_t kPasswordAlgorithm = 0x001D;
inline constexpr uint16_t kUserhash = 0x001E;
inline constexpr uint16_t kXorMappedAddress = 0x0020;
inline constexpr uint16_t kReservationToken = 0x0022;
inline constexpr uint16_t kPriority = 0x0024;
inline constexpr uint16_t kUseCandidate = 0x0025;
inline constexpr uint16_t kConnectionId = 0x002A;
inline constexpr uint16_t kAdditionalAddressFamily = 0x8000;
inline constexpr uint16_t kAddressErrorCode = 0x8001;
inline constexpr uint16_t kPasswordAlgorithms = 0x8002;
inline constexpr uint16_t kIcmp = 0x8004;
inline constexpr uint16_t kSoftware = 0x8022;
inline constexpr uint16_t kAlternateServer = 0x8023;
inline constexpr uint16_t kFingerprint = 0x8028;
inline constexpr uint16_t kIceControlled = 0x8029;  // RFC 8445 section 16.1
inline constexpr uint16_t kIceControlling = 0x802A;
}  // namespace stun_attribute

// One STUN message, borrowed from the datagram it arrived in. Its attributes
// are well formed; none of them is believed yet. Immutable.
class StunMessage {
 public:
  // At most this many unknown types are reported in UNKNOWN-ATTRIBUTES.
  static constexpr size_t kMaxUnknown = 8;

  StunClass message_class() const { return class_; }
  uint16_t method() const { return method_; }
  bool Is(StunClass message_class, StunMethod method) const {
    return class_ == message_class && method_ == static_cast<uint16_t>(method);
  }
  absl::Span<const uint8_t> bytes() const { return bytes_; }
  StunTransactionId transaction_id() const;

  // The value of the first attribute of this type; later ones of the same type
  // and those behind an integrity attribute are ignored (RFC 8489 sections 14
  // and 14.5), so that what is not covered is never read.
  std::optional<absl::Span<const uint8_t>> Find(uint16_t type) const;
  bool Has(uint16_t type) const { return Find(type).has_value(); }
  std::optional<std::string_view> FindText(uint16_t type) const;
  // Exactly four bytes, big endian; any other length is no value.
  std::optional<uint32_t> FindUint32(uint16_t type) const;
  // XOR-PEER-ADDRESS and the like: RFC 8489 section 14.2.
  std::optional<Endpoint> FindXorAddress(uint16_t type) const;

  // Calls `visit(value)` for each covered attribute of this type, in order.
  template <typename Visitor>
  void ForEach(uint16_t type, Visitor visit) const {
    size_t offset = kStunHeaderSize;
    while (offset < covered_end_) {
      const Attribute attribute = AttributeAt(offset);
      if (attribute.type == type) visit(attribute.value);
      offset = attribute.next;
    }
  }

  // Offset of the integrity attribute's header, 0 when there is none.
  size_t integrity_offset() const { return integrity_; }
  size_t integrity_sha256_offset() const { return integrity_sha256_; }
  // FINGERPRINT was there, last, and right; a wrong one does not parse.
  bool has_fingerprint() const { return has_fingerprint_; }

  // Comprehension-required types that this relay does not know (RFC 8489
  // section 6.3.1).
  absl::Span<const uint16_t> unknown_required() const {
    return absl::MakeConstSpan(unknown_.data(), unknown_count_);
  }

  // Decodes one XOR-ed address value of this message.
  std::optional<Endpoint> DecodeXorAddress(
      absl::Span<const uint8_t> value) const;

 private:
  friend absl::StatusOr<StunMessage> ParseStunMessage(
      absl::Span<const uint8_t> datagram);

  struct Attribute {
    uint16_t type;
    absl::Span<const uint8_t> value;
    size_t next;  // offset of the following attribute
  };
  // The parser has checked that an attribute fits there.
  Attribute AttributeAt(size_t offset) const;

  absl::Span<const uint8_t> bytes_;
  StunClass class_ = StunClass::kRequest;
  uint16_t method_ = 0;
  size_t covered_end_ = 0;  // end of the attributes that may be read
  size_t integrity_ = 0;
  size_t integrity_sha256_ = 0;
  bool has_fingerprint_ = false;
  size_t unknown_count_ = 0;
  std::array<uint16_t, kMaxUnknown> unknown_ = {};
};

// Reads `datagram` as exactly one STUN message.
//
// Pure: same bytes in, same answer out; nothing is copied or believed. The
// integrity attributes are located, not verified: stun_integrity does that.
//
// Returns kInvalidArgument, with no message so a flood costs no allocation,
// when the two top bits, the cookie or the length are wrong, an attribute runs
// past the end, an integrity attribute has the wrong size, a FINGERPRINT is not
// last or not right, or there are more than 64 attributes.
absl::StatusOr<StunMessage> ParseStunMessage(
    absl::Span<const uint8_t> datagram ABSL_ATTRIBUTE_LIFETIME_BOUND);

// CRC-32 of ISO 3309 XOR 0x5354554e (RFC 8489 section 14.7).
uint32_t StunFingerprint(absl::Span<const uint8_t> bytes);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_MESSAGE_H_
