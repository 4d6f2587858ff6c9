// Who calls: a service of ours or an operator, as its certificate says.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_CALLER_IDENTITY_H_
#define SALLYPORT_SERVICES_COMMON_RPC_CALLER_IDENTITY_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace sallyport {

// Each includes the one before. kNone: refused.
enum class OperatorRole { kNone, kViewer, kOperator, kAdmin };

std::string_view OperatorRoleName(OperatorRole role);

// A SPIFFE ID of ours, taken apart.
struct SpiffeId {
  bool is_operator = false;
  std::string name;  // "dialplan", or the operator's name

  friend bool operator==(const SpiffeId&, const SpiffeId&) = default;
};

// Reads spiffe://<trust_domain>/<service> or
// spiffe://<trust_domain>/operator/<name>, octet for octet: no upper case in
// the scheme or trust domain, no query, no fragment, no percent-encoding, no
// empty or dot segment. UNAUTHENTICATED, PEER_IDENTITY_MISMATCH otherwise.
absl::StatusOr<SpiffeId> ParseSpiffeId(std::string_view uri,
                                       std::string_view trust_domain);

// spiffe://<trust_domain>/<service>.
std::string ServiceSpiffeId(std::string_view trust_domain,
                            std::string_view service);

// A verified caller. Only AccessPolicy makes one from a connection; tests make
// them by Service() and Operator(). Immutable.
class CallerIdentity {
 public:
  using Roles = std::map<std::string, OperatorRole, std::less<>>;

  static CallerIdentity Service(std::string name) {
    return CallerIdentity(false, std::move(name), {});
  }
  // `roles` by tenant id; "*" counts for every tenant.
  static CallerIdentity Operator(std::string name, Roles roles) {
    return CallerIdentity(true, std::move(name), std::move(roles));
  }

  bool is_service() const { return !is_operator_; }
  bool is_operator() const { return is_operator_; }
  const std::string& name() const { return name_; }
  // "service dialplan" or "operator ann", for audit lines.
  std::string ToString() const;

  // The operator's role in `tenant`; kNone for a service, whose rights are by
  // method alone. An empty tenant is what belongs to none: only "*" counts.
  OperatorRole RoleIn(std::string_view tenant) const;
  // The highest in any tenant.
  OperatorRole HighestRole() const;

 private:
  CallerIdentity(bool is_operator, std::string name, Roles roles)
      : is_operator_(is_operator),
        name_(std::move(name)),
        roles_(std::move(roles)) {}

  bool is_operator_;
  std::string name_;
  Roles roles_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_CALLER_IDENTITY_H_
