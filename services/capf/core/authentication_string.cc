#include "services/capf/core/authentication_string.h"

#include <openssl/digest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

constexpr size_t kSaltSize = 16;
constexpr size_t kHashSize = 32;

// As before there was a key.
std::string SlowHash(std::string_view text, const StringVerifier& verifier) {
  std::string hash(kHashSize, '\0');
  SP_CHECK(PKCS5_PBKDF2_HMAC(
               text.data(), text.size(),
               reinterpret_cast<const uint8_t*>(verifier.salt.data()),
               verifier.salt.size(), verifier.iterations, EVP_sha256(),
               hash.size(), reinterpret_cast<uint8_t*>(hash.data())) == 1);
  return hash;
}

}  // namespace

bool IsAuthenticationString(std::string_view text) {
  return text.size() >= 4 && text.size() <= 16 &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c); });
}

Secret GenerateAuthenticationString(RandomSource& random, int digits) {
  std::string text;
  for (int i = 0; i < std::clamp(digits, 4, 16); ++i) {
    text.push_back(static_cast<char>('0' + random.Uniform(10)));
  }
  return Secret::Take(std::move(text));
}

std::string StringHasher::Hash(std::string_view salt,
                               std::string_view text) const {
  // The salt's size is fixed, so no two pairs are one text.
  return ToString(
      HmacSha256(key_.DangerousBytes(),
                 {AsBytes("string"), AsBytes(salt), AsBytes(text)}));
}

StringVerifier StringHasher::Make(const Secret& string,
                                  RandomSource& random) const {
  std::array<uint8_t, kSaltSize> salt;
  random.Fill(absl::MakeSpan(salt));
  StringVerifier verifier{.iterations = 0, .salt = ToString(salt)};
  verifier.hash = Hash(verifier.salt, string.DangerousText());
  return verifier;
}

bool StringHasher::Matches(std::string_view candidate,
                           const StringVerifier& verifier) const {
  const std::string salt =
      verifier.empty() ? std::string(kSaltSize, '\0') : verifier.salt;
  const std::string expected =
      verifier.empty() ? std::string(kHashSize, '\0') : verifier.hash;
  const std::string derived = verifier.iterations == 0
                                  ? Hash(salt, candidate)
                                  : SlowHash(candidate, verifier);
  const bool equal = ConstantTimeEquals(AsBytes(derived), AsBytes(expected));
  return equal && !verifier.empty();
}

int64_t StringHasher::KeyId() const {
  const Sha256Digest digest =
      HmacSha256(key_.DangerousBytes(), {AsBytes("key id")});
  uint64_t id = 0;
  for (size_t i = 0; i < sizeof(id); ++i) id = id << 8 | digest[i];
  return static_cast<int64_t>(id >> 1);
}

}  // namespace sallyport::capf
