#include "tools/cli/change_options.h"

#include <algorithm>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "tools/cli/error_text.h"

namespace sallyport::cli {

std::vector<const ResourceKind*> PlanKinds() {
  std::vector<const ResourceKind*> out;
  for (const ResourceKind& kind : ResourceKinds()) {
    if (kind.service == "dialplan" && kind.create != nullptr &&
        kind.in_tenant) {
      out.push_back(&kind);
    }
  }
  return out;
}

void AddChangeArguments(CLI::App& command, ChangeArguments& arguments) {
  command
      .add_option("-f,--filename", arguments.files,
                  "YAML file or folder, - for stdin")
      ->required();
  command.add_flag("--replace", arguments.replace,
                   "Documents are whole: empty the fields they do not have");
  command.add_flag("--prune", arguments.prune,
                   "Delete what no document names, of --kinds in the tenant");
  command.add_option("--kinds", arguments.kinds, "Kinds to prune, or all")
      ->delimiter(',');
}

absl::StatusOr<ChangeOptions> ChangeOptionsOf(const ChangeArguments& arguments,
                                              const std::string& tenant) {
  ChangeOptions options;
  options.replace = arguments.replace;
  if (!arguments.prune) {
    if (arguments.kinds.empty()) return options;
    return UsageError("--kinds says what --prune deletes: give both");
  }
  if (arguments.kinds.empty()) {
    return UsageError(
        "--prune deletes what no document names: say of which kinds, such as "
        "--kinds route-patterns,peers, or --kinds all");
  }
  if (tenant == "-") return UsageError("--prune is for one tenant");
  options.prune_tenant = absl::StrCat("tenants/", tenant);
  const std::vector<const ResourceKind*> known = PlanKinds();
  for (const std::string& name : arguments.kinds) {
    if (name == "all") {
      options.prune_kinds = known;
      continue;
    }
    const ResourceKind* const kind = FindKind(name);
    if (std::find(known.begin(), known.end(), kind) == known.end()) {
      return UsageError(absl::StrCat("\"", name, "\" cannot be pruned"));
    }
    options.prune_kinds.push_back(kind);
  }
  return options;
}

}  // namespace sallyport::cli
