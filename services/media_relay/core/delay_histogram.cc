#include "services/media_relay/core/delay_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace sallyport::media_relay {

size_t DelayHistogram::BucketOf(uint64_t microseconds) {
  if (microseconds < 4) return static_cast<size_t>(microseconds);
  const int octave = std::bit_width(microseconds) - 1;  // at least 2
  const uint64_t quarter = (microseconds >> (octave - 2)) & 3;
  const size_t bucket =
      4 + static_cast<size_t>(octave - 2) * 4 + static_cast<size_t>(quarter);
  return std::min(bucket, kBuckets - 1);
}

uint64_t DelayHistogram::UpperEnd(size_t bucket) {
  if (bucket < 4) return bucket + 1;
  const size_t octave = (bucket - 4) / 4 + 2;
  const uint64_t quarter = (bucket - 4) % 4;
  return (uint64_t{4} + quarter + 1) << (octave - 2);
}

void DelayHistogram::Record(absl::Duration delay) {
  const int64_t microseconds = absl::ToInt64Microseconds(delay);
  ++buckets_[BucketOf(microseconds < 0 ? 0
                                       : static_cast<uint64_t>(microseconds))];
  ++count_;
}

absl::Duration DelayHistogram::Quantile(double share) const {
  if (count_ == 0) return absl::ZeroDuration();
  const double clamped = std::clamp(share, 0.0, 1.0);
  const uint64_t rank = std::max<uint64_t>(
      1,
      static_cast<uint64_t>(std::ceil(clamped * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return absl::Microseconds(UpperEnd(bucket));
  }
  return absl::Microseconds(UpperEnd(kBuckets - 1));
}

}  // namespace sallyport::media_relay
