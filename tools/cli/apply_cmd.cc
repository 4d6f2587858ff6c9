#include "tools/cli/apply_cmd.h"

#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/apply_order.h"
#include "tools/cli/apply_together.h"
#include "tools/cli/change_options.h"
#include "tools/cli/change_set.h"
#include "tools/cli/error_text.h"
#include "tools/cli/manifest_files.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

// Deletions that need no --yes.
constexpr size_t kUnconfirmedDeletes = 10;

struct ApplyOptions {
  ChangeArguments change;
  bool dry_run = false;
  bool keep_going = false;
  bool yes = false;
};

// What an operator must be told once: an authentication string made for them.
std::string NoteOf(const Message& resource) {
  const FieldDescriptor* const field =
      resource.GetDescriptor()->FindFieldByName("authentication_string");
  if (field == nullptr) return "";
  const std::string text = resource.GetReflection()->GetString(resource, field);
  return text.empty() ? "" : absl::StrCat(", authentication string ", text);
}

// Names of the resources that have the same parent; empty if that cannot be
// told.
std::set<std::string> NamesBeside(const Endpoint& endpoint,
                                  const ManifestEntry& entry) {
  std::set<std::string> names;
  const std::string above = entry.name.substr(0, entry.name.rfind('/'));
  const auto all =
      ListResources(endpoint, *entry.kind, above.substr(0, above.rfind('/')),
                    /*filter=*/"", /*limit=*/0);
  if (!all.ok()) return names;
  for (const auto& one : *all) names.insert(NameOf(*one));
  return names;
}

// Writes one step; returns "created", "updated" or "unchanged".
absl::StatusOr<std::string> WriteStep(const Endpoint& endpoint,
                                      const ApplyStep& step,
                                      const PlannedWrite& write, bool dry_run) {
  const ResourceKind& kind = *step.entry->kind;
  if (!write.changes) return std::string("unchanged");
  if (write.current == nullptr && !step.completes) {
    std::set<std::string> present;
    // The name is the service's to choose, and creating what is there changes
    // nothing.
    if (kind.update == nullptr) present = NamesBeside(endpoint, *step.entry);
    SP_ASSIGN_OR_RETURN(const auto made,
                        CreateResource(endpoint, kind, *step.message, dry_run));
    if (present.count(NameOf(*made)) != 0) return std::string("unchanged");
    return absl::StrCat("created", NoteOf(*made));
  }
  SP_ASSIGN_OR_RETURN(
      const auto changed,
      UpdateResource(endpoint, kind, *step.message, write.fields, dry_run));
  return absl::StrCat("updated", NoteOf(*changed));
}

// Counts and tells what became of each document. Thread-compatible.
class Outcomes {
 public:
  Outcomes(CliContext& context, bool dry_run)
      : context_(context), dry_run_(dry_run) {}

  void Tell(const std::string& what, const std::string& outcome) {
    context_.out() << what << " " << outcome << (dry_run_ ? " (dry run)" : "")
                   << "\n";
    ++counts_[outcome.substr(0, outcome.find_first_of(",:"))];
  }
  void TellFailure(const std::string& what, const absl::Status& status) {
    Tell(what, "failed");
    context_.err() << ErrorText(status);
  }
  // "2 created, 1 failed"
  void Summarize() {
    std::vector<std::string> parts;
    for (const char* const word : {"created", "updated", "unchanged", "deleted",
                                   "failed", "not tried"}) {
      if (counts_[word] != 0) {
        parts.push_back(absl::StrCat(counts_[word], " ", word));
      }
    }
    context_.out() << (parts.empty() ? "nothing to do"
                                     : absl::StrJoin(parts, ", "))
                   << (dry_run_ ? " (dry run)" : "") << "\n";
  }
  bool complete() {
    return counts_["failed"] == 0 && counts_["not tried"] == 0;
  }

 private:
  CliContext& context_;
  const bool dry_run_;
  std::map<std::string, size_t> counts_;
};

// Lists what would be deleted where that needs a word from the operator.
absl::Status Confirm(CliContext& context, const ApplyOptions& options,
                     const ChangeSet& set) {
  if (options.yes || options.dry_run ||
      set.deletes.size() <= kUnconfirmedDeletes) {
    return absl::OkStatus();
  }
  for (const PlannedDelete& one : set.deletes) {
    context.out() << Described(*one.kind, NameOf(*one.current))
                  << " would be deleted\n";
  }
  return MakeError(
      absl::StatusCode::kFailedPrecondition, "CONFIRMATION_REQUIRED",
      absl::StrCat("pruning would delete ", set.deletes.size(),
                   " resources, more than ", kUnconfirmedDeletes,
                   ": say --yes if that is meant; nothing was applied"));
}

