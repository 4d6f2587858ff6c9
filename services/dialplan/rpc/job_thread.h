// A thread for what takes long.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_JOB_THREAD_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_JOB_THREAD_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace sallyport::dialplan {

// Does one job after the other, each asked for by a call that waits for it.
// Thread-safe.
class JobThread {
 public:
  using Done = std::function<void(const absl::Status&)>;

  explicit JobThread(size_t max_waiting);
  // What waits is answered UNAVAILABLE, reason DRAINING.
  ~JobThread();
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  // `done` is told what `run` returned, on this thread; or at once
  // RESOURCE_EXHAUSTED, reason EVALUATIONS_WAITING, if too many wait.
  void Enqueue(std::function<absl::Status()> run, Done done);

 private:
  struct Job {
    std::function<absl::Status()> run;
    Done done;
  };

  void Run();

  const size_t max_waiting_;
  absl::Mutex mutex_;
  std::deque<Job> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_JOB_THREAD_H_
