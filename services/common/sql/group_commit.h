// Many writers, one sync of the disk.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_GROUP_COMMIT_H_
#define SALLYPORT_SERVICES_COMMON_SQL_GROUP_COMMIT_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sallyport {

// One thread that gets what was submitted while it was busy with the last
// batch: the longer a commit takes, the more share the next one. Thread-safe.
template <typename Job>
class GroupCommit {
 public:
  struct Options {
    size_t max_queue = 1024;  // jobs that may wait
    size_t max_batch = 128;   // jobs of one call of `write`
    // With no job for so long, `write` is called with none.
    absl::Duration idle_period = absl::InfiniteDuration();
    // Before each batch, whoever is ready to run does so, as long as that makes
    // more jobs: where cores are short a batch takes all that could be in it,
    // and where one is idle it waits for nothing.
    bool lets_others_run = false;
  };

  // `write` is called on the thread of this object, with jobs in the order in
  // which they were submitted; none after Wake() or an idle period.
  GroupCommit(const Options& options,
              std::function<void(std::vector<Job> batch)> write)
      : options_(options),
        write_(std::move(write)),
        thread_([this] { Run(); }) {}
  // Finishes what waits.
  ~GroupCommit() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // Takes the job; false, and the job is as it was, if too many wait.
  bool Submit(Job& job) {
    absl::MutexLock lock(&mutex_);
    if (queue_.size() >= options_.max_queue || stopping_) return false;
    queue_.push_back(std::move(job));
    return true;
  }

  // Has `write` called soon, even if there is no job.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    woken_ = true;
  }

 private:
  void LetOthersRun() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (size_t before = 0;
         queue_.size() > before && queue_.size() < options_.max_batch;) {
      before = queue_.size();
      mutex_.Unlock();
      std::this_thread::yield();
      mutex_.Lock();
    }
  }

  void Run() {
    for (;;) {
      std::vector<Job> batch;
      {
        const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return !queue_.empty() || woken_ || stopping_;
        };
        absl::MutexLock lock(&mutex_);
        mutex_.AwaitWithTimeout(absl::Condition(&ready), options_.idle_period);
        if (queue_.empty() && stopping_) return;
        woken_ = false;
        if (options_.lets_others_run) LetOthersRun();
        while (!queue_.empty() && batch.size() < options_.max_batch) {
          batch.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
      write_(std::move(batch));
    }
  }

  const Options options_;
  const std::function<void(std::vector<Job> batch)> write_;
  absl::Mutex mutex_;
  std::deque<Job> queue_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_GROUP_COMMIT_H_
