#include "tools/cli/manifest.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/status/error_reason.h"
#include "yaml-cpp/yaml.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;

// Deeper documents than any resource of ours are refused, not followed.
constexpr int kMaxDepth = 16;

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const unsigned char u = c;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20) {
      absl::StrAppend(&out, "\\u", absl::Hex(u, absl::kZeroPad4));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Set by services alone.
bool IsOutputOnly(const std::string& field) {
  static const auto* const names = new std::set<std::string>{
      "create_time", "update_time", "has_credentials", "status_time"};
  return names->count(field) != 0;
}

// "certificate" of "certificate_file": a field of bytes may be given as a file.
const FieldDescriptor* FileField(const Descriptor& type,
                                 const std::string& key) {
  if (!absl::EndsWith(key, "_file")) return nullptr;
  const FieldDescriptor* const field =
      type.FindFieldByName(key.substr(0, key.size() - 5));
  const bool fits = field != nullptr && !field->is_repeated() &&
                    field->type() == FieldDescriptor::TYPE_BYTES;
  return fits ? field : nullptr;
}

// The kind of dialplan that a field refers to by name; null if to none.
const ResourceKind* ReferredKind(const FieldDescriptor& field) {
  if (field.type() != FieldDescriptor::TYPE_STRING) return nullptr;
  const std::string& name = field.name();
  const ResourceKind* best = nullptr;
  size_t best_size = 0;
  for (const ResourceKind& kind : ResourceKinds()) {
    if (kind.service != "dialplan" || kind.create == nullptr) continue;
    const std::string one =
        SnakeCase(field.is_repeated() ? kind.plural : kind.name);
    const bool fits = name == one || absl::EndsWith(name, "_" + one);
    if (fits && one.size() > best_size) {
      best = &kind;
      best_size = one.size();
    }
  }
  if (best == nullptr && absl::EndsWith(name, "_search_space")) {
    return FindKind("css");
  }
  return best;
}

// Writes a YAML tree as the JSON of a message type. Thread-compatible.
class JsonWriter {
 public:
  JsonWriter(std::string tenant, std::string file_name,
             std::vector<FieldViolation>* faults)
      : tenant_(std::move(tenant)),
        file_name_(std::move(file_name)),
        faults_(faults) {}

  void Fault(const YAML::Node& node, const std::string& path,
             const std::string& description) {
    std::string where = file_name_;
    if (node.IsDefined() && node.Mark().line >= 0) {
      absl::StrAppend(&where, ":", node.Mark().line + 1);
    }
    faults_->push_back({absl::StrCat(where, " ", path), description});
  }

  std::string Message(const YAML::Node& node, const Descriptor& type,
                      const std::string& path, int depth) {
    if (!node.IsMap()) {
      Fault(node, path, "must be a map of fields");
      return "{}";
    }
    if (depth > kMaxDepth) {
      Fault(node, path, "is nested too deep");
      return "{}";
    }
    std::vector<std::string> members;
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key =
          entry.first.IsScalar() ? entry.first.Scalar() : "";
      const FieldDescriptor* field = type.FindFieldByName(key);
      if (field == nullptr) field = type.FindFieldByCamelcaseName(key);
      const std::string at = path.empty() ? key : absl::StrCat(path, ".", key);
      const FieldDescriptor* const file_field =
          field == nullptr ? FileField(type, key) : nullptr;
      if (file_field != nullptr) {
        members.push_back(absl::StrCat(Quoted(file_field->name()), ":",
                                       Contents(entry.second, at)));
        continue;
      }
      if (field == nullptr) {
        Fault(entry.first, at, absl::StrCat("is no field of ", type.name()));
        continue;
      }
      if (!seen.insert(field->name()).second) {
        Fault(entry.first, at, "is given twice");
        continue;
      }
      if (IsOutputOnly(field->name()) || entry.second.IsNull()) continue;
      members.push_back(absl::StrCat(Quoted(field->name()), ":",
                                     Field(entry.second, *field, at, depth)));
    }
    return absl::StrCat("{", absl::StrJoin(members, ","), "}");
  }

 private:
  std::string Field(const YAML::Node& node, const FieldDescriptor& field,
                    const std::string& path, int depth) {
    if (field.is_map()) return Map(node, field, path, depth);
    if (!field.is_repeated()) return Value(node, field, path, depth);
    // One value may stand for a list of one.
    if (!node.IsSequence()) {
      return absl::StrCat("[", Value(node, field, path, depth), "]");
    }
    std::vector<std::string> values;
    for (size_t i = 0; i < node.size(); ++i) {
      values.push_back(
          Value(node[i], field, absl::StrCat(path, "[", i, "]"), depth));
    }
    return absl::StrCat("[", absl::StrJoin(values, ","), "]");
  }

  std::string Map(const YAML::Node& node, const FieldDescriptor& field,
                  const std::string& path, int depth) {
    if (!node.IsMap()) {
      Fault(node, path, "must be a map");
      return "{}";
    }
    const FieldDescriptor& value =
        *field.message_type()->FindFieldByName("value");
    std::vector<std::string> members;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Fault(entry.first, path, "has a key that is no text");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      members.push_back(absl::StrCat(
          Quoted(key), ":",
          Value(entry.second, value, absl::StrCat(path, ".", key), depth)));
    }
    return absl::StrCat("{", absl::StrJoin(members, ","), "}");
  }

  std::string Value(const YAML::Node& node, const FieldDescriptor& field,
                    const std::string& path, int depth) {
    const Descriptor* const type = field.message_type();
    if (type != nullptr && type->file()->package() != "google.protobuf") {
      return Message(node, *type, path, depth + 1);
    }
    if (!node.IsScalar()) {
      Fault(node, path, "must be one value");
      return "null";
    }
    const std::string& text = node.Scalar();
    if (type != nullptr) return Quoted(text);  // Duration, Timestamp, mask
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return Bool(node, path);
      case FieldDescriptor::CPPTYPE_ENUM:
        return Enum(node, *field.enum_type(), path);
      case FieldDescriptor::CPPTYPE_STRING:
        if (field.type() == FieldDescriptor::TYPE_BYTES) return Bytes(text);
        return Reference(text, field);
      default:
        return Number(node, field, path);
    }
  }

  // The contents of a file whose path is relative to the manifest.
  std::string Contents(const YAML::Node& node, const std::string& path) {
    if (!node.IsScalar()) {
      Fault(node, path, "must be the path of a file");
      return "null";
    }
    const std::filesystem::path file =
        std::filesystem::path(file_name_).parent_path() / node.Scalar();
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      Fault(node, path, absl::StrCat("cannot read ", file.string()));
      return "null";
    }
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    return Quoted(absl::Base64Escape(bytes));
  }

  std::string Bool(const YAML::Node& node, const std::string& path) {
    bool value = false;
    if (YAML::convert<bool>::decode(node, value)) {
      return value ? "true" : "false";
    }
    Fault(node, path, "must be true or false");
    return "null";
  }

  std::string Number(const YAML::Node& node, const FieldDescriptor& field,
                     const std::string& path) {
    const std::string& text = node.Scalar();
    int64_t integer = 0;
    uint64_t natural = 0;
    double real = 0;
    const bool is_real = field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
                         field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
    const bool good = is_real ? absl::SimpleAtod(text, &real)
                              : absl::SimpleAtoi(text, &integer) ||
                                    absl::SimpleAtoi(text, &natural);
    if (good) return Quoted(text);
    Fault(node, path, is_real ? "must be a number" : "must be a whole number");
    return "null";
  }

  std::string Enum(const YAML::Node& node, const EnumDescriptor& type,
                   const std::string& path) {
    std::string wanted = absl::AsciiStrToUpper(node.Scalar());
    for (char& c : wanted) {
      if (c == '-') c = '_';
    }
    const std::string prefix =
        absl::AsciiStrToUpper(SnakeCase(type.name())) + "_";
    std::vector<std::string> known;
    for (int i = 0; i < type.value_count(); ++i) {
      const std::string& name = type.value(i)->name();
      const std::string shorter =
          absl::StartsWith(name, prefix) ? name.substr(prefix.size()) : name;
      if (wanted == name || wanted == shorter) return Quoted(name);
      if (type.value(i)->number() != 0) known.push_back(shorter);
    }
    Fault(node, path,
          absl::StrCat("must be one of ", absl::StrJoin(known, ", ")));
    return "null";
  }

  // Bytes are base64, but PEM may stand as it is.
  static std::string Bytes(const std::string& text) {
    if (absl::StartsWith(text, "-----BEGIN")) {
      return Quoted(absl::Base64Escape(text));
    }
    return Quoted(text);
  }

  std::string Reference(const std::string& text,
                        const FieldDescriptor& field) const {
    const ResourceKind* const kind =
        text.empty() ? nullptr : ReferredKind(field);
    return Quoted(kind == nullptr ? text : FullName(*kind, tenant_, text));
  }

  const std::string tenant_;
  const std::string file_name_;
  std::vector<FieldViolation>* const faults_;
};

