#include "services/capf/core/authentication_string.h"

#include <openssl/digest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

constexpr size_t kSaltSize = 16;
constexpr size_t kHashSize = 32;

std::string Derive(std::string_view text, std::string_view salt,
                   uint32_t iterations) {
  std::string hash(kHashSize, '\0');
  SP_CHECK(PKCS5_PBKDF2_HMAC(text.data(), text.size(),
                             reinterpret_cast<const uint8_t*>(salt.data()),
                             salt.size(), std::max<uint32_t>(iterations, 1),
                             EVP_sha256(), hash.size(),
                             reinterpret_cast<uint8_t*>(hash.data())) == 1);
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

StringVerifier MakeVerifier(const Secret& string, uint32_t iterations,
                            RandomSource& random) {
  std::array<uint8_t, kSaltSize> salt;
  random.Fill(absl::MakeSpan(salt));
  StringVerifier verifier{.iterations = std::max<uint32_t>(iterations, 1),
                          .salt = ToString(salt)};
  verifier.hash =
      Derive(string.DangerousText(), verifier.salt, verifier.iterations);
  return verifier;
}

bool MatchesVerifier(std::string_view candidate, const StringVerifier& verifier,
                     uint32_t iterations) {
  const std::string salt =
      verifier.empty() ? std::string(kSaltSize, '\0') : verifier.salt;
  const std::string expected =
      verifier.empty() ? std::string(kHashSize, '\0') : verifier.hash;
  const std::string derived = Derive(
      candidate, salt, verifier.empty() ? iterations : verifier.iterations);
  const bool equal = ConstantTimeEquals(AsBytes(derived), AsBytes(expected));
  return equal && !verifier.empty();
}

}  // namespace sallyport::capf
