// The arguments that apply and diff share.

#ifndef SALLYPORT_TOOLS_CLI_CHANGE_OPTIONS_H_
#define SALLYPORT_TOOLS_CLI_CHANGE_OPTIONS_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "tools/cli/change_set.h"

namespace sallyport::cli {

struct ChangeArguments {
  std::vector<std::string> files;
  bool replace = false;
  bool prune = false;
  std::vector<std::string> kinds;
};

void AddChangeArguments(CLI::App& command, ChangeArguments& arguments);

// A usage error if pruning does not say what, or says what cannot be pruned:
// tenants, and what is not dialplan's.
absl::StatusOr<ChangeOptions> ChangeOptionsOf(const ChangeArguments& arguments,
                                              const std::string& tenant);

// The kinds of dialplan that belong to a tenant, in the order of the API.
std::vector<const ResourceKind*> PlanKinds();

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CHANGE_OPTIONS_H_
