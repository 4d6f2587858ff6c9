// `sallyport sessions` and `sallyport drain`: what media relays carry, and how
// one is emptied.

#ifndef SALLYPORT_TOOLS_CLI_SESSIONS_CMD_H_
#define SALLYPORT_TOOLS_CLI_SESSIONS_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddSessionCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SESSIONS_CMD_H_
