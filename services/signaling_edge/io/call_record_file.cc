#include "services/signaling_edge/io/call_record_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/log/log.h"

namespace sallyport::signaling_edge {

absl::StatusOr<std::unique_ptr<CallRecordFile>> CallRecordFile::Open(
    const std::string& path, size_t max_bytes) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC,
                   S_IRUSR | S_IWUSR));
  struct stat status = {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  char last = '\n';
  if (status.st_size > 0 &&
      (pread(fd.get(), &last, 1, status.st_size - 1) != 1 || last != '\n') &&
      write(fd.get(), "\n", 1) != 1) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  return absl::WrapUnique(new CallRecordFile(std::move(fd), max_bytes));
}

CallRecordFile::CallRecordFile(UniqueFd fd, size_t max_bytes)
    : fd_(std::move(fd)),
      queue_(fd_.get(), {.max_bytes = max_bytes,
                         .sync = true,
                         .on_refused = [](const absl::Status& error) {
                           SALLYPORT_LOG_LIMITED(
                               kError, "call records could not be written",
                               {{"error", error}});
                         }}) {}

}  // namespace sallyport::signaling_edge
