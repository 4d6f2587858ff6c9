// The running service: its objects in the order in which they need each other.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RELAY_PROCESS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RELAY_PROCESS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "services/common/service/service_main.h"

namespace sallyport::media_relay {

// `config` has been validated and outlives the service.
absl::StatusOr<std::unique_ptr<RunningService>> StartMediaRelay(
    const config::v1::MediaRelayConfig& config, ServiceRuntime& runtime);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RELAY_PROCESS_H_
