// A typed line as the words of a command.

#ifndef SALLYPORT_TOOLS_CLI_COMMAND_WORDS_H_
#define SALLYPORT_TOOLS_CLI_COMMAND_WORDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport::cli {

// As a shell splits them, without anything that it would expand: spaces and
// tabs part words, '...' is taken as it is, in "..." and outside a backslash
// takes the next character as it is, and what follows # where a word would
// begin is a remark. INVALID_ARGUMENT, reason LINE_MALFORMED, for a quotation
// or a backslash without its end.
absl::StatusOr<std::vector<std::string>> CommandWords(std::string_view line);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_COMMAND_WORDS_H_
