#include "services/common/crypto/hmac.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace sallyport {
namespace {

// BoringSSL's HMAC_CTX allocates, so RFC 2104 section 2 is spelled out over
// its digests, whose contexts live on the stack.
constexpr size_t kBlockSize = 64;  // of SHA-1 and SHA-256 alike

struct Sha1Traits {
  using Context = SHA_CTX;
  using Digest = Sha1Digest;
  static void Init(Context* c) { SHA1_Init(c); }
  static void Update(Context* c, ByteSpan data) {
    SHA1_Update(c, data.data(), data.size());
  }
  static void Final(Digest& out, Context* c) { SHA1_Final(out.data(), c); }
  static Digest Hash(ByteSpan data) { return Sha1(data); }
};

struct Sha256Traits {
  using Context = SHA256_CTX;
  using Digest = Sha256Digest;
  static void Init(Context* c) { SHA256_Init(c); }
  static void Update(Context* c, ByteSpan data) {
    SHA256_Update(c, data.data(), data.size());
  }
  static void Final(Digest& out, Context* c) { SHA256_Final(out.data(), c); }
  static Digest Hash(ByteSpan data) { return Sha256(data); }
};

template <typename Traits>
typename Traits::Digest Hmac(ByteSpan key,
                             std::initializer_list<ByteSpan> parts) {
  std::array<uint8_t, kBlockSize> pad = {};
  if (key.size() > kBlockSize) {
    const typename Traits::Digest hashed = Traits::Hash(key);
    std::copy(hashed.begin(), hashed.end(), pad.begin());
  } else {
    std::copy(key.begin(), key.end(), pad.begin());
  }

  typename Traits::Context context;
  typename Traits::Digest digest;
  for (uint8_t& byte : pad) byte ^= 0x36;
  Traits::Init(&context);
  Traits::Update(&context, pad);
  for (ByteSpan part : parts) Traits::Update(&context, part);
  Traits::Final(digest, &context);

  for (uint8_t& byte : pad) byte ^= 0x36 ^ 0x5c;
  Traits::Init(&context);
  Traits::Update(&context, pad);
  Traits::Update(&context, digest);
  Traits::Final(digest, &context);

  OPENSSL_cleanse(pad.data(), pad.size());
  OPENSSL_cleanse(&context, sizeof(context));
  return digest;
}

}  // namespace

Sha1Digest HmacSha1(ByteSpan key, std::initializer_list<ByteSpan> parts) {
  return Hmac<Sha1Traits>(key, parts);
}

Sha256Digest HmacSha256(ByteSpan key, std::initializer_list<ByteSpan> parts) {
  return Hmac<Sha256Traits>(key, parts);
}

}  // namespace sallyport
