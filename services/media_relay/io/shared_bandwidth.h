// Bandwidth that the allocations of all loops share.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_BANDWIDTH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_BANDWIDTH_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

// Locked for each allocation that is made; packets take from the shares
// themselves. Thread-safe.
class SharedBandwidth final : public BandwidthLedger {
 public:
  explicit SharedBandwidth(const BandwidthLimits& limits)
      : own_limits_(limits.any()), limited_(limits.any()), ledger_(limits) {}

  std::unique_ptr<BandwidthShare> ShareOf(std::string_view tenant,
                                          std::string_view subject,
                                          MonoTime now) override;
  BandwidthLimits LimitsOf(std::string_view tenant) override;
  // See LocalBandwidth.
  void SetTenants(std::shared_ptr<const TenantLimits> tenants);

 private:
  const bool own_limits_;
  std::atomic<bool> limited_;
  absl::Mutex mutex_;
  LocalBandwidth ledger_ ABSL_GUARDED_BY(mutex_);
};

// What all loops send, told by each once a second. Thread-safe.
class RelayThroughput {
 public:
  static constexpr size_t kMaxLoops = 256;

  // 0: no bound.
  explicit RelayThroughput(uint64_t max_bytes_per_second)
      : limit_(max_bytes_per_second) {}

  // True when all together are at the bound. Loops beyond kMaxLoops do not
  // count.
  bool Report(size_t loop, uint64_t bytes_per_second);

 private:
  const uint64_t limit_;
  std::array<std::atomic<uint64_t>, kMaxLoops> loops_ = {};
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_SHARED_BANDWIDTH_H_
