// One call to capf, as commands make it.

#ifndef SALLYPORT_TOOLS_CLI_CAPF_CALL_H_
#define SALLYPORT_TOOLS_CLI_CAPF_CALL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// Calls `method` of the first capf that is configured, with 20 seconds to
// answer: a look at a peer takes up to five.
template <typename Response, typename Method, typename Request>
absl::StatusOr<Response> CallCapf(CliContext& context, Method method,
                                  const Request& request) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("capf"));
  const auto stub =
      ::sallyport::capf::v1::CapfService::NewStub(endpoint.channel);
  grpc::ClientContext call;
  call.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  Response response;
  SP_RETURN_IF_ERROR(
      FromGrpc((stub.get()->*method)(&call, request, &response)));
  return response;
}

// "x", or "tenants/<tenant>/<collection>/x" if it is no full name.
absl::StatusOr<std::string> FullName(CliContext& context,
                                     const std::string& collection,
                                     const std::string& name);

// Writes a file that came, mode 0644 as certificates are public.
absl::Status WriteOutput(const std::string& path, const std::string& content);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CAPF_CALL_H_
