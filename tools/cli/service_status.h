// GetStatus of every instance of every service.

#ifndef SALLYPORT_TOOLS_CLI_SERVICE_STATUS_H_
#define SALLYPORT_TOOLS_CLI_SERVICE_STATUS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "sallyport/type/v1/service_info.pb.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

// The services in the order of a call's way.
inline constexpr const char* kServiceNames[] = {
    "dialplan", "capf", "credential_issuer", "media_relay", "signaling_edge"};

// What the instance answers to GetStatus, in the type of its service.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> GetServiceStatus(
    const Endpoint& endpoint);

// Its field `info`.
type::v1::ServiceInfo InfoOf(const google::protobuf::Message& status);

// `sallyport get status`: of every configured instance; JSON has a member for
// each service, with "[1]" and so on for further instances.
absl::Status PrintStatus(CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SERVICE_STATUS_H_
