// `sallyport get` and `describe`, for every kind of resource.

#ifndef SALLYPORT_TOOLS_CLI_GET_CMD_H_
#define SALLYPORT_TOOLS_CLI_GET_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddGetCommand(CLI::App& app, CliContext& context);
void AddDescribeCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_GET_CMD_H_
