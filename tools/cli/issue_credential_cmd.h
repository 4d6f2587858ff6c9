// `sallyport issue-credential`: a TURN credential for tests and clients.

#ifndef SALLYPORT_TOOLS_CLI_ISSUE_CREDENTIAL_CMD_H_
#define SALLYPORT_TOOLS_CLI_ISSUE_CREDENTIAL_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddIssueCredentialCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_ISSUE_CREDENTIAL_CMD_H_
