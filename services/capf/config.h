// What capf's configuration must be, and its defaults.

#ifndef SALLYPORT_SERVICES_CAPF_CONFIG_H_
#define SALLYPORT_SERVICES_CAPF_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/core/certificate_names.h"
#include "services/common/config/config_faults.h"
#include "services/common/net/socket_address.h"

namespace sallyport::capf {

// Adds every fault of what is not `server`. What this version does not do yet
// is a fault too, so that nobody relies on it. Pure.
void ValidateConfig(const config::v1::CapfConfig& config, ConfigFaults* faults);

// The CAPF port's address; of a valid configuration.
absl::StatusOr<SocketAddress> CapfAddress(
    const config::v1::CapfListenerConfig& config);

// "DNS:..." and "IP:..." of server_names; localhost if there are none.
absl::StatusOr<SubjectAltNames> ListenerNames(
    const config::v1::CapfListenerConfig& config);

// Where keys of our own lie.
std::string KeyFolder(const config::v1::AuthorityConfig& authority);

// Where complete revocation lists say that delta lists are; empty: nowhere.
std::string DeltaUrl(const config::v1::CapfConfig& config);

// What is set that FIPS mode forbids, in words.
std::vector<std::string> ForbiddenSettings(
    const config::v1::CapfConfig& config);

// Services that may watch trust.
std::vector<std::string> Watchers(const config::v1::CapfConfig& config);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CONFIG_H_
