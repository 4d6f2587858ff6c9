// sallyport set: changes single fields of one resource.

#ifndef SALLYPORT_TOOLS_CLI_SET_CMD_H_
#define SALLYPORT_TOOLS_CLI_SET_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddSetCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SET_CMD_H_
