#include "services/media_relay/core/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/bytes/string_view.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kOrdinaryDatagram = 1200;

int64_t Nanoseconds(MonoTime now) {
  return absl::ToInt64Nanoseconds(now.since_origin());
}

}  // namespace

RateBucket::RateBucket(uint64_t bytes_per_second)
    : rate_(bytes_per_second),
      depth_(rate_ == 0 ? 0
                        : std::max(kSecond / 4, CostOf(2 * kMaxPacketSize))) {}

int64_t RateBucket::CostOf(size_t bytes) const {
  // At least a nanosecond, so that no rate is beyond all bounds.
  const double cost = static_cast<double>(bytes) *
                      static_cast<double>(kSecond) / static_cast<double>(rate_);
  return std::max<int64_t>(1,
                           static_cast<int64_t>(std::min(cost, 1e6 * kSecond)));
}

bool RateBucket::Take(size_t bytes, MonoTime now) {
  if (rate_ == 0) return true;
  const int64_t time = Nanoseconds(now);
  const int64_t cost = CostOf(bytes);
  int64_t full = full_.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t next = std::max(full, time) + cost;
    if (next > time + depth_) return false;
    if (full_.compare_exchange_weak(full, next, std::memory_order_relaxed)) {
      return true;
    }
  }
}

void RateBucket::GiveBack(size_t bytes) {
  if (rate_ == 0) return;
  full_.fetch_sub(CostOf(bytes), std::memory_order_relaxed);
}

absl::Duration RateBucket::Charge(size_t bytes, MonoTime now) {
  if (rate_ == 0) return absl::ZeroDuration();
  const int64_t time = Nanoseconds(now);
  const int64_t cost = CostOf(bytes);
  int64_t full = full_.load(std::memory_order_relaxed);
  int64_t next;
  do {
    next = std::max(full, time) + cost;
  } while (!full_.compare_exchange_weak(full, next, std::memory_order_relaxed));
  return absl::Nanoseconds(std::max<int64_t>(0, next - time - depth_));
}

bool RateBucket::IsFull(MonoTime now) const {
  return full_.load(std::memory_order_relaxed) <= Nanoseconds(now);
}

bool RateBucket::IsExhausted(MonoTime now) const {
  if (rate_ == 0) return false;
  const int64_t time = Nanoseconds(now);
  return std::max(full_.load(std::memory_order_relaxed), time) +
             CostOf(kOrdinaryDatagram) >
         time + depth_;
}

BandwidthShare::BandwidthShare(const BandwidthLimits& limits,
                               std::shared_ptr<RateBuckets> subject,
                               std::shared_ptr<RateBuckets> tenant)
    : limits_(limits),
      own_(limits.per_allocation),
      subject_(std::move(subject)),
      tenant_(std::move(tenant)) {}

DropReason BandwidthShare::Take(TrafficDirection direction, size_t bytes,
                                MonoTime now) {
  if (!own_.Of(direction).Take(bytes, now)) {
    return DropReason::kAllocationBandwidth;
  }
  if (!subject_->Of(direction).Take(bytes, now)) {
    own_.Of(direction).GiveBack(bytes);
    return DropReason::kSubjectBandwidth;
  }
  if (!tenant_->Of(direction).Take(bytes, now)) {
    own_.Of(direction).GiveBack(bytes);
    subject_->Of(direction).GiveBack(bytes);
    return DropReason::kTenantBandwidth;
  }
  return DropReason::kNone;
}

absl::Duration BandwidthShare::Charge(TrafficDirection direction, size_t bytes,
                                      MonoTime now) {
  return std::max({own_.Of(direction).Charge(bytes, now),
                   subject_->Of(direction).Charge(bytes, now),
                   tenant_->Of(direction).Charge(bytes, now)});
}

bool BandwidthShare::IsExhausted(MonoTime now) const {
  for (const RateBuckets* buckets : {subject_.get(), tenant_.get()}) {
    if (buckets->to_peers.IsExhausted(now) ||
        buckets->to_client.IsExhausted(now)) {
      return true;
    }
  }
  return false;
}

std::unique_ptr<BandwidthShare> LocalBandwidth::ShareOf(
    std::string_view tenant, std::string_view subject, MonoTime now) {
  const BandwidthLimits limits = LimitsOf(tenant);
  if (!limits.any()) return nullptr;
  const std::string length = absl::StrCat(tenant.size(), ":");
  return std::make_unique<BandwidthShare>(
      limits,
      Find(absl::StrCat(length, AbslView(tenant), AbslView(subject)),
           limits.per_subject, now),
      Find(absl::StrCat("t", AbslView(tenant)), limits.per_tenant, now));
}

BandwidthLimits LocalBandwidth::LimitsOf(std::string_view tenant) {
  BandwidthLimits limits = limits_;
  if (overrides_ == nullptr) return limits;
  const TenantLimit own = overrides_->Of(tenant);
  if (own.allocation_bytes_per_second != 0) {
    limits.per_allocation = own.allocation_bytes_per_second;
  }
  if (own.subject_bytes_per_second != 0) {
    limits.per_subject = own.subject_bytes_per_second;
  }
  if (own.tenant_bytes_per_second != 0) {
    limits.per_tenant = own.tenant_bytes_per_second;
  }
  return limits;
}

std::shared_ptr<RateBuckets> LocalBandwidth::Find(std::string key,
                                                  uint64_t rate, MonoTime now) {
  if (buckets_.size() >= swept_at_) {
    absl::erase_if(buckets_, [now](const auto& entry) {
      RateBuckets& buckets = *entry.second;
      return entry.second.use_count() == 1 && buckets.to_peers.IsFull(now) &&
             buckets.to_client.IsFull(now);
    });
    swept_at_ = std::max<size_t>(64, 2 * buckets_.size());
  }
  std::shared_ptr<RateBuckets>& buckets = buckets_[std::move(key)];
  // At another rate it begins anew.
  if (buckets == nullptr || buckets->rate != rate) {
    buckets = std::make_shared<RateBuckets>(rate);
  }
  return buckets;
}

}  // namespace sallyport::media_relay
