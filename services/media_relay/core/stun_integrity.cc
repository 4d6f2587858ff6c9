#include "services/media_relay/core/stun_integrity.h"

#include <openssl/md5.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/hmac.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {
LongTermKey::~LongTermKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

LongTermKey LongTermKey::Derive(PasswordAlgorithm algorithm,
                                std::string_view username,
                                std::string_view realm,
                                std::string_view password) {
  LongTermKey key;
  const auto feed = [&](auto update) {
    update(username.data(), username.size());
    update(":", 1);
    update(realm.data(), realm.size());
    update(":", 1);
    update(password.data(), password.size());
  };
  if (algorithm == PasswordAlgorithm::kSha256) {
    SHA256_CTX context;
    SHA256_Init(&context);
    feed([&](const char* data, size_t size) {
      SHA256_Update(&context, data, size);
    });
    SHA256_Final(key.bytes_.data(), &context);
    key.size_ = SHA256_DIGEST_LENGTH;
  } else {
    MD5_CTX context;
    MD5_Init(&context);
    feed([&](const char* data, size_t size) {
      MD5_Update(&context, data, size);
    });
    MD5_Final(key.bytes_.data(), &context);
    key.size_ = MD5_DIGEST_LENGTH;
  }
  return key;
}

std::optional<AuthenticatedStunMessage> VerifyIntegrity(
    const StunMessage& message, absl::Span<const uint8_t> key) {
  const bool sha256 = message.integrity_sha256_offset() != 0;
  const size_t offset =
      sha256 ? message.integrity_sha256_offset() : message.integrity_offset();
  if (offset == 0) return std::nullopt;
  const size_t size = sha256 ? 32 : 20;

  // The length in the covered header ends with the integrity attribute,
  // whatever follows it in the message.
  std::array<uint8_t, 4> head;
  std::copy_n(message.bytes().begin(), head.size(), head.begin());
  const size_t length = offset + 4 + size - kStunHeaderSize;
  head[2] = static_cast<uint8_t>(length >> 8);
  head[3] = static_cast<uint8_t>(length);
  const absl::Span<const uint8_t> rest =
      message.bytes().subspan(head.size(), offset - head.size());
  const ByteSpan received = message.bytes().subspan(offset + 4, size);
  const bool matches =
      sha256 ? ConstantTimeEquals(HmacSha256(key, {head, rest}), received)
             : ConstantTimeEquals(HmacSha1(key, {head, rest}), received);
  if (!matches) return std::nullopt;
  return AuthenticatedStunMessage(
      message, sha256 ? StunIntegrity::kSha256 : StunIntegrity::kSha1);
}

}  // namespace sallyport::media_relay
