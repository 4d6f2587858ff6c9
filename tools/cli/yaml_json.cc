#include "tools/cli/yaml_json.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::OneofDescriptor;

// Of a duration, in seconds either way (duration.proto).
constexpr int64_t kMaxDurationSeconds = 315576000000;

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

// "1.5s" of "90s", "1m30s" and "1500ms"; empty if it is no duration.
std::string DurationText(const std::string& text) {
  absl::Duration value;
  if (!absl::ParseDuration(text, &value) ||
      value > absl::Seconds(kMaxDurationSeconds) ||
      value < -absl::Seconds(kMaxDurationSeconds)) {
    return "";
  }
  const bool negative = value < absl::ZeroDuration();
  if (negative) value = -value;
  const int64_t seconds = absl::IDivDuration(value, absl::Seconds(1), &value);
  std::string out = absl::StrCat(negative ? "-" : "", seconds);
  if (value > absl::ZeroDuration()) {
    absl::StrAppend(
        &out, ".", absl::Dec(absl::ToInt64Nanoseconds(value), absl::kZeroPad9));
  }
  return out + "s";
}

}  // namespace

const FieldDescriptor* FieldOfKey(const Descriptor& type,
                                  const std::string& key) {
  const FieldDescriptor* field = type.FindFieldByName(key);
  if (field == nullptr) field = type.FindFieldByCamelcaseName(key);
  return field == nullptr ? FileField(type, key) : field;
}

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

void YamlJson::Fault(const YamlNode& node, const std::string& path,
                     const std::string& description) {
  std::string where = file_name_;
  if (node.line > 0) absl::StrAppend(&where, ":", node.line);
  faults_->push_back({absl::StrCat(where, " ", path), description});
}

std::string YamlJson::Message(const YamlNode& node, const Descriptor& type,
                              const std::string& path) {
  if (!node.IsMap()) {
    Fault(node, path, "must be a map of fields");
    return "{}";
  }
  std::vector<std::string> members;
  std::set<const FieldDescriptor*> seen;
  std::set<const OneofDescriptor*> chosen;
  for (const auto& [name, value] : node.members) {
    const std::string key = name->IsScalar() ? name->scalar : "";
    const std::string at = path.empty() ? key : absl::StrCat(path, ".", key);
    const FieldDescriptor* const field = FieldOfKey(type, key);
    if (field == nullptr) {
      Fault(*name, at, absl::StrCat("is no field of ", type.name()));
      continue;
    }
    if (!seen.insert(field).second) {
      Fault(*name, at, "is given twice");
      continue;
    }
    if (IsOutputOnly(field->name()) || value->IsNull()) continue;
    if (field->containing_oneof() != nullptr &&
        !chosen.insert(field->containing_oneof()).second) {
      Fault(*name, at,
            absl::StrCat("is another choice of ",
                         field->containing_oneof()->name(),
                         ", of which there can be one"));
      continue;
    }
    const bool is_file = field == FileField(type, key);
    members.push_back(absl::StrCat(
        Quoted(field->name()), ":",
        is_file ? Contents(*value, at) : Field(*value, *field, at)));
  }
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

std::string YamlJson::Field(const YamlNode& node, const FieldDescriptor& field,
                            const std::string& path) {
  if (field.is_map()) return Map(node, field, path);
  if (!field.is_repeated()) return Value(node, field, path);
  // One value may stand for a list of one.
  if (!node.IsSequence()) {
    return absl::StrCat("[", Value(node, field, path), "]");
  }
  std::vector<std::string> values;
  for (size_t i = 0; i < node.items.size(); ++i) {
    values.push_back(
        Value(*node.items[i], field, absl::StrCat(path, "[", i, "]")));
  }
  return absl::StrCat("[", absl::StrJoin(values, ","), "]");
}

std::string YamlJson::Map(const YamlNode& node, const FieldDescriptor& field,
                          const std::string& path) {
  if (!node.IsMap()) {
    Fault(node, path, "must be a map");
    return "{}";
  }
  const FieldDescriptor& value_field =
      *field.message_type()->FindFieldByName("value");
  std::vector<std::string> members;
  for (const auto& [key, value] : node.members) {
    if (!key->IsScalar()) {
      Fault(*key, path, "has a key that is no text");
      continue;
    }
    members.push_back(absl::StrCat(
        Quoted(key->scalar), ":",
        Value(*value, value_field, absl::StrCat(path, ".", key->scalar))));
  }
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

std::string YamlJson::Value(const YamlNode& node, const FieldDescriptor& field,
                            const std::string& path) {
  const Descriptor* const type = field.message_type();
  if (type != nullptr && type->file()->package() != "google.protobuf") {
    return Message(node, *type, path);
  }
  if (!node.IsScalar()) {
    Fault(node, path, "must be one value");
    return "null";
  }
  if (type != nullptr) return WellKnown(node, *type, path);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return Bool(node, path);
    case FieldDescriptor::CPPTYPE_ENUM:
      return Enum(node, *field.enum_type(), path);
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.type() == FieldDescriptor::TYPE_BYTES) return Bytes(node, path);
      return Reference(node.scalar, field);
    default:
      return Number(node, field, path);
  }
}

