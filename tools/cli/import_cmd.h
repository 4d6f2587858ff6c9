// `sallyport import`: users and numbers from a CSV.

#ifndef SALLYPORT_TOOLS_CLI_IMPORT_CMD_H_
#define SALLYPORT_TOOLS_CLI_IMPORT_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddImportCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_IMPORT_CMD_H_
