#include "services/media_relay/core/stun_integrity.h"

#include <openssl/mem.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kBlock = 64;  // of SHA-1 and SHA-256 alike

struct Sha1 {
  static constexpr size_t kSize = 20;
  SHA_CTX context;
  Sha1() { SHA1_Init(&context); }
  void Update(const void* data, size_t size) {
    SHA1_Update(&context, data, size);
  }
  void Final(uint8_t* out) { SHA1_Final(out, &context); }
};

struct Sha256 {
  static constexpr size_t kSize = 32;
  SHA256_CTX context;
  Sha256() { SHA256_Init(&context); }
  void Update(const void* data, size_t size) {
    SHA256_Update(&context, data, size);
  }
  void Final(uint8_t* out) { SHA256_Final(out, &context); }
};

// RFC 2104. BoringSSL's HMAC() allocates its contexts, this does not.
template <typename Hash>
std::array<uint8_t, Hash::kSize> Hmac(absl::Span<const uint8_t> key,
                                      absl::Span<const uint8_t> first,
                                      absl::Span<const uint8_t> second) {
  std::array<uint8_t, kBlock> pad = {};
  if (key.size() > kBlock) {
    Hash hash;
    hash.Update(key.data(), key.size());
    hash.Final(pad.data());
  } else {
    std::copy(key.begin(), key.end(), pad.begin());
  }
  for (uint8_t& byte : pad) byte ^= 0x36;
  std::array<uint8_t, Hash::kSize> digest;
  {
    Hash inner;
    inner.Update(pad.data(), pad.size());
    inner.Update(first.data(), first.size());
    inner.Update(second.data(), second.size());
    inner.Final(digest.data());
  }
  for (uint8_t& byte : pad) byte ^= 0x36 ^ 0x5C;
  Hash outer;
  outer.Update(pad.data(), pad.size());
  outer.Update(digest.data(), digest.size());
  outer.Final(digest.data());
  OPENSSL_cleanse(pad.data(), pad.size());
  return digest;
}

}  // namespace

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

std::array<uint8_t, 20> HmacSha1(absl::Span<const uint8_t> key,
                                 absl::Span<const uint8_t> first,
                                 absl::Span<const uint8_t> second) {
  return Hmac<Sha1>(key, first, second);
}

std::array<uint8_t, 32> HmacSha256(absl::Span<const uint8_t> key,
                                   absl::Span<const uint8_t> first,
                                   absl::Span<const uint8_t> second) {
  return Hmac<Sha256>(key, first, second);
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
  const uint8_t* received = message.bytes().data() + offset + 4;

  int difference;
  if (sha256) {
    const std::array<uint8_t, 32> expected = HmacSha256(key, head, rest);
    difference = CRYPTO_memcmp(expected.data(), received, size);
  } else {
    const std::array<uint8_t, 20> expected = HmacSha1(key, head, rest);
    difference = CRYPTO_memcmp(expected.data(), received, size);
  }
  if (difference != 0) return std::nullopt;
  return AuthenticatedStunMessage(
      message, sha256 ? StunIntegrity::kSha256 : StunIntegrity::kSha1);
}

}  // namespace sallyport::media_relay
