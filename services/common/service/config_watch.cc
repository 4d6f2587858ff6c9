#include "services/common/service/config_watch.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/config/config_loader.h"
#include "services/common/files/durable_file.h"

namespace sallyport {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

// `message` without all but `field`.
std::unique_ptr<Message> Only(const Message& message,
                              const FieldDescriptor& field) {
  std::unique_ptr<Message> out(message.New());
  out->CopyFrom(message);
  const auto* const type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i) == &field) continue;
    out->GetReflection()->ClearField(out.get(), type->field(i));
  }
  return out;
}

constexpr size_t kMaxValue = 256;

// The value of `field` as text; empty where it is not set.
std::string ValueOf(const Message& message, const FieldDescriptor& field) {
  using google::protobuf::TextFormat;
  const auto* const reflection = message.GetReflection();
  if (field.is_repeated()
          ? reflection->FieldSize(message, &field) == 0
          : field.has_presence() && !reflection->HasField(message, &field)) {
    return "";
  }
  TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string out;
  const int count =
      field.is_repeated() ? reflection->FieldSize(message, &field) : 1;
  for (int i = 0; i < count && out.size() <= kMaxValue; ++i) {
    std::string one;
    printer.PrintFieldValueToString(message, &field,
                                    field.is_repeated() ? i : -1, &one);
    absl::StripTrailingAsciiWhitespace(&one);
    absl::StrAppend(&out, i == 0 ? "" : ", ", one);
  }
  if (out.size() > kMaxValue) out = out.substr(0, kMaxValue) + "...";
  return out;
}

void AddDifferences(const std::string& prefix, const Message& before,
                    const Message& after, std::vector<SettingDifference>& out) {
  const auto* const type = before.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    if (google::protobuf::util::MessageDifferencer::Equals(
            *Only(before, field), *Only(after, field))) {
      continue;
    }
    const std::string path = prefix + field.name();
    const size_t size = out.size();
    // Durations and the like are values, not groups of settings.
    if (!field.is_repeated() && field.message_type() != nullptr &&
        field.message_type()->file()->package() != "google.protobuf") {
      AddDifferences(path + ".",
                     before.GetReflection()->GetMessage(before, &field),
                     after.GetReflection()->GetMessage(after, &field), out);
    }
    if (out.size() == size) {
      out.push_back({path, ValueOf(before, field), ValueOf(after, field)});
    }
  }
}

}  // namespace

ConfigWatch::ConfigWatch(std::string path) : path_(std::move(path)) {
  Changed();
}

std::optional<std::string> ConfigWatch::Changed() {
  absl::StatusOr<std::string> content = ReadWholeFile(path_, kMaxConfigBytes);
  if (!content.ok() || *content == known_) return std::nullopt;
  known_ = *content;
  return *std::move(content);
}

std::vector<std::string> ChangedFields(const Message& before,
                                       const Message& after) {
  std::vector<std::string> out;
  const auto* const type = before.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    if (!google::protobuf::util::MessageDifferencer::Equals(
            *Only(before, field), *Only(after, field))) {
      out.push_back(field.name());
    }
  }
  return out;
}

std::vector<SettingDifference> ChangedSettings(const Message& before,
                                               const Message& after) {
  std::vector<SettingDifference> out;
  AddDifferences("", before, after, out);
  return out;
}

void TakeField(const Message& from, const std::string& name, Message* to) {
  const FieldDescriptor* const field =
      from.GetDescriptor()->FindFieldByName(name);
  to->GetReflection()->ClearField(to, field);
  to->MergeFrom(*Only(from, *field));
}

}  // namespace sallyport
