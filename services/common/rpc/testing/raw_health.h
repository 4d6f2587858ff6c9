// grpc.health.v1 Check without its generated code, for tests.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_TESTING_RAW_HEALTH_H_
#define SALLYPORT_SERVICES_COMMON_RPC_TESTING_RAW_HEALTH_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"

namespace sallyport {

enum class RawHealth { kServing, kNotServing, kUnknownName, kCallFailed };

// Asks for `name` ("" is readiness) with a deadline of 5 s.
RawHealth CheckHealth(std::shared_ptr<grpc::Channel> channel,
                      const std::string& name);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_TESTING_RAW_HEALTH_H_
