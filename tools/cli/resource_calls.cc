#include "tools/cli/resource_calls.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/field_mask.pb.h"
#include "services/common/bytes/hex.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MethodDescriptor;

constexpr int kWriteAttempts = 4;
constexpr absl::Duration kFirstPause = absl::Milliseconds(200);

absl::Status NoSuchMethod(const ResourceKind& kind, const std::string& verb) {
  return MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_IN_API",
                   absl::StrCat("the API cannot ", verb, " a ", kind.name));
}

// Sets a field if the type has it.
void SetText(Message* message, const std::string& field,
             const std::string& value) {
  const FieldDescriptor* const f =
      message->GetDescriptor()->FindFieldByName(field);
  if (f != nullptr) message->GetReflection()->SetString(message, f, value);
}

void SetBool(Message* message, const std::string& field, bool value) {
  const FieldDescriptor* const f =
      message->GetDescriptor()->FindFieldByName(field);
  if (f != nullptr) message->GetReflection()->SetBool(message, f, value);
}

void SetResource(Message* request, const Message& resource) {
  const google::protobuf::Descriptor& type = *request->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->message_type() == resource.GetDescriptor()) {
      request->GetReflection()
          ->MutableMessage(request, type.field(i))
          ->CopyFrom(resource);
    }
  }
}

// Random, so that a repeat by gRPC is the same request and no other one is.
std::string RequestId() {
  uint8_t bytes[16];
  SystemRandom random;
  random.Fill(absl::MakeSpan(bytes));
  return HexEncode(bytes);
}

absl::StatusOr<std::unique_ptr<Message>> Call(const Endpoint& endpoint,
                                              const MethodDescriptor& method,
                                              const Message& request) {
  std::unique_ptr<Message> answer = NewMessage(method.output_type());
  SP_RETURN_IF_ERROR(CallUnary(endpoint, method, request, answer.get()));
  return answer;
}

bool MayBeRetried(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// The same of a write with a request_id: where nobody can tell whether it was
// done, it is sent again, and is then done once.
absl::StatusOr<std::unique_ptr<Message>> CallWrite(
    const Endpoint& endpoint, const MethodDescriptor& method,
    const Message& request) {
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    auto answer = Call(endpoint, method, request);
    if (answer.ok() || !MayBeRetried(answer.status()) ||
        attempt == kWriteAttempts ||
        request.GetDescriptor()->FindFieldByName("request_id") == nullptr) {
      return answer;
    }
    absl::SleepFor(pause);
    pause *= 2;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Message>> GetResource(const Endpoint& endpoint,
                                                     const ResourceKind& kind,
                                                     const std::string& name) {
  if (kind.get == nullptr) return NoSuchMethod(kind, "get");
  const std::unique_ptr<Message> request = NewMessage(kind.get->input_type());
  SetText(request.get(), "name", name);
  return Call(endpoint, *kind.get, *request);
}

absl::StatusOr<ResourceList> ListResources(const Endpoint& endpoint,
                                           const ResourceKind& kind,
                                           const std::string& parent,
                                           const std::string& filter,
                                           size_t limit) {
  if (kind.list == nullptr) return NoSuchMethod(kind, "list");
  const std::unique_ptr<Message> request = NewMessage(kind.list->input_type());
  SetText(request.get(), "parent", parent);
  SetText(request.get(), "filter", filter);
  const FieldDescriptor* const size =
      request->GetDescriptor()->FindFieldByName("page_size");
  if (size != nullptr) {
    const size_t page = limit == 0 ? 1000 : std::min<size_t>(limit, 1000);
    request->GetReflection()->SetInt32(request.get(), size,
                                       static_cast<int32_t>(page));
  }
  ResourceList all;
  std::string token;
  do {
    SetText(request.get(), "page_token", token);
    SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> answer,
                        Call(endpoint, *kind.list, *request));
    const google::protobuf::Descriptor& type = *answer->GetDescriptor();
    const google::protobuf::Reflection& r = *answer->GetReflection();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* const field = type.field(i);
      if (!field->is_repeated() || field->message_type() != kind.message) {
        continue;
      }
      for (int j = 0; j < r.FieldSize(*answer, field); ++j) {
        std::unique_ptr<Message> one = NewMessage(kind.message);
        one->CopyFrom(r.GetRepeatedMessage(*answer, field, j));
        all.push_back(std::move(one));
        if (limit != 0 && all.size() == limit) return all;
      }
    }
    const FieldDescriptor* const next = type.FindFieldByName("next_page_token");
    token = next == nullptr ? "" : r.GetString(*answer, next);
  } while (!token.empty());
  return all;
}

