// `sallyport test-connectivity`, `readiness` and `threats`.

#ifndef SALLYPORT_TOOLS_CLI_SECURITY_CMD_H_
#define SALLYPORT_TOOLS_CLI_SECURITY_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddSecurityCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SECURITY_CMD_H_
