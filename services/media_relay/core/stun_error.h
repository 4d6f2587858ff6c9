// The STUN error codes that this relay answers with, and the one table from a
// Status to such a code (RFC 8489 section 14.8, RFC 8656 section 19).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_ERROR_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_ERROR_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace sallyport::media_relay {

enum class StunError : uint16_t {
  kNone = 0,  // no error
  kTryAlternate = 300,
  kBadRequest = 400,
  kUnauthenticated = 401,
  kForbidden = 403,
  kUnknownAttribute = 420,
  kIntegrityCheckFailure = 431,  // MS-TURN
  kAllocationMismatch = 437,
  kStaleNonce = 438,
  kAddressFamilyNotSupported = 440,
  kWrongCredentials = 441,
  kUnsupportedTransport = 442,
  kPeerAddressFamilyMismatch = 443,
  kConnectionAlreadyExists = 446,  // RFC 6062
  kConnectionTimeoutOrFailure = 447,
  kAllocationQuotaReached = 486,
  kRoleConflict = 487,  // RFC 8445 section 16.2
  kServerError = 500,
  kInsufficientCapacity = 508,
};

// The metric label: "bad_request". Stable.
std::string_view StunErrorName(StunError error);

// What a failure of ours becomes on the wire. OK has no code and must not be
// given; a code without a meaning in TURN becomes 500.
StunError StunErrorFrom(const absl::Status& status);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_ERROR_H_
