#include "services/media_relay/io/shared_bandwidth.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

std::unique_ptr<BandwidthShare> SharedBandwidth::ShareOf(
    std::string_view tenant, std::string_view subject, MonoTime now) {
  if (!limited_) return nullptr;
  absl::MutexLock lock(&mutex_);
  return ledger_.ShareOf(tenant, subject, now);
}

BandwidthLimits SharedBandwidth::LimitsOf(std::string_view tenant) {
  absl::MutexLock lock(&mutex_);
  return ledger_.LimitsOf(tenant);
}

void SharedBandwidth::SetTenants(std::shared_ptr<const TenantLimits> tenants) {
  absl::MutexLock lock(&mutex_);
  limited_ = own_limits_ || tenants->size() != 0;
  ledger_.SetTenants(std::move(tenants));
}

bool RelayThroughput::Report(size_t loop, uint64_t bytes_per_second) {
  if (limit_ == 0 || loop >= kMaxLoops) return false;
  loops_[loop].store(bytes_per_second, std::memory_order_relaxed);
  uint64_t all = 0;
  for (const std::atomic<uint64_t>& one : loops_) {
    all += one.load(std::memory_order_relaxed);
  }
  return all >= limit_;
}

}  // namespace sallyport::media_relay
