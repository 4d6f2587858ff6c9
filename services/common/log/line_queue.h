// Lines on their way to a file, a pipe or a terminal that may be slow, or may
// take nothing at all.

#ifndef SALLYPORT_SERVICES_COMMON_LOG_LINE_QUEUE_H_
#define SALLYPORT_SERVICES_COMMON_LOG_LINE_QUEUE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sallyport {

// Why the lines that wait are not written.
enum class LineDrop {
  kBlocked,  // nobody reads, or not as fast
  kRefused,  // the last attempt failed: a closed pipe, a full disk
};
inline constexpr size_t kLineDrops = 2;

// Writes whole lines in their order, on a thread of its own. Whoever appends
// waits for no write: what finds the queue full is dropped and counted. What
// was refused stays, and is tried again each second. Thread-safe.
class LineQueue {
 public:
  // By reason.
  using Counts = std::array<uint64_t, kLineDrops>;

  struct Options {
    // Of what waits, the lines that are being written among it; each line
    // counts kLineOverhead more than it has octets.
    size_t max_bytes = size_t{4} << 20;
    // fdatasync() after each batch; a line is written when that was done.
    bool sync = false;
    // After a time in which lines were dropped, how many they were. It may
    // append a line that says so; the queue is at most half full then, and
    // takes none until then. Null: the queue takes lines whenever one fits. On
    // the thread of the queue.
    std::function<void(const Counts& dropped)> on_resume;
    // An attempt failed. On the thread of the queue.
    std::function<void(const absl::Status&)> on_refused;
  };
  static constexpr size_t kLineOverhead = 64;

  // `fd` stays open for as long as this lives.
  LineQueue(int fd, Options options);
  // Writes what waits, as long as that takes; what is refused then is lost.
  ~LineQueue();
  LineQueue(const LineQueue&) = delete;
  LineQueue& operator=(const LineQueue&) = delete;

  // `line` without newline. False: it was dropped.
  bool Append(std::string line) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until all is written that waits now. False: `timeout` has passed, or
  // it was refused.
  bool Flush(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

  // Lines that were taken and are not written yet. Safe in a signal handler.
  uint64_t waiting() const { return waiting_lines_; }
  uint64_t written() const { return written_; }
  uint64_t dropped(LineDrop why) const {
    return dropped_[static_cast<size_t>(why)];
  }

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // What went out is taken off the front of `batch`.
  absl::Status Write(std::deque<std::string>& batch);
  absl::Status WriteLine(const std::string& line);
  // Whether it takes nothing until half of it is free.
  bool Closed() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const int fd_;
  const Options options_;
  std::atomic<uint64_t> waiting_lines_ = 0;
  std::atomic<uint64_t> written_ = 0;
  std::array<std::atomic<uint64_t>, kLineDrops> dropped_ = {};
  size_t begun_ = 0;  // octets of the first line that went out; its thread's

  absl::Mutex mutex_;
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
  // Of `waiting_` and of the batch that is being written.
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;     // lines
  uint64_t gone_ ABSL_GUARDED_BY(mutex_) = 0;      // of those
  Counts gap_ ABSL_GUARDED_BY(mutex_) = {};        // since the last on_resume
  uint64_t attempts_ ABSL_GUARDED_BY(mutex_) = 0;  // that have ended
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;   // the last of them
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;     // somebody waits for it
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_LOG_LINE_QUEUE_H_
