// `sallyport certs` and `sallyport revoke`: certificates of our authority.

#ifndef SALLYPORT_TOOLS_CLI_CERTS_CMD_H_
#define SALLYPORT_TOOLS_CLI_CERTS_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddCertsCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CERTS_CMD_H_
