#include "services/media_relay/core/allocation_quota.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {
namespace {

using Counts = absl::flat_hash_map<std::string, size_t>;

std::string SubjectKey(std::string_view tenant, std::string_view subject) {
  // Tenant ids hold no NUL, so the pair is unambiguous.
  std::string key(tenant);
  key.push_back('\0');
  key.append(subject);
  return key;
}

size_t CountOf(const Counts& counts, const std::string& key) {
  const auto it = counts.find(key);
  return it == counts.end() ? 0 : it->second;
}

void Decrement(Counts& counts, const std::string& key) {
  const auto it = counts.find(key);
  if (it != counts.end() && --it->second == 0) counts.erase(it);
}

}  // namespace

bool QuotaCounts::Take(std::string_view tenant, std::string_view subject) {
  const std::string tenant_key(tenant);
  const std::string subject_key = SubjectKey(tenant, subject);
  const TenantLimit own =
      overrides_ == nullptr ? TenantLimit() : overrides_->Of(tenant);
  const auto or_own = [](size_t limit, size_t instead) {
    return instead == 0 ? limit : instead;
  };
  if (CountOf(tenants_, tenant_key) >=
          or_own(limits_.per_tenant, own.max_allocations) ||
      CountOf(subjects_, subject_key) >=
          or_own(limits_.per_subject, own.max_allocations_per_subject)) {
    return false;
  }
  ++tenants_[tenant_key];
  ++subjects_[subject_key];
  return true;
}

void QuotaCounts::GiveBack(std::string_view tenant, std::string_view subject) {
  Decrement(tenants_, std::string(tenant));
  Decrement(subjects_, SubjectKey(tenant, subject));
}

QuotaVerdict LocalQuota::Take(std::string_view tenant,
                              std::string_view subject) {
  if (!counts_.Take(tenant, subject)) return QuotaVerdict::kQuotaReached;
  if (all_ >= limits_.all) {
    counts_.GiveBack(tenant, subject);
    return QuotaVerdict::kCapacityReached;
  }
  ++all_;
  return QuotaVerdict::kGranted;
}

void LocalQuota::GiveBack(std::string_view tenant, std::string_view subject) {
  --all_;
  counts_.GiveBack(tenant, subject);
}

}  // namespace sallyport::media_relay
