#include "tools/cli/diff_cmd.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/change_options.h"
#include "tools/cli/change_set.h"
#include "tools/cli/manifest_files.h"
#include "tools/cli/render.h"
#include "tools/cli/text_diff.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;

constexpr int kSame = 0;
constexpr int kDiffers = 1;
constexpr int kTrouble = 2;

// As YAML, without what nobody may read off a screen.
std::string Shown(const Message& resource, const ResourceKind& kind) {
  std::unique_ptr<Message> copy(resource.New());
  copy->CopyFrom(resource);
  const auto& type = *resource.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto* const field = type.field(i);
    if (IsWriteOnly(field->name()) &&
        !copy->GetReflection()->GetString(*copy, field).empty()) {
      copy->GetReflection()->SetString(copy.get(), field, "(hidden)");
    }
    // Its comment would differ for nobody's benefit.
    if (field->name() == "has_credentials") {
      copy->GetReflection()->ClearField(copy.get(), field);
    }
  }
  return ToYaml(*copy, kind.name);
}

absl::StatusOr<bool> Print(CliContext& context,
                           const ChangeArguments& arguments) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries,
                      ReadManifests(arguments.files, tenant, std::cin));
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const ChangeOptions options,
                      ChangeOptionsOf(arguments, tenant));
  SP_ASSIGN_OR_RETURN(const ChangeSet set,
                      PlanChanges(*clients, entries, options));
  bool differs = false;
  for (const PlannedWrite& write : set.writes) {
    if (!write.changes) continue;
    const ResourceKind& kind = *write.entry->kind;
    context.out() << UnifiedDiff(
        write.current == nullptr ? "" : Shown(*write.current, kind),
        Shown(*write.wanted, kind),
        write.current == nullptr ? "/dev/null" : write.entry->name,
        absl::StrCat(write.entry->file, ":", write.entry->line));
    differs = true;
  }
  for (const PlannedDelete& one : set.deletes) {
    context.out() << UnifiedDiff(Shown(*one.current, *one.kind), "",
                                 NameOf(*one.current), "/dev/null");
    differs = true;
  }
  return differs;
}

}  // namespace

void AddDiffCommand(CLI::App& app, CliContext& context) {
  const auto arguments = std::make_shared<ChangeArguments>();
  CLI::App* const command = app.add_subcommand(
      "diff",
      "What apply would change; exit code 0 nothing, 1 something, 2 "
      "it cannot be told");
  AddChangeArguments(*command, *arguments);
  command->callback([&context, arguments] {
    const auto differs = Print(context, *arguments);
    context.result = differs.status();
    context.exit_code = !differs.ok() ? kTrouble : *differs ? kDiffers : kSame;
  });
}

}  // namespace sallyport::cli
