// The one-use string by which a phone proves who it is.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_AUTHENTICATION_STRING_H_
#define SALLYPORT_SERVICES_CAPF_CORE_AUTHENTICATION_STRING_H_

#include <cstdint>
#include <string>
#include <string_view>

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
  uint32_t iterations = 0;  // of PBKDF2-HMAC-SHA-256
  std::string salt;         // 16 octets
  std::string hash;         // 32 octets

  bool empty() const { return hash.empty(); }
  bool operator==(const StringVerifier&) const = default;
};

StringVerifier MakeVerifier(const Secret& string, uint32_t iterations,
                            RandomSource& random);

// Whether `candidate` is the string. The hashes are compared in constant time,
// and an empty verifier costs as much as a real one of `iterations` before it
// says no: a device that does not exist answers no sooner.
bool MatchesVerifier(std::string_view candidate, const StringVerifier& verifier,
                     uint32_t iterations);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_AUTHENTICATION_STRING_H_
