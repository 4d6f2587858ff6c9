// grpc.health.v1, whose generated code Debian's gRPC does not ship.

#ifndef SALLYPORT_TOOLS_CLI_HEALTH_CHECK_H_
#define SALLYPORT_TOOLS_CLI_HEALTH_CHECK_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

enum class Health { kUnknown, kServing, kNotServing };

// What grpc.health.v1.Health/Check answers for `name` ("" is the whole
// server). An error where there is no answer. `peer_pem` as in CallRaw.
absl::StatusOr<Health> CheckHealth(const Endpoint& endpoint,
                                   const std::string& name,
                                   std::string* peer_pem = nullptr);

// The bytes of a HealthCheckRequest, and the status in a HealthCheckResponse.
std::string HealthRequestBytes(const std::string& name);
Health HealthFromBytes(const std::string& bytes);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_HEALTH_CHECK_H_
