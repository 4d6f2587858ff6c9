#include "tools/cli/service_status.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MethodDescriptor;

const MethodDescriptor* StatusMethod(const std::string& service) {
  for (const ResourceKind& kind : ResourceKinds()) {
    if (kind.service != service) continue;
    const MethodDescriptor* const method =
        kind.get != nullptr ? kind.get : kind.list;
    if (method != nullptr) {
      return method->service()->FindMethodByName("GetStatus");
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Message>> GetServiceStatus(
    const Endpoint& endpoint) {
  const MethodDescriptor* const method = StatusMethod(endpoint.service);
  if (method == nullptr) {
    return MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_IN_API",
                     absl::StrCat(endpoint.service, " has no GetStatus"));
  }
  std::unique_ptr<Message> answer = NewMessage(method->output_type());
  SP_RETURN_IF_ERROR(CallUnary(
      endpoint, *method, *NewMessage(method->input_type()), answer.get()));
  return answer;
}

type::v1::ServiceInfo InfoOf(const Message& status) {
  type::v1::ServiceInfo info;
  const FieldDescriptor* const field =
      status.GetDescriptor()->FindFieldByName("info");
  if (field != nullptr && field->message_type() == info.GetDescriptor()) {
    info.CopyFrom(status.GetReflection()->GetMessage(status, field));
  }
  return info;
}

absl::Status PrintStatus(CliContext& context) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  bool failed = false;
  std::vector<std::string> members;
  std::string text;
  for (const char* const service : kServiceNames) {
    const auto endpoints = clients->All(service);
    if (!endpoints.ok()) continue;
    for (size_t i = 0; i < endpoints->size(); ++i) {
      const std::string key =
          i == 0 ? service : absl::StrCat(service, "[", i, "]");
      const auto status = GetServiceStatus((*endpoints)[i]);
      if (!status.ok()) {
        context.err() << key << " at " << (*endpoints)[i].target << ":\n"
                      << ErrorText(status.status());
        failed = true;
        continue;
      }
      members.push_back(absl::StrCat("\"", key, "\": ", ToJson(**status)));
      absl::StrAppend(&text, "--- ", key, "\n",
                      RenderOne(**status, context.format, ""));
    }
  }
  if (context.format == OutputFormat::kJson) {
    context.out() << "{" << absl::StrJoin(members, ",\n") << "}\n";
  } else {
    context.out() << text;
  }
  if (!failed) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "STATUS_INCOMPLETE",
                   "not every service answered");
}

}  // namespace sallyport::cli
