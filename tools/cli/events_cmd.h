// `sallyport events`: what happened at the edges, and what happens now.

#ifndef SALLYPORT_TOOLS_CLI_EVENTS_CMD_H_
#define SALLYPORT_TOOLS_CLI_EVENTS_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddEventsCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_EVENTS_CMD_H_
