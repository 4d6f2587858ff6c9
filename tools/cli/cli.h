// The whole command line but for main: parses, runs one command, reports.

#ifndef SALLYPORT_TOOLS_CLI_CLI_H_
#define SALLYPORT_TOOLS_CLI_CLI_H_

#include <ostream>

namespace sallyport::cli {

// Runs the command that `argv` names and returns the exit code. Writes nowhere
// but to `out`, `err` and files that the command was told to write.
int RunCli(int argc, const char* const* argv, std::ostream& out,
           std::ostream& err);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CLI_H_
