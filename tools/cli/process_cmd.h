// `sallyport listeners`, `restarts` and `ports`: what the processes listen on,
// which of their settings wait for a restart, and what a firewall has to let
// through.

#ifndef SALLYPORT_TOOLS_CLI_PROCESS_CMD_H_
#define SALLYPORT_TOOLS_CLI_PROCESS_CMD_H_

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "sallyport/common/v1/process_service.pb.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

// What the process says of itself.
absl::StatusOr<common::v1::Process> GetProcess(const Endpoint& endpoint);

void AddProcessCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_PROCESS_CMD_H_