// The contents of a file whose path is relative to the manifest.
std::string YamlJson::Contents(const YamlNode& node, const std::string& path) {
  if (!node.IsScalar()) {
    Fault(node, path, "must be the path of a file");
    return "null";
  }
  const std::filesystem::path file =
      std::filesystem::path(file_name_).parent_path() / node.scalar;
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    Fault(node, path, absl::StrCat("cannot read ", file.string()));
    return "null";
  }
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  return Quoted(absl::Base64Escape(bytes));
}

// The words of YAML 1.1, as people write them.
std::string YamlJson::Bool(const YamlNode& node, const std::string& path) {
  const std::string word = absl::AsciiStrToLower(node.scalar);
  for (const char* const yes : {"true", "yes", "on", "y"}) {
    if (word == yes) return "true";
  }
  for (const char* const no : {"false", "no", "off", "n"}) {
    if (word == no) return "false";
  }
  Fault(node, path, "must be true or false");
  return "null";
}

std::string YamlJson::Number(const YamlNode& node, const FieldDescriptor& field,
                             const std::string& path) {
  const std::string& text = node.scalar;
  int32_t int32 = 0;
  int64_t int64 = 0;
  uint32_t uint32 = 0;
  uint64_t uint64 = 0;
  double real = 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      if (absl::SimpleAtoi(text, &int32)) return absl::StrCat(int32);
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      if (absl::SimpleAtoi(text, &uint32)) return absl::StrCat(uint32);
      break;
    // JSON's numbers are not exact beyond 2^53.
    case FieldDescriptor::CPPTYPE_INT64:
      if (absl::SimpleAtoi(text, &int64)) return Quoted(absl::StrCat(int64));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      if (absl::SimpleAtoi(text, &uint64)) return Quoted(absl::StrCat(uint64));
      break;
    default:
      if (absl::SimpleAtod(text, &real)) return Quoted(text);
      Fault(node, path, "must be a number");
      return "null";
  }
  Fault(node, path,
        absl::SimpleAtod(text, &real)
            ? "must be a whole number in the range of its field"
            : "must be a whole number");
  return "null";
}

std::string YamlJson::Enum(const YamlNode& node, const EnumDescriptor& type,
                           const std::string& path) {
  std::string wanted = absl::AsciiStrToUpper(node.scalar);
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

std::string YamlJson::WellKnown(const YamlNode& node, const Descriptor& type,
                                const std::string& path) {
  if (type.name() == "Duration") {
    const std::string text = DurationText(node.scalar);
    if (!text.empty()) return Quoted(text);
    Fault(node, path, "must be a duration, such as 30s");
    return "null";
  }
  if (type.name() == "Timestamp") {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(absl::RFC3339_full, node.scalar, &time, &error) &&
        time >= absl::FromCivil(absl::CivilDay(1, 1, 1), absl::UTCTimeZone()) &&
        time <
            absl::FromCivil(absl::CivilDay(10000, 1, 1), absl::UTCTimeZone())) {
      return Quoted(
          absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone()));
    }
    Fault(node, path, "must be a time, such as 2026-11-21T19:50:00Z");
    return "null";
  }
  return Quoted(node.scalar);
}

// Bytes are base64, but PEM may stand as it is.
std::string YamlJson::Bytes(const YamlNode& node, const std::string& path) {
  if (absl::StartsWith(node.scalar, "-----BEGIN")) {
    return Quoted(absl::Base64Escape(node.scalar));
  }
  std::string bytes;
  if (absl::Base64Unescape(node.scalar, &bytes)) {
    return Quoted(absl::Base64Escape(bytes));
  }
  Fault(node, path, "must be base64 or PEM text");
  return "null";
}

std::string YamlJson::Reference(const std::string& text,
                                const FieldDescriptor& field) {
  const ResourceKind* const kind = text.empty() ? nullptr : ReferredKind(field);
  return Quoted(kind == nullptr ? text : FullName(*kind, tenant_, text));
}

}  // namespace sallyport::cli
