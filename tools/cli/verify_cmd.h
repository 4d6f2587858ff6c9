// `sallyport verify`: that the legs of calls are protected (CCE-67).

#ifndef SALLYPORT_TOOLS_CLI_VERIFY_CMD_H_
#define SALLYPORT_TOOLS_CLI_VERIFY_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddVerifyCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_VERIFY_CMD_H_
