// Keys at rest: sealed under the master key, so that the store alone gives
// nobody a credential. Also the subject key, which makes subjects opaque.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_SEALER_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_SEALER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"

namespace sallyport::credential_issuer {

// Octets of the master key.
inline constexpr size_t kMasterKeyBytes = 32;

// AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D section 8.2.2); the
// key id is authenticated, so that a sealed key cannot pose as another.
// Immutable.
class KeySealer {
 public:
  // `master` has kMasterKeyBytes octets (checked).
  explicit KeySealer(const Secret& master);

  // Nonce, ciphertext and tag.
  std::string Seal(uint32_t key_id, const Secret& secret,
                   RandomSource& random) const;
  // DATA_LOSS when `sealed` is not what Seal made for `key_id` under this
  // master key.
  absl::StatusOr<Secret> Open(uint32_t key_id, std::string_view sealed) const;

  // For OpaqueSubject.
  const Secret& subject_key() const { return subject_key_; }

 private:
  Secret seal_key_;
  Secret subject_key_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_SEALER_H_
