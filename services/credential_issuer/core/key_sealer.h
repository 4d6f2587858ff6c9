// Keys at rest: sealed under the master key, so that the store alone gives
// nobody a credential.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_SEALER_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_SEALER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
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
  // `master` has kMasterKeyBytes octets, and so has each of `accepted` (all
  // checked): keys that open what they sealed, and seal nothing any more, or
  // nothing yet.
  explicit KeySealer(const Secret& master,
                     absl::Span<const Secret> accepted = {});

  // Nonce, ciphertext and tag, under the master key.
  std::string Seal(uint32_t key_id, const Secret& secret,
                   RandomSource& random) const;
  // DATA_LOSS when `sealed` is not what Seal made for `key_id` under the master
  // key or one of the accepted.
  absl::StatusOr<Secret> Open(uint32_t key_id, std::string_view sealed) const;
  // `sealed` is what Seal made under the master key itself.
  bool IsCurrent(uint32_t key_id, std::string_view sealed) const;

  // The subject key of a store that was made before subject keys were kept in
  // it: derived from the one of the master keys that opens `sealed`.
  absl::StatusOr<Secret> DerivedSubjectKey(uint32_t key_id,
                                           std::string_view sealed) const;

 private:
  struct Keys {
    Secret seal;
    Secret subject;
  };
  // Those that open `sealed`; null when none does.
  const Keys* FindOpening(uint32_t key_id, std::string_view sealed,
                          Secret* opened) const;

  // The master's first.
  std::vector<Keys> keys_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_SEALER_H_
