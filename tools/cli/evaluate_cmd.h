// `sallyport evaluate`: what a change would do to calls, without making it.

#ifndef SALLYPORT_TOOLS_CLI_EVALUATE_CMD_H_
#define SALLYPORT_TOOLS_CLI_EVALUATE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddEvaluateCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_EVALUATE_CMD_H_
