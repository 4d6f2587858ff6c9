// The trust bundle in force, and who waits for the next.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TRUST_PUBLISHER_H_
#define SALLYPORT_SERVICES_CAPF_IO_TRUST_PUBLISHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/trust_bundle.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport::capf {

// Reads the bundle as the store has it.
absl::StatusOr<TrustBundle> ReadBundle(EnrollmentStore& store, absl::Time now);

// A service that takes trust.
struct TrustConsumer {
  std::string consumer;
  std::string identity;
  int streams = 0;
  int64_t active_version = 0;
  absl::Time active_time = absl::InfinitePast();
  absl::Time report_time = absl::InfinitePast();
};

// Who is told of each bundle. Thread-safe.
class TrustWatcher {
 public:
  virtual ~TrustWatcher() = default;

  // `bundle` is in force; the same one again is a sign of life. Null: nothing
  // more will come, as this service ends. Must be quick.
  virtual void Notify(std::shared_ptr<const TrustBundle> bundle) = 0;
};

// Holds an immutable snapshot, replaced whole. Thread-safe.
class TrustPublisher {
 public:
  using WatchId = uint64_t;

  std::shared_ptr<const TrustBundle> current() const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Replaces the snapshot and notifies every watcher, on this thread.
  void Publish(TrustBundle bundle) ABSL_LOCKS_EXCLUDED(mutex_);
  // Notifies every watcher of the same snapshot again.
  void Beat() ABSL_LOCKS_EXCLUDED(mutex_);
  // Notifies every watcher of the end, and each that comes later.
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

  // The watcher is notified at once, on this thread. It may still be notified
  // while and shortly after Unwatch() runs.
  WatchId Watch(const std::string& consumer, const std::string& identity,
                std::shared_ptr<TrustWatcher> watcher)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Unwatch(WatchId id) ABSL_LOCKS_EXCLUDED(mutex_);

  void Report(const std::string& consumer, const std::string& identity,
              int64_t version, absl::Time active_time, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Called, on the thread that brings it, when a consumer comes or reports.
  // Before the first Watch().
  void OnConsumer(std::function<void(const TrustConsumer&)> callback) {
    on_consumer_ = std::move(callback);
  }
  // In order of name.
  std::vector<TrustConsumer> consumers() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    std::string consumer;
    std::shared_ptr<TrustWatcher> watcher;
  };

  // Without the lock, so that a watcher may call back.
  void NotifyAll() ABSL_LOCKS_EXCLUDED(mutex_);
  TrustConsumer& Consumer(const std::string& consumer,
                          const std::string& identity)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::function<void(const TrustConsumer&)> on_consumer_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TrustBundle> current_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<TrustBundle>();
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  WatchId next_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<WatchId, Entry> watchers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, TrustConsumer> consumers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TRUST_PUBLISHER_H_
