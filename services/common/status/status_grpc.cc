#include "services/common/status/status_grpc.h"

#include <string>
#include <string_view>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr char kInternalText[] = "internal error";
// Octets of field violations: gRPC carries 8 KiB of metadata, and the details
// travel in base64 beside the message.
constexpr size_t kMaxViolations = 4000;

bool StaysInside(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal ||
         code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

bool IsReason(std::string_view text) {
  if (text.empty() || text[0] < 'A' || text[0] > 'Z') return false;
  for (char c : text) {
    if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) {
      return false;
    }
  }
  return true;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  if (!IsReason(reason)) reason = "UNKNOWN";
  std::string message(status.message());
  if (StaysInside(status.code())) {
    SALLYPORT_LOG_LIMITED(kError, "internal error answered",
                          {{"reason", reason}, {"error", status}});
    message = kInternalText;
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kErrorDomain);
  details.add_details()->PackFrom(info);
  const std::vector<FieldViolation> violations = FieldViolationsOf(status);
  if (!violations.empty()) {
    google::rpc::BadRequest bad;
    size_t octets = 0;
    for (const FieldViolation& violation : violations) {
      octets += violation.field.size() + violation.description.size();
      auto* const out = bad.add_field_violations();
      out->set_field(violation.field);
      if (octets > kMaxViolations) {
        const auto told = static_cast<size_t>(bad.field_violations_size() - 1);
        out->set_description("and " + std::to_string(violations.size() - told) +
                             " more that do not fit");
        break;
      }
      out->set_description(violation.description);
    }
    details.add_details()->PackFrom(bad);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int raw = static_cast<int>(status.error_code());
  const absl::StatusCode code =
      raw > 0 && raw <= static_cast<int>(absl::StatusCode::kUnauthenticated)
          ? static_cast<absl::StatusCode>(raw)
          : absl::StatusCode::kUnknown;
  std::string reason;
  std::string message = status.error_message();
  std::vector<FieldViolation> violations;
  google::rpc::Status details;
  if (!status.error_details().empty() &&
      details.ParseFromString(status.error_details())) {
    for (const auto& any : details.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::BadRequest bad;
      if (any.UnpackTo(&info) && info.domain() == kErrorDomain) {
        reason = info.reason();
      } else if (any.UnpackTo(&bad)) {
        for (const auto& v : bad.field_violations()) {
          violations.push_back({v.field(), v.description()});
        }
      }
    }
  } else if (code == absl::StatusCode::kPermissionDenied ||
             code == absl::StatusCode::kUnauthenticated) {
    const size_t colon = message.find(": ");
    if (colon != std::string::npos && IsReason(message.substr(0, colon))) {
      reason = message.substr(0, colon);
      message = message.substr(colon + 2);
    }
  }
  if (!IsReason(reason)) return absl::Status(code, message);
  return MakeError(code, reason, message, violations);
}

}  // namespace sallyport
