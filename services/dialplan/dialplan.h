// The parts of dialplan put together.

#ifndef SALLYPORT_SERVICES_DIALPLAN_DIALPLAN_H_
#define SALLYPORT_SERVICES_DIALPLAN_DIALPLAN_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/config/v1/dialplan_config.pb.h"
#include "services/common/service/service_main.h"

namespace sallyport::dialplan {

// Opens the store, loads the plan and starts the gRPC server.
absl::StatusOr<std::unique_ptr<RunningService>> StartDialplan(
    const config::v1::DialplanConfig& config, ServiceRuntime& runtime);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_DIALPLAN_H_
