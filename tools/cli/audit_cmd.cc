#include "tools/cli/audit_cmd.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/columns.h"
#include "tools/cli/field_text.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

constexpr size_t kLimit = 50;

struct AuditOptions {
  std::string resource;
  std::string actor;
  std::string method;
  std::string filter;
  size_t limit = kLimit;
  bool changes = false;
};

// The one resource in the envelope; null if there is none.
const Message* InnerOf(const pb::Resource& resource) {
  const auto* const reflection = resource.GetReflection();
  const FieldDescriptor* const field = reflection->GetOneofFieldDescriptor(
      resource, pb::Resource::descriptor()->oneof_decl(0));
  return field == nullptr ? nullptr : &reflection->GetMessage(resource, field);
}

std::string TextOf(const Message* message, const FieldDescriptor& field) {
  const bool set =
      message != nullptr &&
      (field.is_repeated()
           ? message->GetReflection()->FieldSize(*message, &field) > 0
           : message->GetReflection()->HasField(*message, &field));
  if (!set) return "";
  std::string text = FieldText(*message, field.name());
  if (!text.empty() || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return text;
  }
  // A message without a text of its own.
  const auto* const reflection = message->GetReflection();
  std::vector<std::string> parts;
  if (field.is_repeated()) {
    for (int i = 0; i < reflection->FieldSize(*message, &field); ++i) {
      parts.push_back(reflection->GetRepeatedMessage(*message, &field, i)
                          .ShortDebugString());
    }
  } else {
    parts.push_back(
        reflection->GetMessage(*message, &field).ShortDebugString());
  }
  return absl::StrJoin(parts, ", ");
}

std::string Summary(const std::vector<FieldChange>& changes) {
  std::vector<std::string> names;
  for (const FieldChange& change : changes) names.push_back(change.field);
  return absl::StrJoin(names, ", ");
}

// The comparisons of the API's filter.
std::string FilterOf(const AuditOptions& options, const std::string& tenant) {
  std::vector<std::string> terms;
  const auto add = [&terms](const char* field, const std::string& value) {
    if (!value.empty()) {
      terms.push_back(absl::StrCat(field, " = \"", absl::CEscape(value), "\""));
    }
  };
  std::string resource = options.resource;
  // "peers/gw" is short for what is in the tenant.
  if (!resource.empty() && resource.rfind("tenants/", 0) != 0) {
    resource = absl::StrCat(tenant, "/", resource);
  }
  add("resource", resource);
  add("actor", options.actor);
  add("method", options.method);
  if (!options.filter.empty()) terms.push_back(options.filter);
  return absl::StrJoin(terms, " AND ");
}

absl::Status RunAudit(CliContext& context, const AuditOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  // Replicas share one log.
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  const ResourceKind& kind = *FindKind("auditrecord");
  SP_ASSIGN_OR_RETURN(const ResourceList records,
                      ListResources(endpoint, kind, tenant,
                                    FilterOf(options, tenant), options.limit));
  if (context.format != OutputFormat::kTable) {
    std::vector<const Message*> messages;
    for (const auto& one : records) messages.push_back(one.get());
    context.out() << RenderList(messages, context.format, kind,
                                ColumnsOf(kind));
    return absl::OkStatus();
  }
  Table table(
      {"WHEN", "WHO", "METHOD", "RESOURCE", "VERSION", "REQUEST ID", "FIELDS"});
  for (const auto& one : records) {
    const auto& record = static_cast<const pb::AuditRecord&>(*one);
    const std::vector<FieldChange> changes = ChangesOf(record);
    const std::string prefix = tenant + "/";
    const bool below = record.resource().rfind(prefix, 0) == 0;
    table.AddRow(
        {FieldText(record, "change_time"), record.actor(), record.method(),
         below ? record.resource().substr(prefix.size()) : record.resource(),
         absl::StrCat(record.version()), record.request_id(),
         options.changes ? "" : Summary(changes)});
    if (!options.changes) continue;
    for (const FieldChange& change : changes) {
      table.AddRow({"", "", "",
                    absl::StrCat("  ", change.field, ": ", change.before,
                                 " -> ", change.after)});
    }
  }
  context.out() << table.ToString();
  if (table.rows() == 0) context.err() << "no audit_records\n";
  return absl::OkStatus();
}

}  // namespace

std::vector<FieldChange> ChangesOf(const pb::AuditRecord& record) {
  const Message* const before = InnerOf(record.before());
  const Message* const after = InnerOf(record.after());
  const Message* const any = after != nullptr ? after : before;
  std::vector<FieldChange> out;
  if (any == nullptr) return out;
  const auto* const type = any->GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    if (field.name() == "name") continue;
    FieldChange change{field.name(), TextOf(before, field),
                       TextOf(after, field)};
    if (change.before != change.after) out.push_back(std::move(change));
  }
  return out;
}

void AddAuditCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<AuditOptions>();
  CLI::App* const command = app.add_subcommand(
      "audit", "Who changed what in the tenant, newest first");
  command->add_option("--resource", options->resource,
                      "Of this resource only, such as peers/gw");
  command->add_option("--actor", options->actor,
                      "By this caller only, such as \"operator ann\"");
  command->add_option("--method", options->method,
                      "By this method only, such as UpdatePeer");
  command->add_option("--filter", options->filter, "Filter of the API");
  command->add_option("--limit", options->limit, "Most to show; 0: all")
      ->capture_default_str();
  command->add_flag("--changes", options->changes,
                    "Show each changed field, before and after");
  command->callback(
      [&context, options] { context.result = RunAudit(context, *options); });
}

}  // namespace sallyport::cli
