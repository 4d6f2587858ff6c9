// `sallyport voicemail`: its encryption, and a port group from its own side.

#ifndef SALLYPORT_TOOLS_CLI_VOICEMAIL_CMD_H_
#define SALLYPORT_TOOLS_CLI_VOICEMAIL_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddVoicemailCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_VOICEMAIL_CMD_H_
