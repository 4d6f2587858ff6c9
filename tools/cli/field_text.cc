#include "tools/cli/field_text.h"

#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

std::string MessageText(const Message& message);

// One value: of a repeated field the one at `index`, else `index` is -1.
std::string ValueText(const Message& message, const FieldDescriptor& field,
                      int index) {
  const Reflection& r = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(one ? r.GetInt32(message, &field)
                              : r.GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(one ? r.GetInt64(message, &field)
                              : r.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(one ? r.GetUInt32(message, &field)
                              : r.GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(one ? r.GetUInt64(message, &field)
                              : r.GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(one ? r.GetDouble(message, &field)
                              : r.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return absl::StrCat(one ? r.GetFloat(message, &field)
                              : r.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? r.GetBool(message, &field)
                  : r.GetRepeatedBool(message, &field, index))
                 ? "yes"
                 : "no";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumText(*(one ? r.GetEnum(message, &field)
                            : r.GetRepeatedEnum(message, &field, index)));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text =
          one ? r.GetString(message, &field)
              : r.GetRepeatedString(message, &field, index);
      if (field.type() != FieldDescriptor::TYPE_BYTES) return text;
      return HexEncode(AsBytes(text));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageText(one ? r.GetMessage(message, &field)
                             : r.GetRepeatedMessage(message, &field, index));
  }
  return "";
}

std::string WholeFieldText(const Message& message,
                           const FieldDescriptor& field) {
  const Reflection& r = *message.GetReflection();
  if (field.is_repeated()) {
    std::vector<std::string> values;
    for (int i = 0; i < r.FieldSize(message, &field); ++i) {
      values.push_back(IsSecretField(field) ? "(hidden)"
                                            : ValueText(message, field, i));
    }
    return absl::StrJoin(values, ", ");
  }
  if (field.has_presence() && !r.HasField(message, &field)) return "";
  if (IsSecretField(field)) {
    return r.HasField(message, &field) ? "(hidden)" : "";
  }
  return ValueText(message, field, -1);
}

std::string TransportAddressText(const type::v1::TransportAddress& address) {
  if (address.address().empty() && address.port() == 0) return "";
  const bool v6 = absl::StrContains(address.address(), ":");
  std::string text =
      v6 ? absl::StrCat("[", address.address(), "]") : address.address();
  absl::StrAppend(&text, ":", address.port());
  if (address.transport() != type::v1::TRANSPORT_UNSPECIFIED) {
    absl::StrAppend(
        &text, "/",
        EnumText(*type::v1::Transport_descriptor()->FindValueByNumber(
            address.transport())));
  }
  return text;
}

std::string MessageText(const Message& message) {
  if (const auto* const time =
          dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S", FromProto(*time),
                            absl::UTCTimeZone());
  }
  if (const auto* const duration =
          dynamic_cast<const google::protobuf::Duration*>(&message)) {
    return absl::FormatDuration(FromProto(*duration));
  }
  if (const auto* const address =
          dynamic_cast<const type::v1::TransportAddress*>(&message)) {
    return TransportAddressText(*address);
  }
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::vector<std::string> parts;
  for (const FieldDescriptor* field : fields) {
    parts.push_back(
        absl::StrCat(field->name(), "=", WholeFieldText(message, *field)));
  }
  return absl::StrJoin(parts, " ");
}

std::string TextAt(const Message& message, const std::vector<std::string>& path,
                   size_t at) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  const Reflection& r = *message.GetReflection();
  const FieldDescriptor* field = type.FindFieldByName(path[at]);
  if (field == nullptr) {
    // A oneof stands for whichever of its fields is set.
    const auto* const oneof = type.FindOneofByName(path[at]);
    if (oneof == nullptr || !r.HasOneof(message, oneof)) return "";
    field = r.GetOneofFieldDescriptor(message, oneof);
  }
  if (at + 1 == path.size()) return WholeFieldText(message, *field);
  if (field->message_type() == nullptr) return "";
  if (!field->is_repeated()) {
    if (!r.HasField(message, field)) return "";
    return TextAt(r.GetMessage(message, field), path, at + 1);
  }
  int index = 0;
  if (!absl::SimpleAtoi(path[at + 1], &index)) {
    std::vector<std::string> values;
    for (int i = 0; i < r.FieldSize(message, field); ++i) {
      values.push_back(
          TextAt(r.GetRepeatedMessage(message, field, i), path, at + 1));
    }
    return absl::StrJoin(values, ", ");
  }
  if (index < 0 || index >= r.FieldSize(message, field)) return "";
  const Message& element = r.GetRepeatedMessage(message, field, index);
  if (at + 2 == path.size()) return MessageText(element);
  return TextAt(element, path, at + 2);
}

}  // namespace

std::string EnumText(const EnumValueDescriptor& value) {
  if (value.number() == 0) return "";
  std::string prefix;
  for (const char c : SnakeCase(value.type()->name())) {
    prefix += absl::ascii_toupper(c);
  }
  prefix += '_';
  return absl::StartsWith(value.name(), prefix)
             ? value.name().substr(prefix.size())
             : value.name();
}

bool IsSecretField(const FieldDescriptor& field) {
  static const auto* const secrets = new std::set<std::string>{
      "password",        "ha1",           "key_salt", "secret",
      "remote_password", "local_password"};
  return secrets->count(field.name()) != 0;
}

std::string FieldText(const Message& message, const std::string& path) {
  return TextAt(message, absl::StrSplit(path, '.'), 0);
}

}  // namespace sallyport::cli
