// Many deadlines, one next: what a core with many timers keeps them in.

#ifndef SALLYPORT_SERVICES_COMMON_TIME_DEADLINE_QUEUE_H_
#define SALLYPORT_SERVICES_COMMON_TIME_DEADLINE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/time/mono_time.h"

namespace sallyport {

// Maps each key to at most one deadline. Set and Erase are O(log n), next() is
// O(1). Equal deadlines expire in the order in which they were set, so that
// runs repeat. Key is hashable by Abseil and copyable. Thread-compatible.
template <typename Key>
class DeadlineQueue {
 public:
  // Arms or moves `key`. InfiniteFuture() disarms it.
  void Set(const Key& key, MonoTime deadline) {
    if (deadline == MonoTime::InfiniteFuture()) {
      Erase(key);
      return;
    }
    const auto [it, inserted] = index_.try_emplace(key, heap_.size());
    if (inserted) {
      heap_.push_back({key, deadline, next_sequence_++});
      SiftUp(heap_.size() - 1);
    } else {
      const size_t at = it->second;
      heap_[at].deadline = deadline;
      heap_[at].sequence = next_sequence_++;
      SiftDown(SiftUp(at));
    }
  }

  // Disarms `key`; false if it was not armed.
  bool Erase(const Key& key) {
    const auto it = index_.find(key);
    if (it == index_.end()) return false;
    RemoveAt(it->second);
    return true;
  }

  // The earliest deadline; InfiniteFuture() when there is none.
  MonoTime next() const {
    return heap_.empty() ? MonoTime::InfiniteFuture() : heap_[0].deadline;
  }

  // Takes the earliest key whose deadline is at or before `now`. Call it until
  // it yields nothing.
  std::optional<Key> PopExpired(MonoTime now) {
    if (heap_.empty() || heap_[0].deadline > now) return std::nullopt;
    Key key = heap_[0].key;
    RemoveAt(0);
    return key;
  }

  // The deadline of `key`; InfiniteFuture() if it is not armed.
  MonoTime deadline(const Key& key) const {
    const auto it = index_.find(key);
    return it == index_.end() ? MonoTime::InfiniteFuture()
                              : heap_[it->second].deadline;
  }

  bool contains(const Key& key) const { return index_.contains(key); }
  size_t size() const { return heap_.size(); }
  bool empty() const { return heap_.empty(); }

 private:
  struct Entry {
    Key key;
    MonoTime deadline;
    uint64_t sequence;

    bool Before(const Entry& other) const {
      if (deadline != other.deadline) return deadline < other.deadline;
      return sequence < other.sequence;
    }
  };

  void Swap(size_t a, size_t b) {
    std::swap(heap_[a], heap_[b]);
    index_.find(heap_[a].key)->second = a;
    index_.find(heap_[b].key)->second = b;
  }

  size_t SiftUp(size_t at) {
    while (at > 0 && heap_[at].Before(heap_[(at - 1) / 2])) {
      Swap(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
    return at;
  }

  void SiftDown(size_t at) {
    for (;;) {
      size_t least = at;
      for (size_t child = 2 * at + 1;
           child <= 2 * at + 2 && child < heap_.size(); ++child) {
        if (heap_[child].Before(heap_[least])) least = child;
      }
      if (least == at) return;
      Swap(at, least);
      at = least;
    }
  }

  void RemoveAt(size_t at) {
    const size_t last = heap_.size() - 1;
    if (at != last) Swap(at, last);
    index_.erase(heap_[last].key);
    heap_.pop_back();
    if (at != last) SiftDown(SiftUp(at));
  }

  std::vector<Entry> heap_;
  absl::flat_hash_map<Key, size_t> index_;  // key -> place in heap_
  uint64_t next_sequence_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TIME_DEADLINE_QUEUE_H_
