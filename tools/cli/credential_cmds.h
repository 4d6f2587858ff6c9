// `sallyport rotate-key`, `revoke-key`, `revoke-user`, `revoke-credential` and
// `show-credential`.

#ifndef SALLYPORT_TOOLS_CLI_CREDENTIAL_CMDS_H_
#define SALLYPORT_TOOLS_CLI_CREDENTIAL_CMDS_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddCredentialCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CREDENTIAL_CMDS_H_
