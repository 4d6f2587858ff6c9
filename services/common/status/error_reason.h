// Errors that carry a stable reason, for whatever leaves a service.
//
// The reason and the field violations travel as payloads of absl::Status.
// status_grpc turns them into google.rpc.ErrorInfo and BadRequest; here there
// is no protobuf, so that cores may use it.

#ifndef SALLYPORT_SERVICES_COMMON_STATUS_ERROR_REASON_H_
#define SALLYPORT_SERVICES_COMMON_STATUS_ERROR_REASON_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace sallyport {

// One wrong field of a request: `field` is its path ("server.listen_port"),
// `description` says what is wrong, and never quotes a secret.
struct FieldViolation {
  std::string field;
  std::string description;

  friend bool operator==(const FieldViolation&,
                         const FieldViolation&) = default;
};

// An error with `reason`, which is UPPER_SNAKE_CASE ([A-Z][A-Z0-9_]*, checked)
// and never changes once released. `code` is not kOk (checked).
absl::Status MakeError(absl::StatusCode code, std::string_view reason,
                       std::string_view message);

// The same, naming every wrong field at once.
absl::Status MakeError(absl::StatusCode code, std::string_view reason,
                       std::string_view message,
                       absl::Span<const FieldViolation> violations);

// The reason `status` was made with; empty if it has none.
std::string ReasonOf(const absl::Status& status);

// The violations `status` was made with; empty if it has none.
std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_STATUS_ERROR_REASON_H_
