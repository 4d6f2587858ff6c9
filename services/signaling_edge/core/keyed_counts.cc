#include "services/signaling_edge/core/keyed_counts.h"

#include <algorithm>
#include <bit>

namespace sallyport::signaling_edge {
namespace {

constexpr uint64_t kCountMask = 0xffff'ffff;

// Room for four times the keys, so that full buckets are rare.
size_t BucketsFor(size_t keys, size_t ways) {
  return std::bit_ceil(std::max<size_t>(4 * keys / ways, 1));
}

bool IsOf(uint64_t word, uint64_t key) {
  return (word & kCountMask) != 0 && word >> 32 == key >> 32;
}

}  // namespace

KeyedCounts::KeyedCounts(size_t keys) : buckets_(BucketsFor(keys, kWays)) {}

bool KeyedCounts::AddUnder(uint64_t key, uint32_t most) {
  Bucket& bucket = buckets_[IndexOf(key)];
  while (true) {
    std::atomic<uint64_t>* free = nullptr;
    uint64_t free_word = 0;
    bool lost_a_race = false;
    for (std::atomic<uint64_t>& slot : bucket) {
      uint64_t word = slot.load(std::memory_order_relaxed);
      if (IsOf(word, key)) {
        if ((word & kCountMask) >= most || Of(key) >= most) return false;
        if (slot.compare_exchange_strong(word, word + 1)) return true;
        lost_a_race = true;
        break;
      }
      if (free == nullptr && (word & kCountMask) == 0) {
        free = &slot;
        free_word = word;
      }
    }
    if (lost_a_race) continue;
    if (most == 0) return false;
    if (free == nullptr) return true;
    if (free->compare_exchange_strong(free_word, (key & ~kCountMask) | 1)) {
      return true;
    }
  }
}

void KeyedCounts::Remove(uint64_t key) {
  for (std::atomic<uint64_t>& slot : buckets_[IndexOf(key)]) {
    uint64_t word = slot.load(std::memory_order_relaxed);
    while (IsOf(word, key)) {
      if (slot.compare_exchange_weak(word, word - 1)) return;
    }
  }
}

uint32_t KeyedCounts::Of(uint64_t key) const {
  // Threads that met may have begun the same key twice.
  uint64_t sum = 0;
  for (const std::atomic<uint64_t>& slot : buckets_[IndexOf(key)]) {
    const uint64_t word = slot.load(std::memory_order_relaxed);
    if (IsOf(word, key)) sum += word & kCountMask;
  }
  return static_cast<uint32_t>(std::min<uint64_t>(sum, kCountMask));
}

}  // namespace sallyport::signaling_edge
