// `sallyport copy`: a resource under another name.

#ifndef SALLYPORT_TOOLS_CLI_COPY_CMD_H_
#define SALLYPORT_TOOLS_CLI_COPY_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddCopyCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_COPY_CMD_H_
