// The quotas of the whole process, asked by every loop.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_QUOTA_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_QUOTA_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

// Counts in shards by tenant, so that loops seldom meet. Thread-safe.
class SharedQuota final : public AllocationQuota {
 public:
  explicit SharedQuota(const AllocationLimits& limits);

  QuotaVerdict Take(std::string_view tenant, std::string_view subject) override;
  void GiveBack(std::string_view tenant, std::string_view subject) override;
  // What single tenants may have instead, from now on.
  void SetTenants(const std::shared_ptr<const TenantLimits>& tenants);

 private:
  struct Shard {
    explicit Shard(const AllocationLimits& limits) : counts(limits) {}
    absl::Mutex mutex;
    QuotaCounts counts ABSL_GUARDED_BY(mutex);
  };
  Shard& ShardOf(std::string_view tenant);

  const AllocationLimits limits_;
  std::atomic<size_t> all_ = 0;
  std::array<std::unique_ptr<Shard>, 16> shards_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_QUOTA_H_
