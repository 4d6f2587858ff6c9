// `sallyport diagnose integration`: why voicemail does not work (CUC-64).

#ifndef SALLYPORT_TOOLS_CLI_DIAGNOSE_CMD_H_
#define SALLYPORT_TOOLS_CLI_DIAGNOSE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddDiagnoseCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DIAGNOSE_CMD_H_
