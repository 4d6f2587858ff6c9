#include "tools/cli/apply_cmd.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/apply_order.h"
#include "tools/cli/error_text.h"
#include "tools/cli/manifest.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FieldMask;
using ::google::protobuf::Message;
using ::google::protobuf::util::FieldMaskUtil;
using ::google::protobuf::util::MessageDifferencer;

struct ApplyOptions {
  std::vector<std::string> files;
  bool dry_run = false;
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return MakeError(absl::StatusCode::kNotFound, "FILE_UNREADABLE",
                     absl::StrCat("cannot read ", path));
  }
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Fields that a service takes and never returns: whether they would change
// cannot be seen, so they are always written.
bool SetsWriteOnly(const ManifestEntry& entry) {
  return std::find(entry.fields.begin(), entry.fields.end(), "password") !=
             entry.fields.end() ||
         std::find(entry.fields.begin(), entry.fields.end(), "ha1") !=
             entry.fields.end();
}

// Would writing these fields of `wanted` change `current`?
bool Changes(const Message& current, const Message& wanted,
             const std::vector<std::string>& fields) {
  FieldMask mask;
  for (const std::string& field : fields) mask.add_paths(field);
  std::unique_ptr<Message> merged(current.New());
  merged->CopyFrom(current);
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(wanted, mask, options, merged.get());
  return !MessageDifferencer::Equals(current, *merged);
}

// What an operator must be told once: an authentication string made for them.
std::string NoteOf(const Message& resource) {
  const FieldDescriptor* const field =
      resource.GetDescriptor()->FindFieldByName("authentication_string");
  if (field == nullptr) return "";
  const std::string text = resource.GetReflection()->GetString(resource, field);
  return text.empty() ? "" : absl::StrCat(", authentication string ", text);
}

std::string NameOf(const Message& resource) {
  return resource.GetReflection()->GetString(
      resource, resource.GetDescriptor()->FindFieldByName("name"));
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
absl::StatusOr<std::string> ApplyOne(const Endpoint& endpoint,
                                     const ApplyStep& step, bool dry_run) {
  const ManifestEntry& entry = *step.entry;
  const ResourceKind& kind = *entry.kind;
  const auto current = GetResource(endpoint, kind, entry.name);
  if (!current.ok()) {
    // Of a kind that cannot be updated, the name is the service's to choose,
    // and creating what is there changes nothing.
    if (current.status().code() != absl::StatusCode::kNotFound &&
        !(kind.update == nullptr &&
          current.status().code() == absl::StatusCode::kInvalidArgument)) {
      return current.status();
    }
    std::set<std::string> present;
    if (kind.update == nullptr) present = NamesBeside(endpoint, entry);
    SP_ASSIGN_OR_RETURN(const auto made,
                        CreateResource(endpoint, kind, *step.message, dry_run));
    if (present.count(NameOf(*made)) != 0) return std::string("unchanged");
    return absl::StrCat("created", NoteOf(*made));
  }
  if (kind.update == nullptr || entry.fields.empty() ||
      (!SetsWriteOnly(entry) &&
       !Changes(**current, *step.message, entry.fields))) {
    return std::string("unchanged");
  }
  SP_ASSIGN_OR_RETURN(
      const auto changed,
      UpdateResource(endpoint, kind, *step.message, entry.fields, dry_run));
  return absl::StrCat("updated", NoteOf(*changed));
}

absl::Status RunApply(CliContext& context, const ApplyOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  std::vector<ManifestEntry> entries;
  for (const std::string& file : options.files) {
    SP_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    SP_ASSIGN_OR_RETURN(std::vector<ManifestEntry> some,
                        ParseManifest(text, tenant, file));
    std::move(some.begin(), some.end(), std::back_inserter(entries));
  }
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());

  // A step that fails does not stop the others: they may have nothing to do
  // with it, and an operator wants every fault at once.
  absl::Status first_error;
  std::map<std::string, std::string> outcomes;
  for (const ApplyStep& step : OrderForApply(entries)) {
    SP_ASSIGN_OR_RETURN(const Endpoint endpoint,
                        clients->First(step.entry->kind->service));
    const auto outcome = ApplyOne(endpoint, step, options.dry_run);
    const std::string what =
        absl::StrCat(step.entry->kind->name, " ", step.entry->name);
    if (!outcome.ok()) {
      context.out() << what << " failed\n";
      context.err() << ErrorText(outcome.status());
      if (first_error.ok()) first_error = outcome.status();
      if (outcome.status().code() == absl::StatusCode::kUnavailable) break;
      continue;
    }
    // The second write of a circle is part of the first one's outcome.
    if (step.completes) continue;
    context.out() << what << " " << *outcome
                  << (options.dry_run ? " (dry run)" : "") << "\n";
  }
  if (first_error.ok()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, "APPLY_INCOMPLETE",
                   "not everything was applied; correct it and apply again");
}

}  // namespace

void AddApplyCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<ApplyOptions>();
  CLI::App* const command = app.add_subcommand(
      "apply", "Creates or updates what YAML files say, in any order");
  command->add_option("-f,--filename", options->files, "YAML file, - for stdin")
      ->required();
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the services, store nothing");
  command->callback(
      [&context, options] { context.result = RunApply(context, *options); });
}

}  // namespace sallyport::cli
