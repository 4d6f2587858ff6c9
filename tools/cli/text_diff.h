// What differs between two texts, line by line.

#ifndef SALLYPORT_TOOLS_CLI_TEXT_DIFF_H_
#define SALLYPORT_TOOLS_CLI_TEXT_DIFF_H_

#include <string>

namespace sallyport::cli {

// The unified format of diff(1) with three lines of context; empty if the texts
// are the same. A text that does not end in a line end is as one that does.
// Costs the product of the lines that differ; beyond 4000000 all of them are
// shown as changed. Pure.
std::string UnifiedDiff(const std::string& from, const std::string& to,
                        const std::string& from_label,
                        const std::string& to_label);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TEXT_DIFF_H_
