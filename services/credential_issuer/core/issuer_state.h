// The durable state, and the commands that change it.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUER_STATE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUER_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {

// Everything that is durable and that the relays follow, at one version. Each
// command below gives the next version, which its owner makes durable before
// anyone sees it. version_time never goes back, and nothing ends earlier for a
// clock that does. Immutable.
struct IssuerState {
  int64_t version = 0;
  absl::Time version_time;
  KeyRing ring;
  RevocationList revocations;
};

// Who is told why; `id` is fresh and names the new revocation.
struct RevocationOrder {
  std::string id;
  std::string reason;
};

// With a new key. Errors of KeyRing::Rotate.
absl::StatusOr<IssuerState> WithNewKey(const IssuerState& state, Secret secret,
                                       std::string_view request_id,
                                       absl::Time now);

// With pending key `id` in use.
IssuerState WithKeyActivated(const IssuerState& state, uint32_t id,
                             absl::Time now);

// With key `id` revoked, so that relays refuse its credentials and end what
// they opened. If none is active then, one that is pending is from now on, or
// else `fresh` is a key that is.
// A key that is revoked already gives the same state, same version.
// NOT_FOUND with KEY_NOT_FOUND.
absl::StatusOr<IssuerState> WithKeyRevoked(const IssuerState& state,
                                           uint32_t id, RevocationOrder order,
                                           Secret fresh, absl::Time now);

// With `target` of `tenant` revoked until whatever it revokes has expired. What
// is revoked already gives the same state, same version.
absl::StatusOr<IssuerState> WithRevocation(
    const IssuerState& state, RevocationKind kind, std::string_view tenant,
    std::string_view target, RevocationOrder order, absl::Time now);

// Without what expired a while ago; the same state when nothing did.
IssuerState WithoutExpired(const IssuerState& state, absl::Time now);

// When the schedule wants the next key, one waits to be activated, or
// WithoutExpired would change it. As seen at `now`.
absl::Time NextDeadline(const IssuerState& state, absl::Time now);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUER_STATE_H_
