// Which fields a table of each kind shows.

#ifndef SALLYPORT_TOOLS_CLI_COLUMNS_H_
#define SALLYPORT_TOOLS_CLI_COLUMNS_H_

#include <vector>

#include "tools/cli/render.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {

// The chosen columns, or, for a kind without a choice, its name and its first
// plain fields. Every path is a field of the kind.
std::vector<Column> ColumnsOf(const ResourceKind& kind);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_COLUMNS_H_
