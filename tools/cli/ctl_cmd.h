// `sallyport ctl`: trust lists of phones, ours and others'.

#ifndef SALLYPORT_TOOLS_CLI_CTL_CMD_H_
#define SALLYPORT_TOOLS_CLI_CTL_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddCtlCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CTL_CMD_H_
