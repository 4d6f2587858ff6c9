// The call attempts that `evaluate` is given.
//
//   - from: user/1001          # as explain-route takes it
//     to: "915550100"
//   - {from: peer/gw, to: "1001", calling_number: "+12025550123"}

#ifndef SALLYPORT_TOOLS_CLI_ATTEMPTS_H_
#define SALLYPORT_TOOLS_CLI_ATTEMPTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"

namespace sallyport::cli {

// Reads lists of attempts from every document of `yaml`. INVALID_ARGUMENT,
// reason ATTEMPTS_INVALID, with every fault as a field violation:
// "calls.yaml:4 from". Pure.
absl::StatusOr<std::vector<dialplan::v1::ResolveRouteRequest>> ParseAttempts(
    const std::string& yaml, const std::string& tenant,
    const std::string& file_name);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_ATTEMPTS_H_
