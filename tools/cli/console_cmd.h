// `sallyport console`: all commands at one prompt, behind the login banner
// (IMP-03, IMP-04).

#ifndef SALLYPORT_TOOLS_CLI_CONSOLE_CMD_H_
#define SALLYPORT_TOOLS_CLI_CONSOLE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"
#include "tools/cli/collect_cmd.h"

namespace sallyport::cli {

// `run` runs one command line with the connections of `context`.
void AddConsoleCommand(CLI::App& app, CliContext& context, RunWords run);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CONSOLE_CMD_H_
