#include "services/credential_issuer/core/issue_policy.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {
namespace {

constexpr size_t kMaxSubject = 128;

absl::Status TooFast(const char* who, absl::Duration wait) {
  return MakeError(absl::StatusCode::kResourceExhausted, "RATE_LIMITED",
                   absl::StrCat("too many credentials for this ", who,
                                "; try again in ", absl::FormatDuration(wait)));
}

}  // namespace

absl::Duration LifetimeFor(const IssueLimits& limits, std::string_view tenant,
                           absl::Duration asked) {
  absl::Duration longest = limits.max_lifetime;
  absl::Duration usual = limits.default_lifetime;
  const auto own = limits.tenants.find(tenant);
  if (own != limits.tenants.end()) {
    const TenantPolicy& policy = own->second;
    if (policy.max_lifetime != absl::ZeroDuration()) {
      longest = policy.max_lifetime;
    }
    if (policy.default_lifetime != absl::ZeroDuration()) {
      usual = policy.default_lifetime;
    }
  }
  return std::min({asked == absl::ZeroDuration() ? usual : asked, longest,
                   kMaxCredentialLifetime});
}

absl::Status CheckTenantEnabled(const IssueLimits& limits,
                                std::string_view tenant) {
  const auto own = limits.tenants.find(tenant);
  if (own == limits.tenants.end() || !own->second.disabled) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kPermissionDenied, "TENANT_DISABLED",
                   "no credentials are issued to this tenant");
}

bool IsTenantId(std::string_view id) {
  if (id.empty() || id.size() > 63) return false;
  if (id.front() == '-' || id.back() == '-') return false;
  return std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

absl::Status CheckIssueRequest(const IssueRequest& request) {
  std::vector<FieldViolation> faults;
  if (!IsTenantId(request.tenant)) {
    faults.push_back({"parent", "must be tenants/{tenant}"});
  }
  if (request.subject.empty() || request.subject.size() > kMaxSubject) {
    faults.push_back({"subject", "must have 1 to 128 characters"});
  } else if (std::any_of(
                 request.subject.begin(), request.subject.end(),
                 [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    faults.push_back({"subject", "must not hold control characters"});
  }
  if (request.lifetime < absl::ZeroDuration()) {
    faults.push_back({"lifetime", "must not be negative"});
  } else if (request.lifetime != absl::ZeroDuration() &&
             request.lifetime < absl::Seconds(1)) {
    faults.push_back({"lifetime", "must be at least one second"});
  }
  if (faults.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                   "the request is not valid", faults);
}

IssueRate::IssueRate(const IssueLimits& limits, RandomSource& random)
    : callers_(GcraLimit::PerSecond(limits.per_caller_second,
                                    std::max(1u, limits.per_caller_second)),
               kCallers, random),
      tenants_(GcraLimit::PerSecond(limits.per_tenant_second,
                                    std::max(1u, limits.per_tenant_second)),
               kTenants, random),
      subjects_(GcraLimit::PerSecond(limits.per_subject_minute / 60.0,
                                     std::max(1u, limits.per_subject_minute)),
                kSubjects, random) {
  for (const auto& [tenant, policy] : limits.tenants) {
    if (policy.per_second == 0) continue;
    own_rates_[tenant].limit =
        GcraLimit::PerSecond(policy.per_second, policy.per_second);
  }
}

GcraDecision IssueRate::TakeTenant(const std::string& tenant, MonoTime now) {
  const auto own = own_rates_.find(tenant);
  if (own == own_rates_.end()) return tenants_.Take(AsBytes(tenant), now);
  return TakeGcra(own->second.limit, own->second.arrival, now);
}

absl::Status IssueRate::Take(std::string_view caller,
                             const IssueRequest& request, MonoTime now) {
  // The subject first: one that is refused takes nothing from its tenant.
  const std::string subject =
      absl::StrCat(request.tenant, "/", request.subject);
  const GcraDecision by_subject = subjects_.Take(AsBytes(subject), now);
  if (!by_subject) return TooFast("subject", by_subject.retry_after);
  const GcraDecision by_tenant = TakeTenant(request.tenant, now);
  if (!by_tenant) return TooFast("tenant", by_tenant.retry_after);
  const GcraDecision by_caller = callers_.Take(AsBytes(caller), now);
  if (!by_caller) return TooFast("caller", by_caller.retry_after);
  return absl::OkStatus();
}

}  // namespace sallyport::credential_issuer
