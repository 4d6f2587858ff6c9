// `sallyport apply`: makes the services hold what files say.

#ifndef SALLYPORT_TOOLS_CLI_APPLY_CMD_H_
#define SALLYPORT_TOOLS_CLI_APPLY_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// Adds the command; it sets context.result when it runs.
void AddApplyCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_APPLY_CMD_H_
