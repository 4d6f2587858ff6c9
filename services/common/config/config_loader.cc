#include "services/common/config/config_loader.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/config/config_faults.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Struct;
using ::google::protobuf::Value;

const char* KindName(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      return "a number";
    case Value::kStringValue:
      return "text";
    case Value::kBoolValue:
      return "true or false";
    case Value::kStructValue:
      return "an object";
    case Value::kListValue:
      return "a list";
    default:
      return "null";
  }
}

// Types whose JSON is not that of their fields; protobuf itself checks them.
bool IsSpecial(const Descriptor& type) {
  return type.full_name().rfind("google.protobuf.", 0) == 0;
}

void CheckObject(const Descriptor& type, const Struct& object,
                 const std::string& path, ConfigFaults* faults);

void WrongKind(const std::string& path, const char* wanted, const Value& value,
               ConfigFaults* faults) {
  faults->Add(path,
              absl::StrCat("must be ", wanted, ", not ", KindName(value)));
}

void CheckValue(const FieldDescriptor& field, const Value& value,
                const std::string& path, ConfigFaults* faults) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsSpecial(*field.message_type())) return;
      if (!value.has_struct_value()) {
        WrongKind(path, "an object", value, faults);
        return;
      }
      CheckObject(*field.message_type(), value.struct_value(), path, faults);
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.has_string_value()) WrongKind(path, "text", value, faults);
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!value.has_bool_value()) {
        WrongKind(path, "true or false", value, faults);
      }
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      if (value.has_number_value()) return;
      if (!value.has_string_value()) {
        WrongKind(path, "a name", value, faults);
      } else if (field.enum_type()->FindValueByName(value.string_value()) ==
                 nullptr) {
        std::string names;
        for (int i = 0; i < field.enum_type()->value_count(); ++i) {
          absl::StrAppend(&names, i == 0 ? "" : ", ",
                          field.enum_type()->value(i)->name());
        }
        faults->Add(path, absl::StrCat("must be one of ", names));
      }
      return;
    default:  // numbers; 64-bit ones may be text
      if (!value.has_number_value() && !value.has_string_value()) {
        WrongKind(path, "a number", value, faults);
      }
  }
}

void CheckField(const FieldDescriptor& field, const Value& value,
                const std::string& path, ConfigFaults* faults) {
  if (value.has_null_value()) return;  // the proto3 mapping: same as absent
  if (field.is_map()) {
    if (!value.has_struct_value()) {
      WrongKind(path, "an object", value, faults);
      return;
    }
    for (const auto& [key, element] : value.struct_value().fields()) {
      CheckValue(*field.message_type()->map_value(), element,
                 absl::StrCat(path, "[", key, "]"), faults);
    }
    return;
  }
  if (!field.is_repeated()) {
    CheckValue(field, value, path, faults);
    return;
  }
  if (!value.has_list_value()) {
    WrongKind(path, "a list", value, faults);
    return;
  }
  for (int i = 0; i < value.list_value().values_size(); ++i) {
    CheckValue(field, value.list_value().values(i),
               absl::StrCat(path, "[", i, "]"), faults);
  }
}

void CheckObject(const Descriptor& type, const Struct& object,
                 const std::string& path, ConfigFaults* faults) {
  std::set<int> seen;
  // Sorted, so that the faults of one file are always told in one order.
  const std::set<std::string> names = [&] {
    std::set<std::string> out;
    for (const auto& entry : object.fields()) out.insert(entry.first);
    return out;
  }();
  for (const std::string& name : names) {
    const std::string here =
        path.empty() ? name : absl::StrCat(path, ".", name);
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr) field = type.FindFieldByCamelcaseName(name);
    if (field == nullptr) {
      faults->Add(here, "is not a known field");
      continue;
    }
    if (!seen.insert(field->number()).second) {
      faults->Add(here, "is given twice");
    }
    CheckField(*field, object.fields().at(name), here, faults);
  }
}

}  // namespace

absl::Status ParseConfig(std::string_view json,
                         google::protobuf::Message* config) {
  const auto invalid = [](const std::string& message) {
    return MakeError(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID",
                     message);
  };
  if (json.size() > kMaxConfigBytes) return invalid("is larger than 4 MiB");
  const google::protobuf::StringPiece text(json.data(), json.size());
  Struct object;
  const auto syntax =
      google::protobuf::util::JsonStringToMessage(text, &object);
  if (!syntax.ok()) {
    return invalid(
        absl::StrCat("is not a JSON object: ", syntax.message().ToString()));
  }
  ConfigFaults faults;
  CheckObject(*config->GetDescriptor(), object, "", &faults);
  if (!faults.empty()) return faults.ToStatus();
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  config->Clear();
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(text, config, options);
  // What is left: ranges of numbers, forms of durations and times, base64.
  if (!parsed.ok()) return invalid(parsed.message().ToString());
  return absl::OkStatus();
}

absl::Status LoadConfig(const std::string& path,
                        google::protobuf::Message* config) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.bad()) {
    const int error = errno;
    return MakeError(
        error == EACCES ? absl::StatusCode::kPermissionDenied
                        : absl::StatusCode::kNotFound,
        "CONFIG_UNREADABLE",
        absl::StrCat("cannot read ", path, ": ", std::strerror(error)));
  }
  const absl::Status status = ParseConfig(text.str(), config);
  if (status.ok()) return status;
  return MakeError(status.code(), ReasonOf(status),
                   absl::StrCat(path, ": ", std::string(status.message())),
                   FieldViolationsOf(status));
}

}  // namespace sallyport
