// capf's own gRPC certificate: signed and noted within the process.

#ifndef SALLYPORT_SERVICES_CAPF_OWN_RENEWAL_H_
#define SALLYPORT_SERVICES_CAPF_OWN_RENEWAL_H_

#include "absl/time/time.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/capf/io/work_thread.h"
#include "services/capf/rpc/service_certificate_methods.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/service/service_main.h"

namespace sallyport::capf {

// Nobody else is asked for it. `runtime` keeps what it is given until the
// service is destroyed, so all must live until then.
void SignOwnCertificates(const common::config::v1::ServerConfig& server,
                         WorkThread& work, ServiceCertificateMethods& methods,
                         absl::Time start, const FipsState& fips,
                         ServiceRuntime& runtime);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_OWN_RENEWAL_H_
