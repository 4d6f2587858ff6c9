// `sallyport debug`: what edges log while somebody looks for a fault.

#ifndef SALLYPORT_TOOLS_CLI_DEBUG_CMD_H_
#define SALLYPORT_TOOLS_CLI_DEBUG_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddDebugCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DEBUG_CMD_H_
