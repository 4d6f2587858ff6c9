#include "tools/cli/set_cmd.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/change_set.h"
#include "tools/cli/error_text.h"
#include "tools/cli/manifest.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/yaml_json.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

struct SetOptions {
  std::string kind;
  std::string name;
  std::vector<std::string> assignments;  // "hardening.ssh_not_telnet=true"
  bool dry_run = false;
};

// Makes the field at `path` of `to` what it is in `from`, and nothing else.
void CopyField(const Message& from, const std::vector<std::string>& path,
               Message& to) {
  const Message* source = &from;
  Message* target = &to;
  for (size_t i = 0;; ++i) {
    const FieldDescriptor* const field =
        FieldOfKey(*target->GetDescriptor(), path[i]);
    if (i + 1 < path.size()) {
      source = &source->GetReflection()->GetMessage(*source, field);
      target = target->GetReflection()->MutableMessage(target, field);
      continue;
    }
    // Through a message that has this field alone.
    const std::unique_ptr<Message> alone(source->New());
    alone->CopyFrom(*source);
    std::vector<const FieldDescriptor*> present;
    alone->GetReflection()->ListFields(*alone, &present);
    for (const FieldDescriptor* const other : present) {
      if (other != field)
        alone->GetReflection()->ClearField(alone.get(), other);
    }
    target->GetReflection()->ClearField(target, field);
    target->MergeFrom(*alone);
    return;
  }
}

// Each of `path` but the last is a single message; the last is there.
absl::Status CheckPath(const ResourceKind& kind,
                       const std::vector<std::string>& path) {
  const google::protobuf::Descriptor* type = kind.message;
  for (size_t i = 0; i < path.size(); ++i) {
    const FieldDescriptor* const field =
        type == nullptr ? nullptr : FieldOfKey(*type, path[i]);
    if (field == nullptr || field->name() == "name" ||
        field->name() == "etag" || IsOutputOnly(field->name())) {
      return UsageError(absl::StrCat(absl::StrJoin(path, "."),
                                     " is no field of ", kind.name,
                                     " that can be set"));
    }
    type = field->is_repeated() ? nullptr : field->message_type();
  }
  return absl::OkStatus();
}

// The resource with nothing but one value, as a manifest would have it.
absl::StatusOr<std::unique_ptr<Message>> Assigned(
    const ResourceKind& kind, const std::string& tenant,
    const std::string& name, const std::vector<std::string>& path,
    const std::string& value) {
  std::string yaml =
      absl::StrCat("kind: ", kind.name, "\nname: ", name, "\nspec:\n");
  for (size_t i = 0; i < path.size(); ++i) {
    absl::StrAppend(
        &yaml, std::string(2 * (i + 1), ' '), path[i], ":",
        i + 1 < path.size() ? "\n" : absl::StrCat(" ", value, "\n"));
  }
  SP_ASSIGN_OR_RETURN(std::vector<ManifestEntry> entries,
                      ParseManifest(yaml, tenant, "set"));
  if (entries.size() != 1) {
    return UsageError(absl::StrCat(absl::StrJoin(path, "."), ": one value"));
  }
  return std::move(entries[0].message);
}

absl::Status RunSet(CliContext& context, const SetOptions& options) {
  const ResourceKind* const kind = FindKind(options.kind);
  if (kind == nullptr || kind->update == nullptr || kind->get == nullptr) {
    return UsageError(
        absl::StrCat("\"", options.kind, "\" is no kind that can be changed"));
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First(kind->service));
  const std::string name = FullName(*kind, tenant, options.name);
  SP_ASSIGN_OR_RETURN(std::unique_ptr<Message> resource,
                      GetResource(endpoint, *kind, name));
  const std::unique_ptr<Message> before(resource->New());
  before->CopyFrom(*resource);
  std::vector<std::string> fields;
  bool hidden = false;
  for (const std::string& assignment : options.assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      return UsageError(absl::StrCat(assignment, ": write FIELD=VALUE"));
    }
    const std::vector<std::string> path =
        absl::StrSplit(assignment.substr(0, equals), '.');
    SP_RETURN_IF_ERROR(CheckPath(*kind, path));
    SP_ASSIGN_OR_RETURN(
        const auto assigned,
        Assigned(*kind, tenant, name, path, assignment.substr(equals + 1)));
    CopyField(*assigned, path, *resource);
    const std::string top = FieldOfKey(*kind->message, path[0])->name();
    hidden = hidden || IsWriteOnly(top);
    if (std::find(fields.begin(), fields.end(), top) == fields.end()) {
      fields.push_back(top);
    }
  }
  const bool changes =
      hidden ||
      !google::protobuf::util::MessageDifferencer::Equals(*before, *resource);
  if (changes) {
    SP_ASSIGN_OR_RETURN(resource, UpdateResource(endpoint, *kind, *resource,
                                                 fields, options.dry_run));
  }
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(*resource, context.format, kind->name);
    return absl::OkStatus();
  }
  context.out() << Described(*kind, name)
                << (!changes          ? " unchanged"
                    : options.dry_run ? " would be updated: "
                                      : " updated: ")
                << (changes ? absl::StrJoin(fields, ", ") : "") << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSetCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<SetOptions>();
  CLI::App* const command = app.add_subcommand(
      "set",
      "Changes fields of one resource and leaves all others as they are "
      "(Set-UMDialPlan, Set-UMIPGateway)");
  command->add_option("kind", options->kind, "Such as dial-plan or peer")
      ->required();
  command->add_option("name", options->name, "Short or full name")->required();
  command
      ->add_option("assignments", options->assignments,
                   "FIELD=VALUE, the value as in a manifest; a.b=VALUE within "
                   "a message; nothing behind = empties it")
      ->required();
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the service, store nothing");
  command->footer(
      "Secure mode of a dial plan (Set-UMDialPlan -VoIPSecurity):\n"
      "  sallyport set dial-plan secured security_mode=SECURED\n"
      "Association of servers with a dial plan:\n"
      "  sallyport set dial-plan secured 'associated_edges=[edge-0, edge-1]'\n"
      "Port of a gateway (Set-UMIPGateway -Port):\n"
      "  sallyport set peer gw port=5061\n"
      "What was done by hand on a gateway:\n"
      "  sallyport set peer gw hardening.ssh_not_telnet=true\n"
      "  sallyport set peer gw certificate_checklist.root_imported=true");
  command->callback(
      [&context, options] { context.result = RunSet(context, *options); });
}

}  // namespace sallyport::cli
