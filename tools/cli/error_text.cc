#include "tools/cli/error_text.h"

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

constexpr char kUsageReason[] = "USAGE";

// What an operator can do about it; empty where nothing general can be said.
std::string Advice(const absl::Status& status, const std::string& reason) {
  if (reason == "CALLER_NOT_ACCEPTED" || reason == "ROLE_TOO_LOW" ||
      reason == "TENANT_NOT_ALLOWED") {
    return "the service's server.role_bindings must give your identity that "
           "role in that tenant";
  }
  if (reason == "ETAG_MISMATCH") {
    return "someone else changed it: get it again, change, write again";
  }
  if (reason == "TLS_FILE_UNUSABLE") {
    return "check the paths under tls in your configuration";
  }
  if (reason == "SERVICE_NOT_CONFIGURED") {
    return "add its target to your configuration";
  }
  if (status.code() == absl::StatusCode::kUnavailable) {
    return "the service is not there, or one side refused the other's "
           "certificate: run `sallyport doctor`";
  }
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    return "no answer in time: run `sallyport doctor`";
  }
  return "";
}

}  // namespace

absl::Status UsageError(const std::string& message) {
  return MakeError(absl::StatusCode::kInvalidArgument, kUsageReason, message);
}

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  return ReasonOf(status) == kUsageReason ? kExitUsage : kExitFailed;
}

std::string ErrorText(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string message(status.message().data(), status.message().size());
  std::string text =
      absl::StrCat("sallyport: ", message.empty() ? code : Printable(message));
  if (reason != kUsageReason) {
    absl::StrAppend(&text, " [", reason.empty() ? code : reason, "]");
  }
  absl::StrAppend(&text, "\n");
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    absl::StrAppend(&text, "  ", Printable(violation.field), ": ",
                    Printable(violation.description), "\n");
  }
  const std::string advice = Advice(status, reason);
  if (!advice.empty()) absl::StrAppend(&text, "  -> ", advice, "\n");
  return text;
}

}  // namespace sallyport::cli
