// Messages of the A/V Edge dialect: MS-TURN, TURN draft 08 over STUN draft 02.
// A 16-octet transaction id, a magic cookie as the first attribute, attributes
// without padding, NONCE and REALM with each other's numbers.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_MESSAGE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"

namespace sallyport::media_relay {

inline constexpr size_t kMsTurnHeaderSize = 20;
using MsTurnId = std::array<uint8_t, 16>;

enum class MsTurnType : uint16_t {
  kAllocate = 0x0003,
  kAllocateSuccess = 0x0103,
  kAllocateError = 0x0113,
  kSend = 0x0004,  // never answered
  kDataIndication = 0x0115,
  kSetActive = 0x0006,
  kSetActiveSuccess = 0x0106,
  kSetActiveError = 0x0116,
};

// How MESSAGE-INTEGRITY is computed over what is before it. No public text says
// whether that of 32 octets, which MS-Version 3 adds, is filled with zeros.
enum class MsTurnIntegrity : uint8_t {
  kSha1,          // HMAC-SHA-1, filled to a multiple of 64 octets
  kSha256Filled,  // HMAC-SHA-256, filled likewise
  kSha256,        // HMAC-SHA-256 of the message as it is
};

namespace ms_turn_attribute {
inline constexpr uint16_t kMappedAddress = 0x0001;  // the relayed one
inline constexpr uint16_t kUsername = 0x0006;
inline constexpr uint16_t kMessageIntegrity = 0x0008;
inline constexpr uint16_t kErrorCode = 0x0009;
inline constexpr uint16_t kUnknownAttributes = 0x000A;
inline constexpr uint16_t kLifetime = 0x000D;
inline constexpr uint16_t kAlternateServer = 0x000E;
inline constexpr uint16_t kMagicCookie = 0x000F;
inline constexpr uint16_t kBandwidth = 0x0010;
inline constexpr uint16_t kDestinationAddress = 0x0011;
inline constexpr uint16_t kRemoteAddress = 0x0012;
inline constexpr uint16_t kData = 0x0013;
inline constexpr uint16_t kNonce = 0x0014;
inline constexpr uint16_t kRealm = 0x0015;
inline constexpr uint16_t kRequestedAddressFamily = 0x0017;
inline constexpr uint16_t kVersion = 0x8008;
inline constexpr uint16_t kXorMappedAddress = 0x8020;
inline constexpr uint16_t kSequenceNumber = 0x8050;
inline constexpr uint16_t kAlternateMappedAddress = 0x8090;
}  // namespace ms_turn_attribute

// One request, borrowed; well formed, and nothing of it believed. Immutable.
class MsTurnMessage {
 public:
  MsTurnType type() const { return type_; }
  ByteSpan bytes() const { return bytes_; }
  MsTurnId id() const;

  // The value of the first attribute of this type before MESSAGE-INTEGRITY.
  std::optional<ByteSpan> Find(uint16_t type) const;
  // Exactly four octets; any other length is no value.
  std::optional<uint32_t> FindUint32(uint16_t type) const;
  // An address as it is, not XOR-ed.
  std::optional<Endpoint> FindAddress(uint16_t type) const;

  // The first attribute that must be understood and is not (MS-TURN section
  // 2.2.2: of types below 0x8000 those that it names).
  std::optional<uint16_t> FirstUnknown() const;

  bool has_integrity() const { return integrity_ != 0; }
  // MESSAGE-INTEGRITY is there and has 32 octets.
  bool has_sha256() const;
  // In constant time; false without one, or with one of another size.
  bool VerifyIntegrity(ByteSpan key, MsTurnIntegrity form) const;

 private:
  friend absl::StatusOr<MsTurnMessage> ParseMsTurnMessage(ByteSpan bytes);
  // With attributes padded to four octets, as some clients do, or not.
  bool Parse(bool padded);

  ByteSpan bytes_;
  MsTurnType type_ = MsTurnType::kAllocate;
  bool padded_ = false;
  size_t integrity_ = 0;  // offset of its header
};

// Begins as a message of this dialect does: cheap, and true for nothing that
// RFC 8489 knows.
bool IsMsTurn(ByteSpan bytes);

// Reads exactly one request: Allocate, Send or Set Active Destination.
// kInvalidArgument, without a message, for anything else.
absl::StatusOr<MsTurnMessage> ParseMsTurnMessage(
    ByteSpan bytes ABSL_ATTRIBUTE_LIFETIME_BOUND);

// Builds one message in a lent buffer, magic cookie first. What does not fit
// marks it as failed: finished() is empty then. Thread-compatible.
class MsTurnWriter {
 public:
  MsTurnWriter(absl::Span<uint8_t> buffer, MsTurnType type, const MsTurnId& id);

  // `value` may lie where it goes.
  void AddBytes(uint16_t type, ByteSpan value);
  void AddUint32(uint16_t type, uint32_t value);
  void AddAddress(uint16_t type, const Endpoint& endpoint);
  // XOR-ed with the first octets of the transaction id.
  void AddXorAddress(uint16_t type, const Endpoint& endpoint);
  // Without a reason phrase.
  void AddErrorCode(StunError error);
  // Last.
  void AddIntegrity(ByteSpan key, MsTurnIntegrity form);

  ByteSpan finished() const;

 private:
  uint8_t* Reserve(uint16_t type, size_t size);

  absl::Span<uint8_t> buffer_;
  size_t size_ = 0;
  bool failed_ = false;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_MESSAGE_H_
