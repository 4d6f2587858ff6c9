// Call detail records on disk: one JSON object a line.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_FILE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "services/common/log/line_queue.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::signaling_edge {

// Appends and syncs on a thread of its own; many lines may share one sync.
// What the disk refuses is kept and tried again. Thread-safe.
class CallRecordFile {
 public:
  // Opens or makes the file, mode 0600. If its last line was cut by a crash it
  // is ended first, so that every later line stands alone. `max_bytes` of
  // records may wait for the disk.
  static absl::StatusOr<std::unique_ptr<CallRecordFile>> Open(
      const std::string& path, size_t max_bytes = size_t{128} << 20);
  // Its destructor writes what waits.

  // `line` without newline. Never blocks; false when too many wait, and the
  // line is lost and counted.
  bool Append(std::string line) { return queue_.Append(std::move(line)); }

  uint64_t lost() const {
    return queue_.dropped(LineDrop::kBlocked) +
           queue_.dropped(LineDrop::kRefused);
  }
  uint64_t written() const { return queue_.written(); }  // synced

 private:
  CallRecordFile(UniqueFd fd, size_t max_bytes);

  const UniqueFd fd_;
  LineQueue queue_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_FILE_H_
