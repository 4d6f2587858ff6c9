// What the parts of the process take from the configuration file.

#ifndef SALLYPORT_SERVICES_CAPF_PROCESS_OPTIONS_H_
#define SALLYPORT_SERVICES_CAPF_PROCESS_OPTIONS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/io/capf_loop.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/registration_authority.h"
#include "services/capf/io/revocation_list_server.h"
#include "services/capf/io/service_certificates.h"
#include "services/capf/rpc/capf_service.h"

namespace sallyport::capf {

RegistrationOptions RegistrationOptionsOf(const config::v1::CapfConfig& config,
                                          bool fips);
// Without its address and TLS.
CapfLoop::Options LoopOptionsOf(const config::v1::CapfListenerConfig& capf);
ServiceCertificates::Options RenewalOptionsOf(
    const config::v1::CapfConfig& config, const std::string& tenant);
RevocationListServer::Options ListServerOptionsOf(
    const config::v1::CapfConfig& config);
// Without what is known at the start only.
CapfService::Options ServiceOptionsOf(const config::v1::CapfConfig& config);

// Null if no dialplan is configured. INVALID_ARGUMENT if our TLS files are
// unusable.
absl::StatusOr<std::unique_ptr<DialplanMode>> OpenDialplan(
    const config::v1::CapfConfig& config);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_PROCESS_OPTIONS_H_
