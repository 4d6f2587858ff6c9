#include "services/media_relay/io/shared_quota.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/synchronization/mutex.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

SharedQuota::SharedQuota(const AllocationLimits& limits) : limits_(limits) {
  for (std::unique_ptr<Shard>& shard : shards_) {
    shard = std::make_unique<Shard>(limits);
  }
}

SharedQuota::Shard& SharedQuota::ShardOf(std::string_view tenant) {
  return *shards_[std::hash<std::string_view>()(tenant) % shards_.size()];
}

QuotaVerdict SharedQuota::Take(std::string_view tenant,
                               std::string_view subject) {
  Shard& shard = ShardOf(tenant);
  absl::MutexLock lock(&shard.mutex);
  if (!shard.counts.Take(tenant, subject)) return QuotaVerdict::kQuotaReached;
  if (all_.fetch_add(1, std::memory_order_relaxed) >= limits_.all) {
    all_.fetch_sub(1, std::memory_order_relaxed);
    shard.counts.GiveBack(tenant, subject);
    return QuotaVerdict::kCapacityReached;
  }
  return QuotaVerdict::kGranted;
}

void SharedQuota::GiveBack(std::string_view tenant, std::string_view subject) {
  Shard& shard = ShardOf(tenant);
  absl::MutexLock lock(&shard.mutex);
  all_.fetch_sub(1, std::memory_order_relaxed);
  shard.counts.GiveBack(tenant, subject);
}

void SharedQuota::SetTenants(
    const std::shared_ptr<const TenantLimits>& tenants) {
  for (const std::unique_ptr<Shard>& shard : shards_) {
    absl::MutexLock lock(&shard->mutex);
    shard->counts.SetTenants(tenants);
  }
}

}  // namespace sallyport::media_relay
