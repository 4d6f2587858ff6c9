// `sallyport exchange`: certificates are exchanged with a peer, step by step,
// in the one order (IMP-35).

#ifndef SALLYPORT_TOOLS_CLI_EXCHANGE_CMD_H_
#define SALLYPORT_TOOLS_CLI_EXCHANGE_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// `exchange show PEER` lists the seven steps and which are done; each other
// subcommand takes one, and is refused with STEP_OUT_OF_ORDER while one before
// it is not done. Nothing is kept of it: how far it is stands in the TLS
// context, the trust store, the peer and what the edges have seen.
void AddExchangeCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_EXCHANGE_CMD_H_
