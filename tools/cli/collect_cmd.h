// `sallyport collect`: what services know, as one archive (CUC-67).

#ifndef SALLYPORT_TOOLS_CLI_COLLECT_CMD_H_
#define SALLYPORT_TOOLS_CLI_COLLECT_CMD_H_

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// Runs one command line of this program with the configuration, tenant and
// connections of the command that asks, without the banner; its exit code.
using RunWords = std::function<int(const std::vector<std::string>& words,
                                   std::ostream& out, std::ostream& err)>;

void AddCollectCommand(CLI::App& app, CliContext& context, RunWords run);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_COLLECT_CMD_H_