std::string ScalarAt(const YAML::Node& node, const char* key) {
  if (!node.IsDefined() || !node.IsMap()) return "";
  const YAML::Node value = node[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : "";
}

// Reads one document; faults are added, and the entry is then not used.
ManifestEntry ParseDocument(const YAML::Node& node, const std::string& tenant,
                            const std::string& file_name,
                            std::vector<FieldViolation>* faults) {
  ManifestEntry entry;
  entry.line = node.Mark().line + 1;
  JsonWriter plain(tenant, file_name, faults);
  if (!node.IsMap()) {
    plain.Fault(node, "document", "must be a map with kind, name and spec");
    return entry;
  }
  for (const auto& member : node) {
    const std::string key =
        member.first.IsScalar() ? member.first.Scalar() : "";
    if (key != "kind" && key != "name" && key != "metadata" && key != "spec") {
      plain.Fault(member.first, key,
                  "is not known here; fields of the resource stand in spec");
    }
  }
  const std::string kind_text = ScalarAt(node, "kind");
  entry.kind = FindKind(kind_text);
  if (entry.kind == nullptr || entry.kind->create == nullptr) {
    plain.Fault(node["kind"], "kind",
                kind_text.empty()
                    ? "is required"
                    : absl::StrCat("\"", kind_text, "\" cannot be applied"));
    return entry;
  }
  const YAML::Node metadata = node["metadata"];
  std::string own_tenant = ScalarAt(metadata, "tenant");
  if (own_tenant.empty()) own_tenant = tenant;
  std::string name = ScalarAt(node, "name");
  if (name.empty()) name = ScalarAt(metadata, "name");
  if (name.empty()) {
    plain.Fault(node, "name", "is required");
    return entry;
  }
  entry.name = FullName(*entry.kind, own_tenant, name);
  if (absl::StartsWith(entry.name, "tenants/")) {
    own_tenant = entry.name.substr(8, entry.name.find('/', 8) - 8);
  }

  entry.message = NewMessage(entry.kind->message);
  const YAML::Node spec = node["spec"];
  if (spec.IsDefined() && !spec.IsNull()) {
    const size_t before = faults->size();
    JsonWriter writer(own_tenant, file_name, faults);
    const std::string json =
        writer.Message(spec, *entry.kind->message, "spec", 0);
    if (faults->size() != before) return entry;
    const auto status =
        google::protobuf::util::JsonStringToMessage(json, entry.message.get());
    if (!status.ok()) {
      writer.Fault(
          spec, "spec",
          std::string(status.message().data(), status.message().size()));
      return entry;
    }
    for (const auto& member : spec) {
      const std::string& key = member.first.Scalar();
      const FieldDescriptor* field = entry.kind->message->FindFieldByName(key);
      if (field == nullptr) {
        field = entry.kind->message->FindFieldByCamelcaseName(key);
      }
      if (field == nullptr) field = FileField(*entry.kind->message, key);
      if (field->name() != "name" && field->name() != "etag" &&
          !IsOutputOnly(field->name())) {
        entry.fields.push_back(field->name());
      }
    }
  }
  entry.message->GetReflection()->SetString(
      entry.message.get(), entry.kind->message->FindFieldByName("name"),
      entry.name);
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<ManifestEntry>> ParseManifest(
    const std::string& yaml, const std::string& tenant,
    const std::string& file_name) {
  if (yaml.size() > kMaxManifestBytes) {
    return MakeError(absl::StatusCode::kInvalidArgument, "MANIFEST_UNREADABLE",
                     absl::StrCat(file_name, " is larger than ",
                                  kMaxManifestBytes, " bytes"));
  }
  std::vector<YAML::Node> documents;
  // yaml-cpp reports by exception; it ends here.
  try {
    documents = YAML::LoadAll(yaml);
  } catch (const YAML::Exception& error) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "MANIFEST_UNREADABLE",
        absl::StrCat(file_name, ":", error.mark.line + 1, " ", error.msg));
  }
  std::vector<FieldViolation> faults;
  std::vector<ManifestEntry> entries;
  std::set<std::string> names;
  for (const YAML::Node& document : documents) {
    if (!document.IsDefined() || document.IsNull()) continue;
    ManifestEntry entry;
    try {
      entry = ParseDocument(document, tenant, file_name, &faults);
    } catch (const YAML::Exception& error) {
      faults.push_back(
          {absl::StrCat(file_name, ":", error.mark.line + 1), error.msg});
    }
    if (entry.message == nullptr) continue;
    if (!names.insert(entry.name).second) {
      faults.push_back({absl::StrCat(file_name, ":", entry.line, " name"),
                        absl::StrCat(entry.name, " is given twice")});
    }
    entries.push_back(std::move(entry));
  }
  if (!faults.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "MANIFEST_INVALID",
                     "nothing was applied", faults);
  }
  return entries;
}

}  // namespace sallyport::cli
