#include "services/media_relay/core/allocation_quota.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

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
  if (CountOf(tenants_, tenant_key) >= limits_.per_tenant ||
      CountOf(subjects_, subject_key) >= limits_.per_subject) {
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
