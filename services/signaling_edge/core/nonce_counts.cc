#include "services/signaling_edge/core/nonce_counts.h"

#include <algorithm>
#include <bit>

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kWindow = 64;
// What is done with a bucket takes some ten steps of this.
constexpr int kPatience = 10'000;

}  // namespace

NonceCounts::NonceCounts(size_t nonces)
    : buckets_(std::bit_ceil(std::max<size_t>(nonces / kWays, 1))) {}

bool NonceCounts::Take(const NonceId& nonce, uint32_t count, uint64_t oldest) {
  // The low bits say who made it.
  Bucket& bucket = buckets_[(nonce.random >> 16) & (buckets_.size() - 1)];
  for (int i = 0; bucket.taken.exchange(true, std::memory_order_acquire); ++i) {
    if (i == kPatience) return false;
  }
  const bool fresh = TakeIn(bucket, nonce, count, oldest);
  bucket.taken.store(false, std::memory_order_release);
  return fresh;
}

bool NonceCounts::TakeIn(Bucket& bucket, const NonceId& nonce, uint32_t count,
                         uint64_t oldest) {
  if (nonce.made < oldest || nonce.made <= bucket.given_up) return false;
  Entry* first = &bucket.entries.front();
  for (Entry& entry : bucket.entries) {
    if (entry.nonce.made == nonce.made && entry.nonce.random == nonce.random) {
      if (count > entry.highest) {
        const uint32_t ahead = count - entry.highest;
        entry.seen = (ahead >= kWindow ? 0 : entry.seen << ahead) | 1;
        entry.highest = count;
        return true;
      }
      const uint32_t behind = entry.highest - count;
      if (behind >= kWindow || (entry.seen >> behind & 1) != 0) return false;
      entry.seen |= uint64_t{1} << behind;
      return true;
    }
    if (entry.nonce.made < first->nonce.made) first = &entry;
  }
  // Free ones are the oldest of all. One that took the place of an older, and
  // is older than that itself, must be used up for good as well.
  if (first->nonce.made > nonce.made) return false;
  bucket.given_up = std::max(bucket.given_up, first->nonce.made);
  *first = {.nonce = nonce, .seen = 1, .highest = count};
  return true;
}

}  // namespace sallyport::signaling_edge
