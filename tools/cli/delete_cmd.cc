#include "tools/cli/delete_cmd.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

struct DeleteOptions {
  std::string kind;
  std::vector<std::string> names;
  bool dry_run = false;
  bool ignore_missing = false;
};

// At the instance that has it, if there are several.
absl::Status DeleteOne(const std::vector<Endpoint>& endpoints,
                       const ResourceKind& kind, const std::string& name,
                       const DeleteOptions& options) {
  absl::Status error;
  for (const Endpoint& endpoint : endpoints) {
    const auto deleted = DeleteResource(
        endpoint, kind, name, options.ignore_missing, options.dry_run);
    if (deleted.ok() && !options.ignore_missing) return absl::OkStatus();
    if (!deleted.ok() &&
        (error.ok() || error.code() == absl::StatusCode::kNotFound)) {
      error = deleted.status();
    }
  }
  return error;
}

absl::Status RunDelete(CliContext& context, const DeleteOptions& options) {
  const ResourceKind* const kind = FindKind(options.kind);
  if (kind == nullptr) {
    return UsageError(absl::StrCat("there is no kind \"", options.kind, "\""));
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All(kind->service));
  for (const std::string& name : options.names) {
    const std::string full = FullName(*kind, tenant, name);
    SP_RETURN_IF_ERROR(DeleteOne(endpoints, *kind, full, options));
    context.out() << kind->name << " " << full << " deleted"
                  << (options.dry_run ? " (dry run)" : "") << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddDeleteCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<DeleteOptions>();
  CLI::App* const command = app.add_subcommand(
      "delete", "Deletes resources: peers, registrations, sessions, ...");
  command->add_option("kind", options->kind, "Such as peer")->required();
  command->add_option("name", options->names, "Short or full names")
      ->required();
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the service, delete nothing");
  command->add_flag("--ignore-missing", options->ignore_missing,
                    "What is not there is no error");
  command->callback(
      [&context, options] { context.result = RunDelete(context, *options); });
}

}  // namespace sallyport::cli
