// Threads for what may block: the store, the signer.

#ifndef SALLYPORT_SERVICES_CAPF_IO_WORK_POOL_H_
#define SALLYPORT_SERVICES_CAPF_IO_WORK_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace sallyport::capf {

// Takes jobs in order, each on whichever thread is free. A thread that finds
// more than it can take at once wakes one other, not as many as there are jobs:
// short jobs cost no switch of threads each, long ones get all threads.
// Thread-safe.
class WorkPool {
 public:
  WorkPool(size_t threads, size_t capacity);
  // Runs what is queued, then joins.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // RESOURCE_EXHAUSTED, reason TOO_BUSY, if `capacity` jobs wait.
  absl::Status Post(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_);

  // A job that waits for something else will go on by Continue(), once: until
  // then Stop() waits.
  void Expect() ABSL_LOCKS_EXCLUDED(mutex_);
  // The rest of it; taken however many wait.
  void Continue(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes no more jobs, runs those queued and expected, and joins. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for a job; false if there will be none.
  bool Take(absl::CondVar& woken, std::function<void()>& job)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Push(std::function<void()> job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes one that sleeps, unless one that was woken has not come yet.
  void WakeOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsOver() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ && jobs_.empty() && expected_ == 0;
  }

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  // Of threads that sleep; the last one to do so, whose stack is warm, is the
  // first to be woken.
  std::vector<absl::CondVar*> sleeping_ ABSL_GUARDED_BY(mutex_);
  bool waking_ ABSL_GUARDED_BY(mutex_) = false;  // one was, and has not come
  size_t expected_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_WORK_POOL_H_
