// `sallyport cluster`, `procedure` and `fips`: what phones are told of their
// cluster, and long changes step by step.

#ifndef SALLYPORT_TOOLS_CLI_CLUSTER_CMD_H_
#define SALLYPORT_TOOLS_CLI_CLUSTER_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddClusterCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CLUSTER_CMD_H_