// Could the service not be asked, rather than say no?
bool CannotCheck(const absl::Status& status) {
  // An older service does not know the tenant that it is asked to make.
  return status.code() == absl::StatusCode::kUnimplemented ||
         status.code() == absl::StatusCode::kNotFound ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

void WriteAll(ServiceClients& clients, const ApplyOptions& options,
              const std::vector<ManifestEntry>& entries, const ChangeSet& set,
              bool checked, const TogetherResult& together,
              Outcomes& outcomes) {
  std::map<const ManifestEntry*, const PlannedWrite*> writes;
  std::set<std::string> present;
  for (const PlannedWrite& write : set.writes) {
    writes[write.entry] = &write;
    if (write.current != nullptr) present.insert(write.entry->name);
  }
  std::set<std::string> failed;
  bool gone = false;  // a service does not answer
  for (const ApplyStep& step : OrderForApply(entries, present)) {
    const ManifestEntry& entry = *step.entry;
    const PlannedWrite& write = *writes[&entry];
    const std::string what = Described(*entry.kind, entry.name);
    if (together.done && entry.kind->service == "dialplan") {
      const auto it = together.outcomes.find(entry.name);
      if (!step.completes) {
        outcomes.Tell(what,
                      it == together.outcomes.end() ? "unchanged" : it->second);
      }
      continue;
    }
    // The second write of a circle is part of the first one's outcome.
    if (step.completes && failed.count(entry.name) != 0) continue;
    std::set<std::string> lacking = ReferencesIn(*step.message, failed);
    if (failed.count(TenantNameOf(entry.name)) != 0) {
      lacking.insert(TenantNameOf(entry.name));
    }
    if (write.changes && (gone || !lacking.empty())) {
      outcomes.Tell(what, lacking.empty()
                              ? "not tried"
                              : absl::StrCat("not tried: it needs ",
                                             absl::StrJoin(lacking, ", ")));
      failed.insert(entry.name);
      continue;
    }
    // What was found good together need not be tried one by one, and could not
    // be: nothing of it is stored.
    if (options.dry_run && checked && entry.kind->service == "dialplan") {
      if (step.completes) continue;
      outcomes.Tell(what, !write.changes             ? "unchanged"
                          : write.current == nullptr ? "created"
                                                     : "updated");
      continue;
    }
    if (options.dry_run && step.completes) continue;
    const auto endpoint = clients.First(entry.kind->service);
    const auto outcome =
        endpoint.ok() ? WriteStep(*endpoint, step, write, options.dry_run)
                      : absl::StatusOr<std::string>(endpoint.status());
    if (!outcome.ok()) {
      outcomes.TellFailure(what, outcome.status());
      failed.insert(entry.name);
      gone = gone || outcome.status().code() == absl::StatusCode::kUnavailable;
    } else if (!step.completes) {
      outcomes.Tell(what, *outcome);
    }
  }
}

void PruneAll(ServiceClients& clients, const ApplyOptions& options,
              const ChangeSet& set, bool checked, bool done,
              Outcomes& outcomes) {
  const auto tell = [&](const PlannedDelete& one, const absl::Status& status) {
    const std::string what = Described(*one.kind, NameOf(*one.current));
    if (status.ok()) {
      outcomes.Tell(what, "deleted");
    } else {
      outcomes.TellFailure(what, status);
    }
  };
  // What can be pruned is dialplan's.
  if (done || (options.dry_run && checked)) {
    for (const PlannedDelete& one : set.deletes) tell(one, absl::OkStatus());
    return;
  }
  DeleteOptions how;
  how.dry_run = options.dry_run;
  how.ignore_missing = true;
  DeleteAll(clients, set.deletes, how, tell);
}

absl::Status RunApply(CliContext& context, const ApplyOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries,
                      ReadManifests(options.change.files, tenant, std::cin));
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const ChangeOptions change,
                      ChangeOptionsOf(options.change, tenant));
  SP_ASSIGN_OR_RETURN(const ChangeSet set,
                      PlanChanges(*clients, entries, change));
  SP_RETURN_IF_ERROR(Confirm(context, options, set));
  TogetherResult together;
  if (!options.keep_going) {
    SP_ASSIGN_OR_RETURN(together,
                        ApplyTogether(*clients, set, {options.dry_run, true}));
  }
  for (const std::string& warning : together.warnings) {
    context.err() << warning << "\n";
  }
  const absl::Status check =
      together.done ? absl::OkStatus() : CheckChanges(*clients, set);
  if (!check.ok() && !CannotCheck(check)) {
    if (!options.keep_going || options.dry_run) return check;
    context.err() << ErrorText(check);
  }
  if (!check.ok() && options.dry_run) {
    context.err()
        << "what depends on each other cannot be checked before it is "
           "stored:\n"
        << ErrorText(check);
  }

  Outcomes outcomes(context, options.dry_run);
  WriteAll(*clients, options, entries, set, check.ok(), together, outcomes);
  // What was not written may still need what would go.
  if (outcomes.complete()) {
    PruneAll(*clients, options, set, check.ok(), together.done, outcomes);
  } else {
    for (const PlannedDelete& one : set.deletes) {
      outcomes.Tell(Described(*one.kind, NameOf(*one.current)), "not tried");
    }
  }
  outcomes.Summarize();
  if (outcomes.complete()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, "APPLY_INCOMPLETE",
                   "not everything was applied; correct it and apply again");
}

}  // namespace

void AddApplyCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<ApplyOptions>();
  CLI::App* const command = app.add_subcommand(
      "apply", "Creates or updates what YAML files say, in any order");
  AddChangeArguments(*command, options->change);
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the services, store nothing");
  command->add_flag("--keep-going", options->keep_going,
                    "Apply what can be, one by one, though some of it would be "
                    "refused");
  command->add_flag("--yes", options->yes,
                    absl::StrCat("Prune more than ", kUnconfirmedDeletes));
  command->callback(
      [&context, options] { context.result = RunApply(context, *options); });
}

}  // namespace sallyport::cli
