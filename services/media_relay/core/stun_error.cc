#include "services/media_relay/core/stun_error.h"

#include <string_view>

#include "absl/status/status.h"

namespace sallyport::media_relay {

std::string_view StunErrorName(StunError error) {
  switch (error) {
    case StunError::kNone:
      return "none";
    case StunError::kTryAlternate:
      return "try_alternate";
    case StunError::kBadRequest:
      return "bad_request";
    case StunError::kUnauthenticated:
      return "unauthenticated";
    case StunError::kForbidden:
      return "forbidden";
    case StunError::kUnknownAttribute:
      return "unknown_attribute";
    case StunError::kIntegrityCheckFailure:
      return "integrity_check_failure";
    case StunError::kAllocationMismatch:
      return "allocation_mismatch";
    case StunError::kStaleNonce:
      return "stale_nonce";
    case StunError::kAddressFamilyNotSupported:
      return "address_family_not_supported";
    case StunError::kWrongCredentials:
      return "wrong_credentials";
    case StunError::kUnsupportedTransport:
      return "unsupported_transport";
    case StunError::kPeerAddressFamilyMismatch:
      return "peer_address_family_mismatch";
    case StunError::kConnectionAlreadyExists:
      return "connection_already_exists";
    case StunError::kConnectionTimeoutOrFailure:
      return "connection_timeout_or_failure";
    case StunError::kAllocationQuotaReached:
      return "allocation_quota_reached";
    case StunError::kRoleConflict:
      return "role_conflict";
    case StunError::kServerError:
      return "server_error";
    case StunError::kInsufficientCapacity:
      return "insufficient_capacity";
  }
  return "server_error";
}

StunError StunErrorFrom(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return StunError::kBadRequest;
    case absl::StatusCode::kUnauthenticated:
      return StunError::kUnauthenticated;
    case absl::StatusCode::kPermissionDenied:
      return StunError::kForbidden;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
      return StunError::kAllocationMismatch;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return StunError::kInsufficientCapacity;
    default:
      return StunError::kServerError;
  }
}

}  // namespace sallyport::media_relay
