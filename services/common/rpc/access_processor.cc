#include "services/common/rpc/access_processor.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"

namespace sallyport {

grpc::Status AccessProcessor::Process(const InputMetadata& metadata,
                                      grpc::AuthContext* context,
                                      OutputMetadata* /*consumed_metadata*/,
                                      OutputMetadata* /*response_metadata*/) {
  std::string_view method;
  if (const auto it = metadata.find(":path"); it != metadata.end()) {
    method = std::string_view(it->second.data(), it->second.size());
  }
  absl::StatusOr<CallerIdentity> caller = policy_.Identify(*context);
  const absl::Status status =
      caller.ok() ? policy_.CheckMethod(*caller, method) : caller.status();
  if (status.ok()) return grpc::Status::OK;
  const std::string reason = ReasonOf(status);
  SALLYPORT_LOG_LIMITED(
      kWarning, "call refused",
      {{"reason", reason},
       {"caller", caller.ok() ? caller->ToString() : std::string("unknown")},
       {"method", method.substr(0, 200)}});
  return grpc::Status(
      static_cast<grpc::StatusCode>(status.code()),
      absl::StrCat(reason, ": ", std::string(status.message())));
}

}  // namespace sallyport
