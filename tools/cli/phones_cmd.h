// `sallyport phones`: the certificate operation of phones.

#ifndef SALLYPORT_TOOLS_CLI_PHONES_CMD_H_
#define SALLYPORT_TOOLS_CLI_PHONES_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddPhonesCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_PHONES_CMD_H_
