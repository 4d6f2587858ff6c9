// Makes credentials from one version of the keys and revocations.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUER_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/credential_issuer/core/issue_policy.h"
#include "services/credential_issuer/core/issuer_state.h"

namespace sallyport::credential_issuer {

struct IssuedCredential {
  std::string username;
  Secret password;
  absl::Time expire_time;
  absl::Duration lifetime;
  uint32_t key_id = 0;
  int64_t key_version = 0;     // of the state in which the key was made
  std::string credential_id;   // lower-case hex of the nonce
  std::string opaque_subject;  // as in the user name
};

// Immutable, so thread-safe: a new version is a new Issuer.
class Issuer {
 public:
  // `subject_key` makes subjects opaque; it must outlive this object.
  Issuer(IssueLimits limits, const Secret& subject_key,
         std::shared_ptr<const IssuerState> state);

  // Makes a credential with the active key. It lives no longer than the key.
  // INVALID_ARGUMENT with REQUEST_INVALID; PERMISSION_DENIED with
  // TENANT_DISABLED; UNAVAILABLE with NO_ACTIVE_KEY.
  absl::StatusOr<IssuedCredential> Issue(const IssueRequest& request,
                                         absl::Time now,
                                         RandomSource& random) const;

  // How `subject` appears in user names of `tenant`: a keyed hash, which
  // changes when the user is revoked, as the old one must stay refused.
  std::string OpaqueSubject(std::string_view tenant,
                            std::string_view subject) const;

  // The id of the credential that `username` is. INVALID_ARGUMENT with
  // USERNAME_INVALID when it was not made here for `tenant`, or has expired.
  absl::StatusOr<std::string> CredentialIdOf(std::string_view tenant,
                                             std::string_view username,
                                             absl::Time now) const;

  const IssuerState& state() const { return *state_; }

 private:
  const IssueLimits limits_;
  const Secret& subject_key_;
  const std::shared_ptr<const IssuerState> state_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUER_H_
