// Call detail records on disk: one JSON object a line.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_FILE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_FILE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/net/unique_fd.h"
#include "services/signaling_edge/io/task_thread.h"

namespace sallyport::signaling_edge {

// Appends and syncs on a thread of its own; many lines may share one sync.
// What the disk refuses is kept and tried again with the next line, up to
// `capacity` lines. Thread-safe.
class CallRecordFile {
 public:
  // Opens or makes the file, mode 0600. If its last line was cut by a crash it
  // is ended first, so that every later line stands alone.
  static absl::StatusOr<std::unique_ptr<CallRecordFile>> Open(
      const std::string& path, size_t capacity = 100'000);
  // Writes what waits.
  ~CallRecordFile();

  // `line` without newline. Never blocks; false when too many wait, and the
  // line is lost and counted.
  bool Append(std::string line) ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t lost() const { return lost_; }
  uint64_t written() const { return written_; }  // synced

 private:
  CallRecordFile(UniqueFd fd, size_t capacity);
  void WriteAll() ABSL_LOCKS_EXCLUDED(mutex_);

  const UniqueFd fd_;
  const size_t capacity_;
  std::atomic<uint64_t> lost_ = 0;
  std::atomic<uint64_t> written_ = 0;
  absl::Mutex mutex_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_lines_ ABSL_GUARDED_BY(mutex_) = 0;
  bool scheduled_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<TaskThread> thread_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_FILE_H_
