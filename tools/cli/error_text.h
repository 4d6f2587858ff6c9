// Errors as an operator reads them.

#ifndef SALLYPORT_TOOLS_CLI_ERROR_TEXT_H_
#define SALLYPORT_TOOLS_CLI_ERROR_TEXT_H_

#include <string>

#include "absl/status/status.h"

namespace sallyport::cli {

// Exit codes of the command line.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// An error that is the caller's way of calling: exit code 2.
absl::Status UsageError(const std::string& message);

int ExitCodeOf(const absl::Status& status);

// "sallyport: <what> [REASON]", then one indented line for each field that was
// refused, then what to do where that is known. Ends in a newline.
std::string ErrorText(const absl::Status& status);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_ERROR_TEXT_H_
