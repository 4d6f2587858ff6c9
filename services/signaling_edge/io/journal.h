// What happened lately, numbered, for readers on any thread.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_JOURNAL_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sallyport::signaling_edge {

// The last `max_entries` values of at most `retention` age, each under a
// number that grows by one from 1. Thread-safe.
template <typename T>
class Journal {
 public:
  struct Entry {
    int64_t sequence = 0;
    absl::Time time;
    std::shared_ptr<const T> value;
  };

  Journal(size_t max_entries, absl::Duration retention)
      : max_entries_(max_entries), retention_(retention) {}

  // Tells the listeners, on this thread.
  int64_t Add(T value, absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_) {
    return AddShared(std::make_shared<const T>(std::move(value)), now);
  }
  // The same of what others have too; not null.
  int64_t AddShared(std::shared_ptr<const T> value, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::shared_ptr<const Listener>> listeners;
    int64_t sequence;
    {
      absl::MutexLock lock(&mutex_);
      sequence = ++last_;
      entries_.push_back({sequence, now, std::move(value)});
      Trim(now);
      for (const auto& [id, listener] : listeners_) {
        listeners.push_back(listener);
      }
    }
    for (const auto& listener : listeners) (*listener)();
    return sequence;
  }

  // At most `limit` entries after number `after`, oldest first.
  std::vector<Entry> After(int64_t after, size_t limit) const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    std::vector<Entry> out;
    if (entries_.empty()) return out;
    const int64_t first = entries_.front().sequence;
    size_t at = after < first ? 0 : static_cast<size_t>(after - first + 1);
    for (; at < entries_.size() && out.size() < limit; ++at) {
      out.push_back(entries_[at]);
    }
    return out;
  }

  // When the newest of those that are forgotten was added: all since then are
  // kept. InfinitePast if none is forgotten.
  absl::Time forgotten_until() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return forgotten_until_;
  }

  // Everything that is kept, newest first.
  std::vector<Entry> Newest(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Trim(now);
    return {entries_.rbegin(), entries_.rend()};
  }

  int64_t last() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return last_;
  }

  // `listener` is called after every Add, on the adding thread, and maybe once
  // more after Unlisten began on another thread; it must not block.
  using Listener = std::function<void()>;
  int64_t Listen(Listener listener) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    listeners_.emplace(++last_listener_,
                       std::make_shared<const Listener>(std::move(listener)));
    return last_listener_;
  }
  void Unlisten(int64_t id) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    listeners_.erase(id);
  }

 private:
  void Trim(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!entries_.empty() && (entries_.size() > max_entries_ ||
                                 entries_.front().time + retention_ < now)) {
      forgotten_until_ = entries_.front().time;
      entries_.pop_front();
    }
  }

  const size_t max_entries_;
  const absl::Duration retention_;
  mutable absl::Mutex mutex_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  absl::Time forgotten_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t last_listener_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, std::shared_ptr<const Listener>> listeners_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_JOURNAL_H_
