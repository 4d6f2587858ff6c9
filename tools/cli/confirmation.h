// Telling what a command does before it does it (CUC-03).

#ifndef SALLYPORT_TOOLS_CLI_CONFIRMATION_H_
#define SALLYPORT_TOOLS_CLI_CONFIRMATION_H_

#include <istream>
#include <ostream>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// Who is asked before a command that changes what is in use.
enum class ConfirmUse { kTerminals, kAlways, kNever };

// What a command changes, in words; empty if it changes nothing, or asks by
// itself. `command` is as it was given, without options: "trust remove".
std::string EffectOf(const std::string& command);

// Says `effect` and takes a line: OK for "y", else FAILED_PRECONDITION,
// NOT_CONFIRMED.
absl::Status AskForConfirmation(const std::string& effect, std::istream& in,
                                std::ostream& out);

// Of the command that `app` has parsed: asks when it first calls a service,
// after the banner. Not with --dry-run or --yes of its own.
void ConfirmFirst(const CLI::App& app, CliContext& context, ConfirmUse use);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CONFIRMATION_H_
