#include "tools/cli/delete_cmd.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/apply_together.h"
#include "tools/cli/change_set.h"
#include "tools/cli/error_text.h"
#include "tools/cli/manifest_files.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

struct DeleteArguments {
  std::string kind;
  std::vector<std::string> names;
  std::vector<std::string> files;
  bool dry_run = false;
  bool ignore_missing = false;
};

// At the instance that has it, if there are several.
absl::Status DeleteOne(const std::vector<Endpoint>& endpoints,
                       const ResourceKind& kind, const std::string& name,
                       const DeleteArguments& options) {
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

// Whatever the documents name, what refers to others first.
absl::Status DeleteFiles(CliContext& context, const DeleteArguments& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries,
                      ReadManifests(options.files, tenant, std::cin));
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(ChangeSet set,
                      PlanChanges(*clients, entries, ChangeOptions()));
  std::vector<PlannedDelete> deletes;
  bool missing = false;
  for (PlannedWrite& write : set.writes) {
    if (write.current != nullptr) {
      deletes.push_back({write.entry->kind, std::move(write.current)});
    } else if (!options.ignore_missing) {
      context.out() << Described(*write.entry->kind, write.entry->name)
                    << " is not there\n";
      missing = true;
    }
  }
  OrderForDelete(deletes);
  DeleteOptions how;
  how.ignore_missing = options.ignore_missing;
  how.dry_run = options.dry_run;
  // Together: one by one, each but the first may be used by others.
  ChangeSet removal;
  removal.deletes = std::move(deletes);
  SP_ASSIGN_OR_RETURN(const TogetherResult together,
                      ApplyTogether(*clients, removal,
                                    {options.dry_run, options.ignore_missing}));
  deletes = std::move(removal.deletes);
  if (together.done) {
    const auto rest = std::stable_partition(
        deletes.begin(), deletes.end(), [](const PlannedDelete& one) {
          return one.kind->service == "dialplan";
        });
    for (auto it = deletes.begin(); it != rest; ++it) {
      context.out() << Described(*it->kind, NameOf(*it->current)) << " deleted"
                    << (options.dry_run ? " (dry run)" : "") << "\n";
    }
    deletes.erase(deletes.begin(), rest);
  }
  absl::Status failed;
  size_t done = together.outcomes.size();
  DeleteAll(*clients, deletes, how,
            [&](const PlannedDelete& one, const absl::Status& status) {
              context.out() << Described(*one.kind, NameOf(*one.current))
                            << (status.ok() ? " deleted" : " failed")
                            << (options.dry_run ? " (dry run)" : "") << "\n";
              done += status.ok() ? 1 : 0;
              if (status.ok()) return;
              if (failed.ok()) failed = status;
              context.err() << ErrorText(status);
            });
  if (failed.ok() && !missing) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, "DELETE_INCOMPLETE",
                   absl::StrCat(done, " of ", entries.size(),
                                " were deleted; correct it and run it again"));
}

absl::Status RunDelete(CliContext& context, const DeleteArguments& options) {
  if (!options.files.empty()) {
    if (options.kind.empty()) return DeleteFiles(context, options);
    return UsageError("give files, or a kind and names");
  }
  if (options.kind.empty() || options.names.empty()) {
    return UsageError("say what to delete: a kind and names, or -f FILE");
  }
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
  const auto options = std::make_shared<DeleteArguments>();
  CLI::App* const command = app.add_subcommand(
      "delete", "Deletes resources: peers, registrations, sessions, ...");
  command->add_option("kind", options->kind, "Such as peer");
  command->add_option("name", options->names, "Short or full names");
  command->add_option("-f,--filename", options->files,
                      "Whatever a YAML file or folder names, - for stdin");
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the service, delete nothing");
  command->add_flag("--ignore-missing", options->ignore_missing,
                    "What is not there is no error");
  command->callback(
      [&context, options] { context.result = RunDelete(context, *options); });
}

}  // namespace sallyport::cli
