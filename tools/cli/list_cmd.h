// `sallyport connections`, `calls`, `sessions` and the like: lists gathered
// from every instance of a service.

#ifndef SALLYPORT_TOOLS_CLI_LIST_CMD_H_
#define SALLYPORT_TOOLS_CLI_LIST_CMD_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/columns.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {

struct ListOptions {
  std::string parent;  // empty: the tenant
  std::string filter;
  size_t limit = 0;                  // 0: all
  std::vector<Column> columns = {};  // of a table; none: those of the kind
  // Instead of a table: what is printed of each. Null: a table.
  std::function<std::string(const google::protobuf::Message&)> text = nullptr;
};

void AddListOptions(CLI::App& command, ListOptions& options);

// Prints what every instance has. An instance that does not answer is named on
// the error stream, and makes the command fail at its end.
absl::Status ListAndPrint(CliContext& context, const ResourceKind& kind,
                          const ListOptions& options);

void AddListCommands(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_LIST_CMD_H_
