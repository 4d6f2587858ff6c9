// `sallyport explain-route`: how a number would be routed, and why.

#ifndef SALLYPORT_TOOLS_CLI_EXPLAIN_ROUTE_CMD_H_
#define SALLYPORT_TOOLS_CLI_EXPLAIN_ROUTE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddExplainRouteCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_EXPLAIN_ROUTE_CMD_H_
