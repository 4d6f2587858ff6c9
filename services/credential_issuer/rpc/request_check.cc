#include "services/credential_issuer/rpc/request_check.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/rpc/access_policy.h"
#include "services/credential_issuer/core/issue_policy.h"

namespace sallyport::credential_issuer {

absl::Status RequestInvalid(std::vector<FieldViolation> faults) {
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                   "the request is not valid", faults);
}

absl::StatusOr<std::string> TenantOfParent(const std::string& parent) {
  const std::string tenant(TenantOfName(parent));
  if (parent != absl::StrCat("tenants/", tenant) || !IsTenantId(tenant)) {
    return RequestInvalid({{"parent", "must be tenants/{tenant}"}});
  }
  return tenant;
}

absl::Status CheckText(const char* field, const std::string& text, size_t most,
                       bool required) {
  if (required && text.empty()) return RequestInvalid({{field, "is required"}});
  if (text.size() > most) {
    return RequestInvalid(
        {{field, absl::StrCat("must have at most ", most, " characters")}});
  }
  for (unsigned char c : text) {
    if (absl::ascii_iscntrl(c)) {
      return RequestInvalid({{field, "must not hold control characters"}});
    }
  }
  return absl::OkStatus();
}

}  // namespace sallyport::credential_issuer
