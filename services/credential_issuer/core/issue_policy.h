// What may be asked for.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUE_POLICY_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUE_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/mono_time.h"
#include "services/credential_issuer/core/key_ring.h"

namespace sallyport::credential_issuer {

struct IssueRequest {
  std::string tenant;       // id
  std::string subject;      // who; 1 to 128 characters
  absl::Duration lifetime;  // zero: the default
};

// What holds for one tenant instead; zero: as for all.
struct TenantPolicy {
  bool disabled = false;
  absl::Duration max_lifetime;
  absl::Duration default_lifetime;
  uint32_t per_second = 0;
};

struct IssueLimits {
  absl::Duration max_lifetime = kMaxCredentialLifetime;
  absl::Duration default_lifetime = absl::Hours(1);
  // Of one tenant in a second, of one subject in a minute.
  uint32_t per_tenant_second = 1000;
  uint32_t per_subject_minute = 60;
  // Of one caller in a second.
  uint32_t per_caller_second = 10'000;
  std::map<std::string, TenantPolicy, std::less<>> tenants;
};

// How long a credential of `tenant` asked for with `asked` lives: longer than
// the maximum is clamped (AVE-18), zero is the default. Pure.
absl::Duration LifetimeFor(const IssueLimits& limits, std::string_view tenant,
                           absl::Duration asked);

// PERMISSION_DENIED with TENANT_DISABLED. Pure.
absl::Status CheckTenantEnabled(const IssueLimits& limits,
                                std::string_view tenant);

// INVALID_ARGUMENT with REQUEST_INVALID, naming every wrong field. Pure.
absl::Status CheckIssueRequest(const IssueRequest& request);

// Tenant ids: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter
// or digit.
bool IsTenantId(std::string_view id);

// Bounds how fast credentials are made, in fixed memory. Thread-compatible.
class IssueRate {
 public:
  IssueRate(const IssueLimits& limits, RandomSource& random);

  // RESOURCE_EXHAUSTED with RATE_LIMITED when the caller, the tenant or the
  // subject asks too often.
  absl::Status Take(std::string_view caller, const IssueRequest& request,
                    MonoTime now);

 private:
  static constexpr size_t kCallers = 256;
  static constexpr size_t kTenants = 4096;
  static constexpr size_t kSubjects = 1 << 16;

  // Of a tenant with a rate of its own.
  struct OwnRate {
    GcraLimit limit;
    MonoTime arrival = MonoTime::InfinitePast();
  };

  GcraDecision TakeTenant(const std::string& tenant, MonoTime now);

  GcraTable callers_;
  GcraTable tenants_;
  std::map<std::string, OwnRate, std::less<>> own_rates_;
  GcraTable subjects_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_ISSUE_POLICY_H_
