// All of capf in one process: builds the objects and ends them in order.

#ifndef SALLYPORT_SERVICES_CAPF_CAPF_PROCESS_H_
#define SALLYPORT_SERVICES_CAPF_CAPF_PROCESS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/key_vault.h"
#include "services/common/service/service_main.h"

namespace sallyport::capf {

// Opens store, audit, key and authority (making what is absent), ends what a
// former process left, and binds the CAPF port and gRPC. `config` is valid, and
// it and `vault` outlive what is returned.
absl::StatusOr<std::unique_ptr<RunningService>> StartCapf(
    const config::v1::CapfConfig& config, KeyVault& vault,
    ServiceRuntime& runtime);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CAPF_PROCESS_H_