absl::StatusOr<std::unique_ptr<Message>> CreateResource(
    const Endpoint& endpoint, const ResourceKind& kind, const Message& resource,
    bool validate_only) {
  if (kind.create == nullptr) return NoSuchMethod(kind, "create");
  const std::string name = resource.GetReflection()->GetString(
      resource, resource.GetDescriptor()->FindFieldByName("name"));
  const size_t last = name.rfind('/');
  const size_t before = last == std::string::npos || last == 0
                            ? std::string::npos
                            : name.rfind('/', last - 1);
  const std::unique_ptr<Message> request =
      NewMessage(kind.create->input_type());
  SetText(request.get(), "parent",
          before == std::string::npos ? "" : name.substr(0, before));
  SetText(request.get(), SnakeCase(kind.name) + "_id", ShortName(name));
  SetText(request.get(), "request_id", RequestId());
  SetBool(request.get(), "validate_only", validate_only);
  SetResource(request.get(), resource);
  return CallWrite(endpoint, *kind.create, *request);
}

absl::StatusOr<std::unique_ptr<Message>> UpdateResource(
    const Endpoint& endpoint, const ResourceKind& kind, const Message& resource,
    const std::vector<std::string>& fields, bool validate_only) {
  if (kind.update == nullptr) return NoSuchMethod(kind, "update");
  const std::unique_ptr<Message> request =
      NewMessage(kind.update->input_type());
  SetResource(request.get(), resource);
  SetText(request.get(), "request_id", RequestId());
  SetBool(request.get(), "validate_only", validate_only);
  google::protobuf::FieldMask mask;
  for (const std::string& field : fields) mask.add_paths(field);
  request->GetReflection()
      ->MutableMessage(request.get(),
                       request->GetDescriptor()->FindFieldByName("update_mask"))
      ->CopyFrom(mask);
  return CallWrite(endpoint, *kind.update, *request);
}

absl::StatusOr<std::unique_ptr<Message>> DeleteResource(
    const Endpoint& endpoint, const ResourceKind& kind, const std::string& name,
    bool allow_missing, bool validate_only) {
  if (kind.remove == nullptr) return NoSuchMethod(kind, "delete");
  const std::unique_ptr<Message> request =
      NewMessage(kind.remove->input_type());
  SetText(request.get(), "name", name);
  SetText(request.get(), "request_id", RequestId());
  SetBool(request.get(), "allow_missing", allow_missing);
  SetBool(request.get(), "validate_only", validate_only);
  return CallWrite(endpoint, *kind.remove, *request);
}

absl::StatusOr<std::unique_ptr<Message>> CallMethod(const Endpoint& endpoint,
                                                    const std::string& method,
                                                    Message& request) {
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  const MethodDescriptor* found = nullptr;
  for (const char* const service : ServiceFullNames()) {
    const auto* const one = type.file()->pool()->FindServiceByName(service);
    if (one != nullptr && ServiceNameOf(*one) == endpoint.service) {
      found = one->FindMethodByName(method);
    }
  }
  if (found == nullptr || found->input_type() != &type) {
    return MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_IN_API",
                     absl::StrCat("the API has no ", method));
  }
  if (type.FindFieldByName("request_id") != nullptr) {
    SetText(&request, "request_id", RequestId());
  }
  return CallWrite(endpoint, *found, request);
}

}  // namespace sallyport::cli
