// What every request is checked for.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_REQUEST_CHECK_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_REQUEST_CHECK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {

inline constexpr size_t kMaxRequestId = 64;
// Of reasons, sites and tokens.
inline constexpr size_t kMaxReason = 256;

// INVALID_ARGUMENT with REQUEST_INVALID.
absl::Status RequestInvalid(std::vector<FieldViolation> faults);

// "a" of "tenants/a" and nothing else.
absl::StatusOr<std::string> TenantOfParent(const std::string& parent);

// At most `most` characters, and no control characters among them.
absl::Status CheckText(const char* field, const std::string& text, size_t most,
                       bool required);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_REQUEST_CHECK_H_
