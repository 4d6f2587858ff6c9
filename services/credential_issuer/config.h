// The configuration of credential_issuer as its parts take it.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CONFIG_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CONFIG_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "sallyport/credential_issuer/config/v1/credential_issuer_config.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/config/config_faults.h"
#include "services/credential_issuer/core/issue_policy.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/relay_directory.h"

namespace sallyport::credential_issuer {

// Adds every fault of what is not `server`. Looks at no file. Pure.
void ValidateConfig(const config::v1::CredentialIssuerConfig& config,
                    ConfigFaults* faults);

// Of a valid configuration, with the defaults filled in.
IssueLimits LimitsOf(const config::v1::CredentialIssuerConfig& config);
// What the relays are told of the tenants' policies.
v1::TenantMediaLimitsList MediaLimitsOf(
    const config::v1::CredentialIssuerConfig& config);
// The names of the fields that these two read.
std::vector<std::string> LimitFields();
KeyRingPolicy RingPolicyOf(const config::v1::CredentialIssuerConfig& config);
std::string RealmOf(const config::v1::CredentialIssuerConfig& config);
std::vector<StaticRelay> RelaysOf(
    const config::v1::CredentialIssuerConfig& config);
absl::Duration AuditRetentionOf(
    const config::v1::CredentialIssuerConfig& config);
absl::Duration HeartbeatOf(const config::v1::CredentialIssuerConfig& config);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CONFIG_H_
