// A public key that somebody wants certified, checked for strength.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_PUBLIC_KEY_H_
#define SALLYPORT_SERVICES_CAPF_CORE_PUBLIC_KEY_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

enum class KeyKind { kRsa, kEcP256, kEcP384, kEcP521 };

// "RSA", "EC P-256" and so on.
std::string_view KeyKindName(KeyKind kind);

// RSA sizes that may be certified, in bits. Elliptic curves are always P-256,
// P-384 or P-521.
struct KeyPolicy {
  int min_rsa_bits = 2048;
  int max_rsa_bits = 4096;
};

// A key that passed every check of FromSpki(). Immutable.
class PublicKey {
 public:
  // Reads `der` as one SubjectPublicKeyInfo in its only DER form.
  //
  // Refused, with kInvalidArgument and a reason: KEY_MALFORMED; KEY_TYPE for
  // an algorithm or curve that is not ours (a point off its curve is
  // malformed); KEY_SIZE; KEY_WEAK for an exponent below 65537, a modulus that
  // is even, has a small factor, has two close primes (Fermat, 100 rounds, as
  // BR 6.1.1.3 asks), or bears the fingerprint of the Infineon key generator
  // (CVE-2017-15361). Debian's list of 2008 is not consulted: none of its keys
  // has more than 1023 bits but by an option that nobody used for phones.
  static absl::StatusOr<PublicKey> FromSpki(ByteSpan der,
                                            const KeyPolicy& policy);

  KeyKind kind() const { return kind_; }
  bool is_rsa() const { return kind_ == KeyKind::kRsa; }
  int bits() const { return bits_; }
  const std::string& spki() const { return spki_; }
  // Of the SubjectPublicKeyInfo, 32 octets.
  const std::string& sha256() const { return sha256_; }
  // What names the key in certificates: the leftmost 160 bits of the SHA-256
  // of the subjectPublicKey bits (RFC 7093 section 2, method 1).
  const std::string& key_id() const { return key_id_; }

 private:
  PublicKey() = default;

  KeyKind kind_ = KeyKind::kEcP256;
  int bits_ = 0;
  std::string spki_;
  std::string sha256_;
  std::string key_id_;
};

// The key of a certificate, in DER.
absl::StatusOr<PublicKey> KeyOfCertificate(ByteSpan certificate_der,
                                           const KeyPolicy& policy);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_PUBLIC_KEY_H_
