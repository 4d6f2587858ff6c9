// `sallyport doctor`: looks at every service and says what to do.

#ifndef SALLYPORT_TOOLS_CLI_DOCTOR_CMD_H_
#define SALLYPORT_TOOLS_CLI_DOCTOR_CMD_H_

#include "CLI/App.hpp"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

void AddDoctorCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DOCTOR_CMD_H_
