// `sallyport trace` and `sallyport end-call`: one call, live or just ended.

#ifndef SALLYPORT_TOOLS_CLI_CALL_CMDS_H_
#define SALLYPORT_TOOLS_CLI_CALL_CMDS_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddCallCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CALL_CMDS_H_
