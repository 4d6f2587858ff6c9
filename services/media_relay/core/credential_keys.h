// The verification keys and revocations in force: what stands in for a user
// table (AVE-15, AVE-18).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CREDENTIAL_KEYS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CREDENTIAL_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"

namespace sallyport::media_relay {

struct VerificationKey {
  uint32_t id = 0;
  Secret secret;
  // Credentials made with it are good from and until then.
  absl::Time not_before;
  absl::Time not_after;
};

// Whatever is named here is refused although it has not expired.
struct Revocations {
  // Lower-case hex of the nonce in the user name.
  absl::flat_hash_set<std::string> credential_ids;
  // "tenant\0subject", see RevokedSubjectKey().
  absl::flat_hash_set<std::string> subjects;
  absl::flat_hash_set<uint32_t> key_ids;
};

std::string RevokedSubjectKey(std::string_view tenant,
                              std::string_view subject);

struct VerifiedCredential {
  std::string username;
  std::string tenant;
  std::string subject;  // opaque
  std::string id;       // lower-case hex of the nonce
  uint32_t key_id = 0;
  absl::Time expiry;
  Secret password;
};

// One version of the ring. Loops share it; a change is a new object.
// Immutable.
class CredentialKeys {
 public:
  CredentialKeys(int64_t version, std::vector<VerificationKey> keys,
                 Revocations revocations);

  // The bare codes of VerifyTurnUsername(), without messages, and
  // UNAUTHENTICATED for an unknown key, a key out of its time or a revoked
  // credential.
  absl::StatusOr<VerifiedCredential> Verify(std::string_view username,
                                            absl::Time now) const;

  int64_t version() const { return version_; }
  // In order.
  std::vector<uint32_t> key_ids() const;

 private:
  int64_t version_;
  absl::flat_hash_map<uint32_t, VerificationKey> keys_;
  Revocations revocations_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CREDENTIAL_KEYS_H_
