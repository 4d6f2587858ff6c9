#include "services/common/service/config_watch.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
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

void TakeField(const Message& from, const std::string& name, Message* to) {
  const FieldDescriptor* const field =
      from.GetDescriptor()->FindFieldByName(name);
  to->GetReflection()->ClearField(to, field);
  to->MergeFrom(*Only(from, *field));
}

}  // namespace sallyport
