// Many questions to dialplan at once, by one stream of ResolveRoutes.

#ifndef SALLYPORT_TOOLS_CLI_ROUTE_QUESTIONS_H_
#define SALLYPORT_TOOLS_CLI_ROUTE_QUESTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

// A result for each question, in order. What a stream that ends with
// UNAVAILABLE has not answered is asked again. DEADLINE_EXCEEDED if nothing
// comes for as long as the endpoint's timeout.
absl::StatusOr<std::vector<dialplan::v1::ResolveRouteResult>> AskRoutes(
    const Endpoint& endpoint,
    const std::vector<dialplan::v1::ResolveRouteRequest>& questions);

// One line for each question and its result. Pure.
std::string RoutesText(
    const std::vector<dialplan::v1::ResolveRouteRequest>& questions,
    const std::vector<dialplan::v1::ResolveRouteResult>& results);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_ROUTE_QUESTIONS_H_
