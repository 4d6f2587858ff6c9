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

namespace {

// Rounded up: `sources` must fit.
size_t BucketsFor(size_t sources, size_t ways) {
  return std::bit_ceil(std::max<size_t>((sources + ways - 1) / ways, 1));
}

}  // namespace

GcraTable::GcraTable(const GcraLimit& limit, size_t sources,
                     RandomSource& random)
    : limit_(limit),
      key_{random.NextU64(), random.NextU64()},
      buckets_(BucketsFor(sources, kWays)) {}

GcraDecision GcraTable::Look(const GcraLimit& limit, ByteSpan source,
                             MonoTime now, int64_t cost) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const uint64_t hash = SIPHASH_24(key_.data(), source.data(), source.size());
  MonoTime arrival = MonoTime::InfinitePast();
  for (const Slot& slot : buckets_[hash & (buckets_.size() - 1)]) {
    if (slot.fingerprint.load(kRelaxed) == (hash == 0 ? 1 : hash)) {
      arrival =
          MonoTime::FromOrigin(absl::Nanoseconds(slot.arrival.load(kRelaxed)));
      break;
    }
  }
  return TakeGcra(limit, arrival, now, cost);
}

GcraDecision GcraTable::Take(const GcraLimit& limit, ByteSpan source,
                             MonoTime now, int64_t cost) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const uint64_t hash = SIPHASH_24(key_.data(), source.data(), source.size());
  // The low bits choose the bucket, the whole tells sources apart in it; two
  // in one bucket are taken for each other once in 2^40 or so.
  Bucket& bucket = buckets_[hash & (buckets_.size() - 1)];
  const uint64_t fingerprint = hash == 0 ? 1 : hash;

  Slot* slot = nullptr;
  Slot* victim = nullptr;
  bool victim_is_free = false;
  int64_t earliest = 0;
  for (Slot& candidate : bucket) {
    const uint64_t whose = candidate.fingerprint.load(kRelaxed);
    if (whose == fingerprint) {
      slot = &candidate;
      break;
    }
    if (victim_is_free) continue;
    const int64_t arrival = candidate.arrival.load(kRelaxed);
    if (whose == 0 || victim == nullptr || arrival < earliest) {
      victim = &candidate;
      victim_is_free = whose == 0;
      earliest = arrival;
    }
  }

  if (slot == nullptr) {
    MonoTime arrival = MonoTime::InfinitePast();
    const GcraDecision decision = TakeGcra(limit, arrival, now, cost);
    // A source without limit needs no place.
    if (!decision.allowed || arrival == MonoTime::InfinitePast()) {
      return decision;
    }
    victim->fingerprint.store(fingerprint, kRelaxed);
    victim->arrival.store(absl::ToInt64Nanoseconds(arrival.since_origin()),
                          kRelaxed);
    return decision;
  }
  int64_t before = slot->arrival.load(kRelaxed);
  while (true) {
    MonoTime arrival = MonoTime::FromOrigin(absl::Nanoseconds(before));
    const GcraDecision decision = TakeGcra(limit, arrival, now, cost);
    // A refusal changes nothing.
    if (!decision.allowed) return decision;
    const int64_t after = absl::ToInt64Nanoseconds(arrival.since_origin());
    if (slot->arrival.compare_exchange_weak(before, after, kRelaxed)) {
      return decision;
    }
  }
}

}  // namespace sallyport
