#include "services/media_relay/core/stun_writer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "absl/types/span.h"
#include "services/common/crypto/hmac.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {
namespace {

void Store16(uint8_t* p, uint16_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

void Store32(uint8_t* p, uint32_t value) {
  Store16(p, static_cast<uint16_t>(value >> 16));
  Store16(p + 2, static_cast<uint16_t>(value));
}

}  // namespace

StunWriter::StunWriter(absl::Span<uint8_t> buffer, StunClass message_class,
                       uint16_t method, const StunTransactionId& transaction_id)
    : buffer_(buffer) {
  if (buffer_.size() < kStunHeaderSize) {
    failed_ = true;
    return;
  }
  const uint16_t bits = static_cast<uint16_t>(message_class);
  Store16(buffer_.data(),
          static_cast<uint16_t>(((method & 0x0F80) << 2) |
                                ((method & 0x0070) << 1) | (method & 0x000F) |
                                ((bits & 0x2) << 7) | ((bits & 0x1) << 4)));
  Store16(buffer_.data() + 2, 0);
  Store32(buffer_.data() + 4, kStunMagicCookie);
  std::copy(transaction_id.begin(), transaction_id.end(), buffer_.begin() + 8);
  size_ = kStunHeaderSize;
}

uint8_t* StunWriter::Reserve(uint16_t type, size_t size) {
  const size_t padded = (size + 3) & ~size_t{3};
  if (failed_ || size > 0xFFFF || buffer_.size() - size_ < 4 + padded) {
    failed_ = true;
    return nullptr;
  }
  uint8_t* p = buffer_.data() + size_;
  Store16(p, type);
  Store16(p + 2, static_cast<uint16_t>(size));
  // Padding is zero: what was in the buffer must not leave with the message.
  if (padded != size) std::memset(p + 4 + size, 0, padded - size);
  size_ += 4 + padded;
  SetLength(size_ - kStunHeaderSize);
  return p + 4;
}

void StunWriter::SetLength(size_t length) {
  if (length > 0xFFFF) {
    failed_ = true;
    return;
  }
  Store16(buffer_.data() + 2, static_cast<uint16_t>(length));
}

void StunWriter::AddBytes(uint16_t type, absl::Span<const uint8_t> value) {
  uint8_t* p = Reserve(type, value.size());
  if (p != nullptr && !value.empty()) {
    std::memmove(p, value.data(), value.size());
  }
}

void StunWriter::AddText(uint16_t type, std::string_view value) {
  AddBytes(type,
           absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(value.data()),
                               value.size()));
}

void StunWriter::AddUint32(uint16_t type, uint32_t value) {
  uint8_t* p = Reserve(type, 4);
  if (p != nullptr) Store32(p, value);
}

void StunWriter::AddXorAddress(uint16_t type, const Endpoint& endpoint) {
  const absl::Span<const uint8_t> octets = endpoint.ip.bytes();
  uint8_t* p = Reserve(type, 4 + octets.size());
  if (p == nullptr) return;
  p[0] = 0;
  p[1] = endpoint.ip.is_v6() ? 0x02 : 0x01;
  Store16(p + 2,
          static_cast<uint16_t>(endpoint.port ^ (kStunMagicCookie >> 16)));
  for (size_t i = 0; i < octets.size(); ++i) {
    p[4 + i] = octets[i] ^ buffer_[4 + i];
  }
}

void StunWriter::AddAddress(uint16_t type, const Endpoint& endpoint) {
  const absl::Span<const uint8_t> octets = endpoint.ip.bytes();
  uint8_t* p = Reserve(type, 4 + octets.size());
  if (p == nullptr) return;
  p[0] = 0;
  p[1] = endpoint.ip.is_v6() ? 0x02 : 0x01;
  Store16(p + 2, endpoint.port);
  std::copy(octets.begin(), octets.end(), p + 4);
}

void StunWriter::AddErrorCode(StunError error) {
  const uint16_t code = static_cast<uint16_t>(error);
  AddUint32(stun_attribute::kErrorCode,
            static_cast<uint32_t>(((code / 100) << 8) | (code % 100)));
}

void StunWriter::AddAddressErrorCode(IpFamily family, StunError error) {
  const uint16_t code = static_cast<uint16_t>(error);
  const uint32_t number = family == IpFamily::kIpv6 ? 0x02 : 0x01;
  AddUint32(
      stun_attribute::kAddressErrorCode,
      number << 24 | static_cast<uint32_t>(((code / 100) << 8) | (code % 100)));
}

void StunWriter::AddUnknownAttributes(absl::Span<const uint16_t> types) {
  uint8_t* p = Reserve(stun_attribute::kUnknownAttributes, types.size() * 2);
  if (p == nullptr) return;
  for (const uint16_t type : types) {
    Store16(p, type);
    p += 2;
  }
}

void StunWriter::AddPasswordAlgorithms(absl::Span<const uint8_t> offered) {
  AddBytes(stun_attribute::kPasswordAlgorithms, offered);
}

void StunWriter::AddIntegritySha1(absl::Span<const uint8_t> key) {
  const size_t covered = size_;
  uint8_t* p = Reserve(stun_attribute::kMessageIntegrity, 20);
  if (p == nullptr) return;
  // Reserve() has already set the length that the HMAC must cover.
  const auto mac = HmacSha1(key, buffer_.first(covered));
  std::copy(mac.begin(), mac.end(), p);
}

void StunWriter::AddIntegritySha256(absl::Span<const uint8_t> key) {
  const size_t covered = size_;
  uint8_t* p = Reserve(stun_attribute::kMessageIntegritySha256, 32);
  if (p == nullptr) return;
  const auto mac = HmacSha256(key, buffer_.first(covered));
  std::copy(mac.begin(), mac.end(), p);
}

void StunWriter::AddFingerprint() {
  const size_t covered = size_;
  uint8_t* p = Reserve(stun_attribute::kFingerprint, 4);
  if (p == nullptr) return;
  Store32(p, StunFingerprint(absl::MakeConstSpan(buffer_.data(), covered)));
}

absl::Span<const uint8_t> StunWriter::finished() const {
  if (failed_) return {};
  return absl::MakeConstSpan(buffer_.data(), size_);
}

}  // namespace sallyport::media_relay
