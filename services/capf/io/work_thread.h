// One thread for what may block: the store, the audit file, the signer.

#ifndef SALLYPORT_SERVICES_CAPF_IO_WORK_THREAD_H_
#define SALLYPORT_SERVICES_CAPF_IO_WORK_THREAD_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace sallyport::capf {

// Runs jobs one by one, in order: whatever only they touch needs no lock.
// Thread-safe.
class WorkThread {
 public:
  explicit WorkThread(size_t capacity);
  // Runs what is queued, then joins.
  ~WorkThread();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // RESOURCE_EXHAUSTED, reason TOO_BUSY, if `capacity` jobs wait.
  absl::Status Post(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes no more jobs, runs those queued and joins. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !jobs_.empty();
  }

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_WORK_THREAD_H_
