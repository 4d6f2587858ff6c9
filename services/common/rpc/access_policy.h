// Which caller may call which method. Enforced by GrpcServer before any
// handler runs; handlers add the check of the tenant, which only they know.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_ACCESS_POLICY_H_
#define SALLYPORT_SERVICES_COMMON_RPC_ACCESS_POLICY_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/server_context.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/rpc/caller_identity.h"

namespace sallyport {

// Who may call one method.
struct MethodRule {
  // "/sallyport.dialplan.v1.DialplanService/GetPeer".
  std::string method;
  // Services accepted, such as "signaling_edge".
  std::vector<std::string> services;
  // Lowest operator role accepted; kNone: no operator.
  OperatorRole operator_role = OperatorRole::kNone;
};

// Immutable, so thread-safe.
class AccessPolicy {
 public:
  // `rules` must name every method of each service that one of them names, and
  // nothing that is not in a linked proto: INVALID_ARGUMENT lists what is
  // missing, unknown or double. Health and reflection are listed by itself,
  // for any verified caller, and so is what the process says of itself
  // (sallyport.common.v1), for operators.
  static absl::StatusOr<AccessPolicy> Create(
      const common::config::v1::ServerConfig& config,
      const std::vector<MethodRule>& rules);

  // Who is at the other end. UNAUTHENTICATED with PEER_CERTIFICATE_MISSING or
  // PEER_IDENTITY_MISMATCH (no URI SAN, several, or not one of ours).
  absl::StatusOr<CallerIdentity> Identify(
      const grpc::AuthContext& context) const;
  // The same of a verified client certificate with these URI SANs.
  absl::StatusOr<CallerIdentity> Identify(
      absl::Span<const std::string> uris) const;

  // May `caller` call `method` at all, in some tenant? PERMISSION_DENIED with
  // METHOD_NOT_LISTED, CALLER_NOT_ACCEPTED or ROLE_TOO_LOW.
  absl::Status CheckMethod(const CallerIdentity& caller,
                           std::string_view method) const;

  // The same for a request about `tenant` (its id; empty for what belongs to
  // no tenant). PERMISSION_DENIED with TENANT_NOT_ALLOWED too.
  absl::Status CheckTenant(const CallerIdentity& caller,
                           std::string_view method,
                           std::string_view tenant) const;

  // For handlers: Identify, then CheckTenant.
  absl::StatusOr<CallerIdentity> Authorize(
      const grpc::ServerContextBase& context, std::string_view method,
      std::string_view tenant) const;

  // All methods of the rules, sorted; the label list of rpc metrics.
  const std::vector<std::string>& methods() const { return methods_; }

 private:
  struct Rule {
    std::vector<std::string> services;
    OperatorRole operator_role;
    bool any_verified = false;
  };

  const Rule* Find(std::string_view method) const;

  std::string trust_domain_;
  std::map<std::string, CallerIdentity::Roles> roles_by_operator_;
  absl::flat_hash_map<std::string, Rule> rules_;
  std::vector<std::string> methods_;
};

// "a" of "tenants/a/peers/b"; empty when the name begins with no tenant.
std::string_view TenantOfName(std::string_view name);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_ACCESS_POLICY_H_
