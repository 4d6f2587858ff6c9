// `sallyport check`: what in the plan is most likely not meant.

#ifndef SALLYPORT_TOOLS_CLI_CHECK_CMD_H_
#define SALLYPORT_TOOLS_CLI_CHECK_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddCheckCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CHECK_CMD_H_
