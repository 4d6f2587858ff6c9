// The one-use string by which a phone proves who it is.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_AUTHENTICATION_STRING_H_
#define SALLYPORT_SERVICES_CAPF_CORE_AUTHENTICATION_STRING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

// 4 to 16 digits: the administration of the documents takes 4 to 10, and other
// tools up to 16.
bool IsAuthenticationString(std::string_view text);

// `digits` (4 to 16, else the nearest) uniform random digits.
Secret GenerateAuthenticationString(RandomSource& random, int digits);

// What is kept of a string: never the string itself.
struct StringVerifier {
  // Zero: HMAC-SHA-256 under the key of a StringHasher. Otherwise rounds of
  // PBKDF2-HMAC-SHA-256, as stores of before that key have them.
  uint32_t iterations = 0;
  std::string salt;  // 16 octets
  std::string hash;  // 32 octets

  bool empty() const { return hash.empty(); }
  bool operator==(const StringVerifier&) const = default;
};

// Hashes strings under a key that never lies in the store.
//
// A string of eight digits has 27 bits: whoever has a store of plain salted
// hashes tries them all, and rounds that a phone's enrolment can bear (4096 are
// 0.4 ms) delay that by a minute. Without the key there is nothing to try, so
// the store alone tells nothing of any string, however short; whoever has the
// key as well has our folder of keys, and needs no string to get certificates.
// Guessing at the door is what limits and locks are for. Immutable.
class StringHasher {
 public:
  // `key`: 32 random octets.
  explicit StringHasher(Secret key) : key_(std::move(key)) {}

  StringVerifier Make(const Secret& string, RandomSource& random) const;

  // Whether `candidate` is the string. Hashes are compared in constant time,
  // and an empty verifier costs as much as a real one before it says no: a
  // device that does not exist answers no sooner.
  bool Matches(std::string_view candidate,
               const StringVerifier& verifier) const;

  // Tells one key from another, and nothing of it. Not negative.
  int64_t KeyId() const;

 private:
  std::string Hash(std::string_view salt, std::string_view text) const;

  const Secret key_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_AUTHENTICATION_STRING_H_
