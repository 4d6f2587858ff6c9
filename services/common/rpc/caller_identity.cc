#include "services/common/rpc/caller_identity.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::string_view kOperatorFolder = "operator/";

// One path segment of SPIFFE-ID section 2.2, at most 255 octets.
bool IsSegment(std::string_view segment) {
  if (segment.empty() || segment.size() > 255) return false;
  if (segment == "." || segment == "..") return false;
  return std::all_of(segment.begin(), segment.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

absl::Status Mismatch(std::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, "PEER_IDENTITY_MISMATCH",
                   message);
}

}  // namespace

std::string_view OperatorRoleName(OperatorRole role) {
  switch (role) {
    case OperatorRole::kViewer:
      return "viewer";
    case OperatorRole::kOperator:
      return "operator";
    case OperatorRole::kAdmin:
      return "admin";
    case OperatorRole::kNone:
      break;
  }
  return "none";
}

absl::StatusOr<SpiffeId> ParseSpiffeId(std::string_view uri,
                                       std::string_view trust_domain) {
  if (uri.substr(0, kScheme.size()) != kScheme) {
    return Mismatch("the URI SAN is no SPIFFE ID");
  }
  uri.remove_prefix(kScheme.size());
  if (trust_domain.empty() || uri.size() <= trust_domain.size() ||
      uri.substr(0, trust_domain.size()) != trust_domain ||
      uri[trust_domain.size()] != '/') {
    return Mismatch("the SPIFFE ID is of another trust domain");
  }
  uri.remove_prefix(trust_domain.size() + 1);
  SpiffeId id;
  if (uri.substr(0, kOperatorFolder.size()) == kOperatorFolder) {
    id.is_operator = true;
    uri.remove_prefix(kOperatorFolder.size());
  }
  if (!IsSegment(uri) || (!id.is_operator && uri == "operator")) {
    return Mismatch("the SPIFFE ID names neither a service nor an operator");
  }
  id.name = std::string(uri);
  return id;
}

std::string ServiceSpiffeId(std::string_view trust_domain,
                            std::string_view service) {
  return absl::StrCat(AbslView(kScheme), AbslView(trust_domain), "/",
                      AbslView(service));
}

std::string CallerIdentity::ToString() const {
  return absl::StrCat(is_operator_ ? "operator " : "service ", name_);
}

OperatorRole CallerIdentity::RoleIn(std::string_view tenant) const {
  OperatorRole role = OperatorRole::kNone;
  if (const auto it = roles_.find("*"); it != roles_.end()) role = it->second;
  if (!tenant.empty()) {
    if (const auto it = roles_.find(tenant); it != roles_.end()) {
      role = std::max(role, it->second);
    }
  }
  return role;
}

OperatorRole CallerIdentity::HighestRole() const {
  OperatorRole role = OperatorRole::kNone;
  for (const auto& entry : roles_) role = std::max(role, entry.second);
  return role;
}

}  // namespace sallyport
