// Files that a command is given.

#ifndef SALLYPORT_TOOLS_CLI_INPUT_FILE_H_
#define SALLYPORT_TOOLS_CLI_INPUT_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace sallyport::cli {

// The whole file; of standard input where `path` is "-". NOT_FOUND, reason
// FILE_UNREADABLE.
absl::StatusOr<std::string> ReadInputFile(const std::string& path);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_INPUT_FILE_H_
