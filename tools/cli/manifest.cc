#include "tools/cli/manifest.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/yaml_json.h"
#include "tools/cli/yaml_tree.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;

// More faults than these are counted, not told.
constexpr size_t kMaxFaults = 100;

std::string ScalarAt(const YamlNode* node, const char* key) {
  if (node == nullptr || !node->IsMap()) return "";
  const YamlNode* const value = node->Find(key);
  return value != nullptr && value->IsScalar() ? value->scalar : "";
}

// Reads one document; faults are added, and the entry is then not used.
ManifestEntry ParseDocument(const YamlNode& node, const std::string& tenant,
                            const std::string& file_name,
                            std::vector<FieldViolation>* faults) {
  ManifestEntry entry;
  entry.file = file_name;
  entry.line = node.line;
  YamlJson plain(tenant, file_name, faults);
  if (!node.IsMap()) {
    plain.Fault(node, "document", "must be a map with kind, name and spec");
    return entry;
  }
  for (const auto& [name, value] : node.members) {
    const std::string key = name->IsScalar() ? name->scalar : "";
    if (key != "kind" && key != "name" && key != "metadata" && key != "spec") {
      plain.Fault(*name, key,
                  "is not known here; fields of the resource stand in spec");
    }
  }
  const std::string kind_text = ScalarAt(&node, "kind");
  entry.kind = FindKind(kind_text);
  if (entry.kind == nullptr || entry.kind->create == nullptr) {
    const YamlNode* const kind = node.Find("kind");
    plain.Fault(kind == nullptr ? node : *kind, "kind",
                kind_text.empty()
                    ? "is required"
                    : absl::StrCat("\"", kind_text, "\" cannot be applied"));
    return entry;
  }
  const YamlNode* const metadata = node.Find("metadata");
  std::string own_tenant = ScalarAt(metadata, "tenant");
  if (own_tenant.empty()) own_tenant = tenant;
  std::string name = ScalarAt(&node, "name");
  if (name.empty()) name = ScalarAt(metadata, "name");
  if (name.empty()) {
    plain.Fault(node, "name", "is required");
    return entry;
  }
  entry.name = FullName(*entry.kind, own_tenant, name);
  if (absl::StartsWith(entry.name, "tenants/")) {
    own_tenant = entry.name.substr(8, entry.name.find('/', 8) - 8);
  }

  auto message = NewMessage(entry.kind->message);
  const YamlNode* const spec = node.Find("spec");
  if (spec != nullptr && !spec->IsNull()) {
    const size_t before = faults->size();
    YamlJson writer(own_tenant, file_name, faults);
    const std::string json =
        writer.Message(*spec, *entry.kind->message, "spec");
    if (faults->size() != before) return entry;
    const auto status =
        google::protobuf::util::JsonStringToMessage(json, message.get());
    if (!status.ok()) {
      writer.Fault(
          *spec, "spec",
          std::string(status.message().data(), status.message().size()));
      return entry;
    }
    for (const auto& [key, value] : spec->members) {
      const FieldDescriptor* const field =
          FieldOfKey(*entry.kind->message, key->scalar);
      if (field->name() != "name" && field->name() != "etag" &&
          !IsOutputOnly(field->name())) {
        entry.fields.push_back(field->name());
      }
    }
  }
  message->GetReflection()->SetString(
      message.get(), entry.kind->message->FindFieldByName("name"), entry.name);
  entry.message = std::move(message);
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<ManifestEntry>> ParseManifest(
    const std::string& yaml, const std::string& tenant,
    const std::string& file_name) {
  const YamlText text = ReadYaml(yaml, YamlLimits());
  std::vector<FieldViolation> faults;
  for (const YamlFault& fault : text.faults) {
    faults.push_back(
        {fault.line == 0 ? file_name : absl::StrCat(file_name, ":", fault.line),
         fault.what});
  }
  if (!faults.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "MANIFEST_UNREADABLE",
                     "nothing was applied", faults);
  }
  std::vector<ManifestEntry> entries;
  for (const YamlNodePtr& document : text.documents) {
    if (document->IsNull()) continue;
    ManifestEntry entry = ParseDocument(*document, tenant, file_name, &faults);
    if (entry.message != nullptr) entries.push_back(std::move(entry));
  }
  AddRepeatedNames(entries, &faults);
  SP_RETURN_IF_ERROR(ManifestFaults(std::move(faults)));
  return entries;
}

void AddRepeatedNames(const std::vector<ManifestEntry>& entries,
                      std::vector<FieldViolation>* faults) {
  std::map<std::string, const ManifestEntry*> names;
  for (const ManifestEntry& entry : entries) {
    const auto [it, is_new] = names.emplace(entry.name, &entry);
    if (is_new) continue;
    faults->push_back({absl::StrCat(entry.file, ":", entry.line, " name"),
                       absl::StrCat(entry.name, " is given twice, first at ",
                                    it->second->file, ":", it->second->line)});
  }
}

absl::Status ManifestFaults(std::vector<FieldViolation> faults) {
  if (faults.empty()) return absl::OkStatus();
  if (faults.size() > kMaxFaults) {
    const size_t more = faults.size() - kMaxFaults;
    faults.resize(kMaxFaults);
    faults.push_back({"...", absl::StrCat("and ", more, " more faults")});
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "MANIFEST_INVALID",
                   "nothing was applied", faults);
}

}  // namespace sallyport::cli
