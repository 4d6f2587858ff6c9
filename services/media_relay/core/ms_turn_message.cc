#include "services/media_relay/core/ms_turn_message.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/hmac.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"

namespace sallyport::media_relay {
namespace {

namespace attr = ms_turn_attribute;

constexpr uint32_t kMagic = 0x72C64BC6;
constexpr size_t kMaxAttributes = 64;
constexpr size_t kMaxIntegrity = 32;

uint16_t Load16(const uint8_t* p) {
  return static_cast<uint16_t>((p[0] << 8) | p[1]);
}

uint32_t Load32(const uint8_t* p) {
  return (static_cast<uint32_t>(Load16(p)) << 16) | Load16(p + 2);
}

void Store16(uint8_t* p, size_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

void Store32(uint8_t* p, uint32_t value) {
  Store16(p, value >> 16);
  Store16(p + 2, value & 0xFFFF);
}

bool IsKnown(uint16_t type) {
  switch (type) {
    case attr::kMappedAddress:
    case attr::kUsername:
    case attr::kMessageIntegrity:
    case attr::kErrorCode:
    case attr::kUnknownAttributes:
    case attr::kLifetime:
    case attr::kAlternateServer:
    case attr::kMagicCookie:
    case attr::kBandwidth:
    case attr::kDestinationAddress:
    case attr::kRemoteAddress:
    case attr::kData:
    case attr::kNonce:
    case attr::kRealm:
    case attr::kRequestedAddressFamily:
      return true;
    default:
      return false;
  }
}

size_t SizeOf(MsTurnIntegrity form) {
  return form == MsTurnIntegrity::kSha1 ? 20 : kMaxIntegrity;
}

// The HMAC of `covered`, which ends where MESSAGE-INTEGRITY begins; SizeOf()
// octets of it are set.
std::array<uint8_t, kMaxIntegrity> Hmac(ByteSpan key, ByteSpan covered,
                                        MsTurnIntegrity form) {
  constexpr std::array<uint8_t, 64> kZeros = {};
  const size_t padding =
      form == MsTurnIntegrity::kSha256 ? 0 : (64 - covered.size() % 64) % 64;
  const ByteSpan filling = ByteSpan(kZeros).first(padding);
  std::array<uint8_t, kMaxIntegrity> mac = {};
  if (form == MsTurnIntegrity::kSha1) {
    const Sha1Digest digest = HmacSha1(key, {covered, filling});
    std::copy(digest.begin(), digest.end(), mac.begin());
  } else {
    const Sha256Digest digest = HmacSha256(key, {covered, filling});
    std::copy(digest.begin(), digest.end(), mac.begin());
  }
  return mac;
}

}  // namespace

bool IsMsTurn(ByteSpan bytes) {
  return bytes.size() >= kMsTurnHeaderSize + 8 && bytes[0] == 0 &&
         Load32(&bytes[20]) == (attr::kMagicCookie << 16 | 4) &&
         Load32(&bytes[24]) == kMagic;
}

MsTurnId MsTurnMessage::id() const {
  MsTurnId id;
  std::copy_n(bytes_.begin() + 4, id.size(), id.begin());
  return id;
}

std::optional<ByteSpan> MsTurnMessage::Find(uint16_t type) const {
  const size_t end = integrity_ == 0 ? bytes_.size() : integrity_;
  // Parse() has seen that all of these fit.
  for (size_t at = kMsTurnHeaderSize; at + 4 <= end;) {
    const size_t size = Load16(&bytes_[at + 2]);
    if (Load16(&bytes_[at]) == type) return bytes_.subspan(at + 4, size);
    at += 4 + (padded_ ? (size + 3) & ~size_t{3} : size);
  }
  return std::nullopt;
}

std::optional<uint32_t> MsTurnMessage::FindUint32(uint16_t type) const {
  const std::optional<ByteSpan> value = Find(type);
  if (!value.has_value() || value->size() != 4) return std::nullopt;
  return Load32(value->data());
}

std::optional<Endpoint> MsTurnMessage::FindAddress(uint16_t type) const {
  const std::optional<ByteSpan> value = Find(type);
  if (!value.has_value() || value->size() < 8) return std::nullopt;
  const size_t size = (*value)[1] == 1 ? 4 : (*value)[1] == 2 ? 16 : 0;
  if (size == 0 || value->size() != 4 + size) return std::nullopt;
  return Endpoint{IpAddress::FromBytes(value->subspan(4)),
                  Load16(value->data() + 2)};
}

std::optional<uint16_t> MsTurnMessage::FirstUnknown() const {
  const size_t end = integrity_ == 0 ? bytes_.size() : integrity_;
  for (size_t at = kMsTurnHeaderSize; at + 4 <= end;) {
    const uint16_t type = Load16(&bytes_[at]);
    const size_t size = Load16(&bytes_[at + 2]);
    if (type < 0x8000 && !IsKnown(type)) return type;
    at += 4 + (padded_ ? (size + 3) & ~size_t{3} : size);
  }
  return std::nullopt;
}

bool MsTurnMessage::has_sha256() const {
  return integrity_ != 0 && Load16(&bytes_[integrity_ + 2]) == kMaxIntegrity;
}

bool MsTurnMessage::VerifyIntegrity(ByteSpan key, MsTurnIntegrity form) const {
  if (integrity_ == 0 || has_sha256() != (SizeOf(form) == kMaxIntegrity)) {
    return false;
  }
  const auto mac = Hmac(key, bytes_.first(integrity_), form);
  return ConstantTimeEquals(ByteSpan(mac).first(SizeOf(form)),
                            bytes_.subspan(integrity_ + 4));
}

bool MsTurnMessage::Parse(bool padded) {
  padded_ = padded;
  integrity_ = 0;
  size_t count = 0;
  for (size_t at = kMsTurnHeaderSize; at < bytes_.size();) {
    // Nothing behind MESSAGE-INTEGRITY, which nothing protects.
    if (integrity_ != 0 || at + 4 > bytes_.size()) return false;
    const size_t size = Load16(&bytes_[at + 2]);
    if (Load16(&bytes_[at]) == attr::kMessageIntegrity) {
      if (size != 20 && size != kMaxIntegrity) return false;
      integrity_ = at;
    }
    at += 4 + (padded ? (size + 3) & ~size_t{3} : size);
    if (at > bytes_.size() || ++count > kMaxAttributes) return false;
  }
  return true;
}

absl::StatusOr<MsTurnMessage> ParseMsTurnMessage(ByteSpan bytes) {
  const absl::Status malformed(absl::StatusCode::kInvalidArgument, "");
  if (!IsMsTurn(bytes) ||
      Load16(&bytes[2]) != bytes.size() - kMsTurnHeaderSize) {
    return malformed;
  }
  MsTurnMessage message;
  message.bytes_ = bytes;
  message.type_ = static_cast<MsTurnType>(Load16(bytes.data()));
  switch (message.type_) {
    case MsTurnType::kAllocate:
    case MsTurnType::kSend:
    case MsTurnType::kSetActive:
      break;
    default:
      return malformed;
  }
  if (!message.Parse(/*padded=*/false) && !message.Parse(/*padded=*/true)) {
    return malformed;
  }
  return message;
}

MsTurnWriter::MsTurnWriter(absl::Span<uint8_t> buffer, MsTurnType type,
                           const MsTurnId& id)
    : buffer_(buffer) {
  if (buffer_.size() < kMsTurnHeaderSize) {
    failed_ = true;
    return;
  }
  Store16(buffer_.data(), static_cast<uint16_t>(type));
  Store16(buffer_.data() + 2, 0);
  std::copy(id.begin(), id.end(), buffer_.begin() + 4);
  size_ = kMsTurnHeaderSize;
  AddUint32(attr::kMagicCookie, kMagic);
}

uint8_t* MsTurnWriter::Reserve(uint16_t type, size_t size) {
  if (failed_ || size > 0xFFFF || buffer_.size() - size_ < 4 + size ||
      size_ + 4 + size - kMsTurnHeaderSize > 0xFFFF) {
    failed_ = true;
    return nullptr;
  }
  uint8_t* p = buffer_.data() + size_;
  Store16(p, type);
  Store16(p + 2, size);
  size_ += 4 + size;
  Store16(buffer_.data() + 2, size_ - kMsTurnHeaderSize);
  return p + 4;
}

void MsTurnWriter::AddBytes(uint16_t type, ByteSpan value) {
  uint8_t* p = Reserve(type, value.size());
  if (p != nullptr && !value.empty()) {
    std::memmove(p, value.data(), value.size());
  }
}

void MsTurnWriter::AddUint32(uint16_t type, uint32_t value) {
  uint8_t* p = Reserve(type, 4);
  if (p != nullptr) Store32(p, value);
}

void MsTurnWriter::AddAddress(uint16_t type, const Endpoint& endpoint) {
  const ByteSpan octets = endpoint.ip.bytes();
  uint8_t* p = Reserve(type, 4 + octets.size());
  if (p == nullptr) return;
  p[0] = 0;
  p[1] = endpoint.ip.is_v6() ? 2 : 1;
  Store16(p + 2, endpoint.port);
  std::copy(octets.begin(), octets.end(), p + 4);
}

void MsTurnWriter::AddXorAddress(uint16_t type, const Endpoint& endpoint) {
  const size_t at = size_ + 4;
  AddAddress(type, endpoint);
  if (failed_) return;
  const uint8_t* id = buffer_.data() + 4;
  buffer_[at + 2] ^= id[0];
  buffer_[at + 3] ^= id[1];
  for (size_t i = 0; i < endpoint.ip.bytes().size(); ++i) {
    buffer_[at + 4 + i] ^= id[i];
  }
}

void MsTurnWriter::AddErrorCode(StunError error) {
  const uint32_t code = static_cast<uint32_t>(error);
  AddUint32(attr::kErrorCode, (code / 100) << 8 | code % 100);
}

void MsTurnWriter::AddIntegrity(ByteSpan key, MsTurnIntegrity form) {
  const size_t covered = size_;
  uint8_t* p = Reserve(attr::kMessageIntegrity, SizeOf(form));
  if (p == nullptr) return;
  // The length that the HMAC covers counts MESSAGE-INTEGRITY already.
  const auto mac = Hmac(key, buffer_.first(covered), form);
  std::copy_n(mac.begin(), SizeOf(form), p);
}

ByteSpan MsTurnWriter::finished() const {
  if (failed_) return {};
  return ByteSpan(buffer_.data(), size_);
}

}  // namespace sallyport::media_relay
