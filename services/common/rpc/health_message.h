// The two messages of grpc.health.v1.Health/Check, whose generated code the
// gRPC library keeps to itself. Pure.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_HEALTH_MESSAGE_H_
#define SALLYPORT_SERVICES_COMMON_RPC_HEALTH_MESSAGE_H_

#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

// The name asked about; nullopt for what is no HealthCheckRequest.
std::optional<std::string> ParseHealthRequest(std::string_view octets);

// SERVING or NOT_SERVING.
std::string HealthResponse(bool serves);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_HEALTH_MESSAGE_H_
