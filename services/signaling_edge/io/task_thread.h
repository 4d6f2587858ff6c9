// Work that would block a loop, on a thread of its own.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TASK_THREAD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TASK_THREAD_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace sallyport::signaling_edge {

// Runs tasks in the order given, with more than one thread in the order begun.
// The destructor runs what is queued and waits for it. Thread-safe.
class TaskThread {
 public:
  // At most `capacity` tasks wait.
  explicit TaskThread(size_t capacity, size_t threads = 1);
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // RESOURCE_EXHAUSTED when too many wait; the task is then not taken.
  absl::Status Post(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TASK_THREAD_H_
