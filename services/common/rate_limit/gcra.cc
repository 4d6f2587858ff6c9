#include "services/common/rate_limit/gcra.h"

#include <openssl/siphash.h>

#include <algorithm>
#include <bit>

namespace sallyport {

GcraLimit GcraLimit::PerSecond(double rate, int64_t burst) {
  GcraLimit limit;
  limit.interval = rate > 0 ? absl::Seconds(1) / rate : absl::ZeroDuration();
  limit.burst = std::max<int64_t>(burst, 1);
  return limit;
}

GcraDecision TakeGcra(const GcraLimit& limit, MonoTime& arrival, MonoTime now,
                      int64_t cost) {
  if (limit.interval <= absl::ZeroDuration() || cost <= 0) return {};
  if (cost > limit.burst) {
    return {.allowed = false, .retry_after = absl::InfiniteDuration()};
  }
  const MonoTime next = std::max(arrival, now) + limit.interval * cost;
  // The burst is what a rested source may be ahead of its time.
  const absl::Duration ahead = next - now;
  const absl::Duration allowance = limit.interval * limit.burst;
  if (ahead > allowance) {
    return {.allowed = false, .retry_after = ahead - allowance};
  }
  arrival = next;
  return {};
}

GcraTable::GcraTable(const GcraLimit& limit, size_t sources,
                     RandomSource& random)
    : limit_(limit),
      key_{random.NextU64(), random.NextU64()},
      buckets_(std::bit_ceil(std::max<size_t>(sources / kWays, 1))) {
  // Rounded up: `sources` must fit.
  if (capacity() < sources) buckets_.resize(buckets_.size() * 2);
}

GcraDecision GcraTable::Take(ByteSpan source, MonoTime now, int64_t cost) {
  if (!started_) {
    started_ = true;
    origin_ = now;
  }
  const uint64_t hash = SIPHASH_24(key_.data(), source.data(), source.size());
  // The low bits choose the bucket, the whole tells sources apart in it; two
  // in one bucket are taken for each other once in 2^40 or so.
  Bucket& bucket = buckets_[hash & (buckets_.size() - 1)];
  const uint64_t fingerprint = hash == 0 ? 1 : hash;

  Slot* slot = nullptr;
  Slot* victim = &bucket[0];
  for (Slot& candidate : bucket) {
    if (candidate.fingerprint == fingerprint) {
      slot = &candidate;
      break;
    }
    if (candidate.fingerprint == 0) {
      if (victim->fingerprint != 0) victim = &candidate;
    } else if (victim->fingerprint != 0 &&
               candidate.arrival < victim->arrival) {
      victim = &candidate;
    }
  }

  MonoTime arrival = slot == nullptr
                         ? MonoTime::InfinitePast()
                         : origin_ + absl::Nanoseconds(slot->arrival);
  const GcraDecision decision = TakeGcra(limit_, arrival, now, cost);
  // A refusal changes nothing, and a source without limit needs no place.
  if (!decision.allowed || arrival == MonoTime::InfinitePast()) return decision;
  if (slot == nullptr) slot = victim;
  slot->fingerprint = fingerprint;
  slot->arrival = absl::ToInt64Nanoseconds(arrival - origin_);
  return decision;
}

}  // namespace sallyport
