#include "tools/cli/relations.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/change_options.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/table.h"
#include "tools/cli/yaml_json.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

// Referrers shown of one field; more are said to be there.
constexpr size_t kShown = 20;

void AddReferences(const Message& message, const std::string& path,
                   std::vector<std::pair<std::string, std::string>>& out) {
  const auto& r = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string at =
        path.empty() ? field->name() : absl::StrCat(path, ".", field->name());
    const int size = field->is_repeated() ? r.FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      const std::string here =
          field->is_repeated() ? absl::StrCat(at, "[", i, "]") : at;
      if (field->type() == FieldDescriptor::TYPE_STRING) {
        const std::string text = field->is_repeated()
                                     ? r.GetRepeatedString(message, field, i)
                                     : r.GetString(message, field);
        if (absl::StartsWith(text, "tenants/") && field->name() != "name") {
          out.emplace_back(here, text);
        }
      } else if (field->message_type() != nullptr && !field->is_map()) {
        AddReferences(field->is_repeated()
                          ? r.GetRepeatedMessage(message, field, i)
                          : r.GetMessage(message, field),
                      here, out);
      }
    }
  }
}

void AddFields(const Descriptor& type, const ResourceKind& kind,
               const ReferringField& at, std::vector<ReferringField>& out) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    ReferringField here = at;
    absl::StrAppend(&here.path, at.path.empty() ? "" : ".", field.name());
    if (ReferredKind(field) == &kind) {
      out.push_back(here);
    } else if (field.message_type() != nullptr &&
               field.message_type()->file()->package() ==
                   type.file()->package()) {
      here.in_list = here.in_list || field.is_repeated();
      AddFields(*field.message_type(), kind, here, out);
    }
  }
}

bool RefersTo(const Message& resource, const std::string& name) {
  for (const auto& [field, target] : ReferencesOf(resource)) {
    if (target == name) return true;
  }
  return false;
}

// Up to one more than are shown.
absl::StatusOr<ResourceList> Referrers(const Endpoint& endpoint,
                                       const ResourceKind& kind,
                                       const ReferringField& field,
                                       const std::string& name) {
  const std::string tenant = TenantNameOf(name);
  if (!field.in_list) {
    return ListResources(endpoint, kind, tenant,
                         absl::StrCat(field.path, " = \"", name, "\""),
                         kShown + 1);
  }
  SP_ASSIGN_OR_RETURN(ResourceList all,
                      ListResources(endpoint, kind, tenant, /*filter=*/"",
                                    /*limit=*/0));
  ResourceList out;
  for (auto& one : all) {
    if (out.size() <= kShown && RefersTo(*one, name)) {
      out.push_back(std::move(one));
    }
  }
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ReferencesOf(
    const Message& resource) {
  std::vector<std::pair<std::string, std::string>> out;
  AddReferences(resource, "", out);
  return out;
}

std::vector<ReferringField> FieldsReferringTo(const Descriptor& type,
                                              const ResourceKind& kind) {
  std::vector<ReferringField> out;
  AddFields(type, kind, ReferringField(), out);
  return out;
}

absl::Status PrintRelations(CliContext& context, const ResourceKind& kind,
                            const Message& resource) {
  const auto references = ReferencesOf(resource);
  if (!references.empty()) context.out() << "refers to:\n";
  for (const auto& [field, target] : references) {
    context.out() << "  " << Printable(target) << " (" << field << ")\n";
  }
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  std::vector<std::string> lines;
  for (const ResourceKind* const other : PlanKinds()) {
    for (const ReferringField& field :
         FieldsReferringTo(*other->message, kind)) {
      const auto found = Referrers(endpoint, *other, field, NameOf(resource));
      // A service that is younger than the API has none of the kind.
      if (found.status().code() == absl::StatusCode::kUnimplemented) continue;
      SP_RETURN_IF_ERROR(found.status());
      for (size_t i = 0; i < found->size() && i < kShown; ++i) {
        lines.push_back(absl::StrCat("  ", Printable(NameOf(*(*found)[i])),
                                     " (", field.path, ")"));
      }
      if (found->size() > kShown) {
        lines.push_back(
            absl::StrCat("  and more ", other->plural, " (", field.path, ")"));
      }
    }
  }
  if (kind.name == "Tenant") return absl::OkStatus();
  context.out() << (lines.empty()
                        ? "nothing refers to it\n"
                        : absl::StrCat("referred to by:\n",
                                       absl::StrJoin(lines, "\n"), "\n"));
  return absl::OkStatus();
}

}  // namespace sallyport::cli
