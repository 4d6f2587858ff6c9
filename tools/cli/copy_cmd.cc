#include "tools/cli/copy_cmd.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/manifest.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

struct CopyOptions {
  std::string kind;
  std::string from;
  std::string to;
  std::vector<std::string> fields;
  bool dry_run = false;
};

// "a: b" for each "a=b", as a document that `apply` would read.
std::string ManifestOf(const ResourceKind& kind, const std::string& name,
                       const std::vector<std::string>& fields) {
  std::string out = absl::StrCat("kind: ", kind.name, "\nname: ", name,
                                 "\nspec:", fields.empty() ? " {}" : "", "\n");
  for (const std::string& field : fields) {
    const size_t at = field.find('=');
    absl::StrAppend(&out, "  ", field.substr(0, at), ": ", field.substr(at + 1),
                    "\n");
  }
  return out;
}

// What the service alone sets, and what is another resource's by now.
void ClearOwn(Message& resource) {
  for (int i = 0; i < resource.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *resource.GetDescriptor()->field(i);
    if (IsOutputOnly(field.name()) || field.name() == "etag" ||
        field.name() == "display_name") {
      resource.GetReflection()->ClearField(&resource, &field);
    }
  }
}

absl::Status RunCopy(CliContext& context, const CopyOptions& options) {
  const ResourceKind* const kind = FindKind(options.kind);
  if (kind == nullptr) {
    return UsageError(absl::StrCat("there is no kind \"", options.kind, "\""));
  }
  for (const std::string& field : options.fields) {
    if (!absl::StrContains(field, '=')) {
      return UsageError("--set takes FIELD=VALUE");
    }
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  const std::string from = FullName(*kind, tenant, options.from);
  const std::string to = FullName(*kind, tenant, options.to);
  if (from == to) {
    return MakeError(absl::StatusCode::kAlreadyExists, "NAME_REQUIRED",
                     "a copy needs a name of its own");
  }
  SP_ASSIGN_OR_RETURN(
      const std::vector<ManifestEntry> changes,
      ParseManifest(ManifestOf(*kind, to, options.fields), tenant, "--set"));
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First(kind->service));
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> copy,
                      GetResource(endpoint, *kind, from));
  ClearOwn(*copy);
  const Message& wanted = *changes.at(0).message;
  for (const std::string& name : changes.at(0).fields) {
    const FieldDescriptor* const field =
        copy->GetDescriptor()->FindFieldByName(name);
    copy->GetReflection()->ClearField(copy.get(), field);
  }
  copy->MergeFrom(wanted);
  copy->GetReflection()->SetString(
      copy.get(), copy->GetDescriptor()->FindFieldByName("name"), to);
  SP_RETURN_IF_ERROR(
      CreateResource(endpoint, *kind, *copy, options.dry_run).status());
  context.out() << kind->name << " " << to << " created, as " << from
                << (options.dry_run ? " (dry run)" : "") << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddCopyCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<CopyOptions>();
  CLI::App* const command = app.add_subcommand(
      "copy", "Makes a resource like another one, such as a security profile");
  command->add_option("kind", options->kind, "Such as trunk-security-profile")
      ->required();
  command->add_option("from", options->from, "Which one")->required();
  command->add_option("to", options->to, "Name of the copy")->required();
  command->add_option("--set", options->fields,
                      "FIELD=VALUE that the copy has instead, as in YAML");
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the service, make nothing");
  command->callback(
      [&context, options] { context.result = RunCopy(context, *options); });
}

}  // namespace sallyport::cli
