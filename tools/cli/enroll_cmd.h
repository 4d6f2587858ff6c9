// `sallyport enroll`: gets a phone certificate by the CAPF protocol.

#ifndef SALLYPORT_TOOLS_CLI_ENROLL_CMD_H_
#define SALLYPORT_TOOLS_CLI_ENROLL_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddEnrollCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_ENROLL_CMD_H_
