// Values of the core as messages, and back.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_ISSUER_PROTO_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_ISSUER_PROTO_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/credential_issuer/v1/key.pb.h"
#include "sallyport/credential_issuer/v1/revocation.pb.h"
#include "sallyport/credential_issuer/v1/turn_credential.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/credential_issuer/core/issuer.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/relay_directory.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {

// "keys/7" to 7. INVALID_ARGUMENT with REQUEST_INVALID.
absl::StatusOr<uint32_t> KeyIdOfName(std::string_view name);

// Without the secret.
v1::Key ToProto(const KeyRing& ring, const RingKey& key, absl::Time now);
v1::Revocation ToProto(const Revocation& revocation);
v1::RelayAddress ToProto(const RelayAddress& address);
ClientNetwork FromProto(v1::ClientNetwork network);
// The secret is in `out` then; it goes to the caller and nowhere else.
void ToProto(const IssuedCredential& credential, const std::string& realm,
             const std::vector<RelayAddress>& relays, v1::TurnCredential* out);

// One step of the stream to a relay that holds `known_version` and the keys
// `known_keys`; full when `known_version` is 0.
v1::WatchVerificationKeysResponse MakeStep(
    const IssuerState& state, const std::string& realm, int64_t known_version,
    const std::vector<uint32_t>& known_keys);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_ISSUER_PROTO_H_
