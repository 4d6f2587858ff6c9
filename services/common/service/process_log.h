// The log of a process, on standard error.

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_LOG_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_LOG_H_

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/line_queue.h"
#include "services/common/log/log.h"
#include "services/common/metrics/metrics.h"

namespace sallyport {

// A thread writes what the others log, so that media and calls do not wait for
// who reads it. There is one, which lives as long as the process: threads may
// log while that ends. Thread-safe.
class ProcessLog {
 public:
  // From here on all is logged this way; at most once. `max_bytes` of lines
  // may wait; 0: 4 MiB. What the queue drops is told by a line once it is half
  // empty again.
  static ProcessLog& Begin(LogOptions options, size_t max_bytes);

  // For Abseil's failure handler, which has written to standard error by itself
  // then: lines that wait have a fifth of a second. Safe in a signal handler.
  static void OnFailure(const char* text);

  // Adds to kLogLinesDroppedTotal what was dropped since the last time.
  void Count(MetricsRegistry& metrics) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until all is written, or for so long.
  void Flush(absl::Duration timeout) { queue_.Flush(timeout); }

 private:
  explicit ProcessLog(size_t max_bytes);

  LineQueue queue_;
  absl::Mutex mutex_;
  LineQueue::Counts counted_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_LOG_H_
