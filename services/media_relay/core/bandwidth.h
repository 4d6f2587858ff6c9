// How many octets a second allocations may carry: each one, all of a subject
// and all of a tenant, in each direction.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_BANDWIDTH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_BANDWIDTH_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

// Payload octets a second, each way; 0: no bound. A quarter of a second's worth
// may come at once, and never less than two of the longest datagrams.
struct BandwidthLimits {
  uint64_t per_allocation = 0;
  uint64_t per_subject = 0;
  uint64_t per_tenant = 0;

  bool any() const {
    return per_allocation != 0 || per_subject != 0 || per_tenant != 0;
  }
  friend bool operator==(const BandwidthLimits&,
                         const BandwidthLimits&) = default;
};

enum class TrafficDirection : uint8_t { kToPeers, kToClient };

// A token bucket, kept by the instant at which it will be full again (GCRA over
// octets). One atomic word, as loops share those of subjects and tenants.
// Thread-safe.
class RateBucket {
 public:
  // 0: everything is granted.
  explicit RateBucket(uint64_t bytes_per_second);

  // All of `bytes` or nothing.
  bool Take(size_t bytes, MonoTime now);
  // Undoes a Take(), of which nothing came.
  void GiveBack(size_t bytes);
  // Takes them whatever is left; returns how long to wait before more.
  absl::Duration Charge(size_t bytes, MonoTime now);
  bool IsFull(MonoTime now) const;
  // Would a datagram of ordinary size find nothing?
  bool IsExhausted(MonoTime now) const;

 private:
  int64_t CostOf(size_t bytes) const;

  const uint64_t rate_;
  const int64_t depth_;                    // nanoseconds of burst
  std::atomic<int64_t> full_ = INT64_MIN;  // nanoseconds since the origin
};

// One of each direction. Thread-safe.
struct RateBuckets {
  explicit RateBuckets(uint64_t bytes_per_second)
      : rate(bytes_per_second),
        to_peers(bytes_per_second),
        to_client(bytes_per_second) {}
  RateBucket& Of(TrafficDirection direction) {
    return direction == TrafficDirection::kToPeers ? to_peers : to_client;
  }

  const uint64_t rate;
  RateBucket to_peers;
  RateBucket to_client;
};

// What one allocation may carry. Thread-compatible; what it shares with others
// is Thread-safe.
class BandwidthShare {
 public:
  BandwidthShare(const BandwidthLimits& limits,
                 std::shared_ptr<RateBuckets> subject,
                 std::shared_ptr<RateBuckets> tenant);

  const BandwidthLimits& limits() const { return limits_; }

  // kNone, or whose bound was reached; nothing is counted then.
  DropReason Take(TrafficDirection direction, size_t bytes, MonoTime now);
  // Of octets that cannot be dropped: how long to wait before more.
  absl::Duration Charge(TrafficDirection direction, size_t bytes, MonoTime now);
  // Has the subject or the tenant nothing left in a direction?
  bool IsExhausted(MonoTime now) const;

 private:
  const BandwidthLimits limits_;
  RateBuckets own_;
  std::shared_ptr<RateBuckets> subject_;
  std::shared_ptr<RateBuckets> tenant_;
};

// Where allocations get their shares. Asked once for each allocation, never for
// a packet. Thread-compatible; an implementation may promise more.
class BandwidthLedger {
 public:
  virtual ~BandwidthLedger() = default;

  // Null: nothing is limited.
  virtual std::unique_ptr<BandwidthShare> ShareOf(std::string_view tenant,
                                                  std::string_view subject,
                                                  MonoTime now) = 0;
  // What holds for a tenant now.
  virtual BandwidthLimits LimitsOf(std::string_view tenant) = 0;
};

// Of a relay with a single loop. Keeps the buckets of those alone that have
// allocations or had them just now. Thread-compatible.
class LocalBandwidth final : public BandwidthLedger {
 public:
  explicit LocalBandwidth(const BandwidthLimits& limits) : limits_(limits) {}

  std::unique_ptr<BandwidthShare> ShareOf(std::string_view tenant,
                                          std::string_view subject,
                                          MonoTime now) override;
  BandwidthLimits LimitsOf(std::string_view tenant) override;
  // What holds for single tenants instead, from the next ShareOf() on. Shares
  // that are out keep what they were given.
  void SetTenants(std::shared_ptr<const TenantLimits> tenants) {
    overrides_ = std::move(tenants);
  }
  // Buckets kept, those that nobody needs any more included.
  size_t size() const { return buckets_.size(); }

 private:
  std::shared_ptr<RateBuckets> Find(std::string key, uint64_t rate,
                                    MonoTime now);

  const BandwidthLimits limits_;
  std::shared_ptr<const TenantLimits> overrides_;  // null: none
  absl::flat_hash_map<std::string, std::shared_ptr<RateBuckets>> buckets_;
  size_t swept_at_ = 64;  // how many there are when it is swept next
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_BANDWIDTH_H_
