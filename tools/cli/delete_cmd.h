// `sallyport delete`, for every kind of resource.

#ifndef SALLYPORT_TOOLS_CLI_DELETE_CMD_H_
#define SALLYPORT_TOOLS_CLI_DELETE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddDeleteCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DELETE_CMD_H_
