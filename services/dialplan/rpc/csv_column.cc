#include "services/dialplan/rpc/csv_column.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/rpc/resource_codec.h"
#include "services/dialplan/rpc/resource_merge.h"

namespace sallyport::dialplan {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Duration;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status NoColumn(const std::string& why) {
  return MakeError(absl::StatusCode::kNotFound, "CSV_HEADER_INVALID", why);
}

absl::Status BadValue(const std::string& why) {
  return MakeError(absl::StatusCode::kInvalidArgument, "VALUE_INVALID", why);
}

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() == Duration::descriptor();
}

bool FitsACell(const FieldDescriptor& field) {
  if (field.is_repeated()) {
    return field.type() == FieldDescriptor::TYPE_STRING;
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return field.type() == FieldDescriptor::TYPE_STRING;
    case FieldDescriptor::CPPTYPE_BOOL:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_ENUM:
      return true;
    default:
      return IsDuration(field);
  }
}

// "SHA_256" or "sha-256" of DIGEST_ALGORITHM_SHA_256; the zero is not a choice.
absl::StatusOr<const EnumValueDescriptor*> EnumValue(const EnumDescriptor& type,
                                                     const std::string& cell) {
  std::string wanted = absl::AsciiStrToUpper(cell);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  // The values share a prefix, which ends that of the unspecified one.
  const std::string& zero = type.FindValueByNumber(0)->name();
  const std::string prefix = zero.substr(0, zero.rfind("UNSPECIFIED"));
  std::vector<std::string> known;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    if (type.value(i)->number() == 0) continue;
    const std::string shorter = name.compare(0, prefix.size(), prefix) == 0
                                    ? name.substr(prefix.size())
                                    : name;
    if (wanted == name || wanted == shorter) return type.value(i);
    known.push_back(shorter);
  }
  return BadValue("must be one of " + absl::StrJoin(known, ", "));
}

// A short name in full, where the field names resources.
std::string InFull(const FieldDescriptor& field, std::string text,
                   std::string_view tenant) {
  const std::string_view collection = ReferredCollection(field.name());
  if (collection.empty() || text.find('/') != std::string::npos) return text;
  return absl::StrCat(AbslView(tenant), "/", AbslView(collection), "/", text);
}

}  // namespace

absl::StatusOr<CsvColumn> CsvColumn::Find(const Descriptor& type,
                                          std::string_view path) {
  const std::vector<std::string> parts = absl::StrSplit(AbslView(path), '.');
  Path fields;
  const Descriptor* at = &type;
  for (const std::string& part : parts) {
    const FieldDescriptor* const field =
        at == nullptr ? nullptr : at->FindFieldByName(part);
    if (field == nullptr || (!fields.empty() && (fields.back()->is_repeated() ||
                                                 IsDuration(*fields.back())))) {
      return NoColumn("is no field of " + type.name());
    }
    fields.push_back(field);
    at = field->message_type();
  }
  if (IsOutputField(std::string(path))) {
    return NoColumn("is set by the service alone");
  }
  if (!FitsACell(*fields.back())) {
    return NoColumn("holds more than a cell can: name one of its fields");
  }
  return CsvColumn(std::string(path), std::move(fields));
}

absl::Status CsvColumn::Set(const std::string& cell, std::string_view tenant,
                            Message& message) const {
  return SetAt(0, cell, tenant, message);
}

absl::Status CsvColumn::SetAt(size_t depth, const std::string& cell,
                              std::string_view tenant, Message& message) const {
  if (depth + 1 == fields_.size()) return SetValue(cell, tenant, message);
  const Reflection& r = *message.GetReflection();
  const FieldDescriptor* const field = fields_[depth];
  Message* const inner = r.MutableMessage(&message, field);
  SP_RETURN_IF_ERROR(SetAt(depth + 1, cell, tenant, *inner));
  // A message that says nothing is as good as none, and compares as none.
  if (inner->ByteSizeLong() == 0) r.ClearField(&message, field);
  return absl::OkStatus();
}

absl::Status CsvColumn::SetValue(const std::string& cell,
                                 std::string_view tenant,
                                 Message& message) const {
  const FieldDescriptor& field = *fields_.back();
  const Reflection& r = *message.GetReflection();
  // Text as it is: spaces may be meant. Elsewhere they mean nothing.
  const std::string word(absl::StripAsciiWhitespace(cell));
  const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (is_text ? cell.empty() : word.empty()) {
    r.ClearField(&message, &field);
    return absl::OkStatus();
  }
  if (field.is_repeated()) {
    r.ClearField(&message, &field);
    for (const auto piece : absl::StrSplit(cell, ';')) {
      std::string item(absl::StripAsciiWhitespace(piece));
      if (item.empty()) continue;
      r.AddString(&message, &field, InFull(field, std::move(item), tenant));
    }
    return absl::OkStatus();
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      r.SetString(&message, &field, InFull(field, cell, tenant));
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL: {
      const bool yes = absl::EqualsIgnoreCase(word, "true");
      if (!yes && !absl::EqualsIgnoreCase(word, "false")) {
        return BadValue("must be true or false");
      }
      if (!yes && field.containing_oneof() != nullptr) {
        r.ClearField(&message, &field);
      } else {
        r.SetBool(&message, &field, yes);
      }
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      if (!absl::SimpleAtoi(word, &value)) {
        return BadValue("must be a whole number");
      }
      r.SetUInt32(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value = 0;
      if (!absl::SimpleAtoi(word, &value)) {
        return BadValue("must be a whole number");
      }
      r.SetInt32(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      SP_ASSIGN_OR_RETURN(const EnumValueDescriptor* const value,
                          EnumValue(*field.enum_type(), word));
      r.SetEnum(&message, &field, value);
      return absl::OkStatus();
    }
    default: {
      absl::Duration value;
      uint32_t seconds = 0;
      if (absl::SimpleAtoi(word, &seconds)) {
        value = absl::Seconds(seconds);
      } else if (!absl::ParseDuration(word, &value) ||
                 value == absl::InfiniteDuration() ||
                 value == -absl::InfiniteDuration()) {
        return BadValue("must be a duration, such as 12s");
      }
      *static_cast<Duration*>(r.MutableMessage(&message, &field)) =
          ToProto(value);
      return absl::OkStatus();
    }
  }
}

}  // namespace sallyport::dialplan
