// `sallyport trust`: trust stores, what is in them, and whether a chain would
// be accepted.

#ifndef SALLYPORT_TOOLS_CLI_TRUST_CMD_H_
#define SALLYPORT_TOOLS_CLI_TRUST_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddTrustCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TRUST_CMD_H_
