// Time that packets spend in the relay, in buckets that grow by a quarter of
// an octave: small enough to keep one per leg, exact to 25 %.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DELAY_HISTOGRAM_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DELAY_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace sallyport::media_relay {

// Thread-compatible.
class DelayHistogram {
 public:
  void Record(absl::Duration delay);

  uint64_t count() const { return count_; }
  // Upper end of the bucket that holds the given share (0 to 1) of all
  // recorded delays, so never less than the truth; zero when there are none.
  absl::Duration Quantile(double share) const;

 private:
  // Below 4 us one bucket each; then four an octave, up to 2^26 us (67 s).
  static constexpr size_t kBuckets = 4 + 4 * 25;

  static size_t BucketOf(uint64_t microseconds);
  static uint64_t UpperEnd(size_t bucket);

  uint64_t count_ = 0;
  std::array<uint32_t, kBuckets> buckets_ = {};
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DELAY_HISTOGRAM_H_
