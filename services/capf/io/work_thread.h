// One thread for what may block: the store, the audit file, the signer.

#ifndef SALLYPORT_SERVICES_CAPF_IO_WORK_THREAD_H_
#define SALLYPORT_SERVICES_CAPF_IO_WORK_THREAD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

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

// Several threads, for jobs that wait for the disk together. Thread-safe.
class WorkThreads {
 public:
  // `capacity` is that of each.
  WorkThreads(size_t threads, size_t capacity);

  // Jobs of the same key run in order, on one thread. As WorkThread::Post().
  absl::Status Post(uint64_t key, std::function<void()> job) {
    return threads_[key % threads_.size()]->Post(std::move(job));
  }

  void Stop();

 private:
  std::vector<std::unique_ptr<WorkThread>> threads_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_WORK_THREAD_H_
