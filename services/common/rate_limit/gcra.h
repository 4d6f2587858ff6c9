// Rate limits by the generic cell rate algorithm: one instant per source says
// all (ITU-T I.371 annex A; "virtual scheduling").

#ifndef SALLYPORT_SERVICES_COMMON_RATE_LIMIT_GCRA_H_
#define SALLYPORT_SERVICES_COMMON_RATE_LIMIT_GCRA_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport {

// How much is allowed. Immutable.
struct GcraLimit {
  // Time that one unit takes off; 1/rate. Zero or less: no limit.
  absl::Duration interval;
  // Units that may come at once after a rest; at least 1.
  int64_t burst = 1;

  // `rate` units a second; 0 or less: no limit.
  static GcraLimit PerSecond(double rate, int64_t burst);
};

struct GcraDecision {
  bool allowed = true;
  // If refused: how long until the same request would be allowed, for a
  // Retry-After; InfiniteDuration if it never would (more than the burst).
  absl::Duration retry_after;

  explicit operator bool() const { return allowed; }
};

// Decides about `cost` units of one source at `now`. `arrival` is all that is
// known of the source: its theoretical arrival time, InfinitePast() at first.
// It moves only if the answer is yes, so refused traffic costs the source
// nothing more. Pure.
GcraDecision TakeGcra(const GcraLimit& limit, MonoTime& arrival, MonoTime now,
                      int64_t cost = 1);

// The same for very many sources in fixed memory: 16 octets a source, all of
// it taken at construction, every decision O(1) and without allocation.
//
// Sources share buckets of eight, chosen by a keyed hash that a peer cannot
// predict. When all eight are busy, the one nearest to rest is forgotten, which
// errs in favour of a source, never against it. Threads that meet in one slot
// may likewise let a source that is new to both begin twice. Takes no lock.
// Thread-safe.
class GcraTable {
 public:
  // Room for at least `sources`; a design of a million takes 16 MiB. The hash
  // key is drawn from `random`, once.
  GcraTable(const GcraLimit& limit, size_t sources, RandomSource& random);

  // `source` is any octets, such as SocketAddress::ip_bytes().
  GcraDecision Take(ByteSpan source, MonoTime now, int64_t cost = 1) {
    return Take(limit_, source, now, cost);
  }
  // The same by a limit of this source's own.
  GcraDecision Take(const GcraLimit& limit, ByteSpan source, MonoTime now,
                    int64_t cost = 1);
  // What Take() would say; changes nothing.
  GcraDecision Look(ByteSpan source, MonoTime now, int64_t cost = 1) const {
    return Look(limit_, source, now, cost);
  }
  GcraDecision Look(const GcraLimit& limit, ByteSpan source, MonoTime now,
                    int64_t cost = 1) const;

  size_t capacity() const { return buckets_.size() * kWays; }

 private:
  static constexpr size_t kWays = 8;

  struct Slot {
    std::atomic<uint64_t> fingerprint = 0;  // 0: never used
    std::atomic<int64_t> arrival = 0;       // nanoseconds since the origin
  };
  using Bucket = std::array<Slot, kWays>;

  GcraLimit limit_;
  std::array<uint64_t, 2> key_;
  std::vector<Bucket> buckets_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RATE_LIMIT_GCRA_H_
