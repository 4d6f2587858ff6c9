// `sallyport service`: processes that are stopped, started and begin anew, and
// TLS contexts whose changes wait until somebody says so.

#ifndef SALLYPORT_TOOLS_CLI_SERVICE_CMD_H_
#define SALLYPORT_TOOLS_CLI_SERVICE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// UM-126, CCE-21, CCE-29: `service stop|start|restart NAME...` by the names of
// services, every configured instance one after the other, each waited for.
// IMP-42, IMP-43, CCE-45: `activate` is another entry to the start; of the name
// sip-proxy it and `restart` put waiting changes of the tenant's TLS contexts
// into force. `service status` shows all of them.
void AddServiceCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SERVICE_CMD_H_
