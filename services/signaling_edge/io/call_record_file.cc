#include "services/signaling_edge/io/call_record_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/log/log.h"

namespace sallyport::signaling_edge {
namespace {

// How many octets of `text` went out before an error.
size_t WriteSome(int fd, std::string_view text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CallRecordFile>> CallRecordFile::Open(
    const std::string& path, size_t capacity) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC,
                   S_IRUSR | S_IWUSR));
  struct stat status = {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  char last = '\n';
  if (status.st_size > 0 &&
      (pread(fd.get(), &last, 1, status.st_size - 1) != 1 || last != '\n') &&
      WriteSome(fd.get(), "\n") != 1) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  return absl::WrapUnique(new CallRecordFile(std::move(fd), capacity));
}

CallRecordFile::CallRecordFile(UniqueFd fd, size_t capacity)
    : fd_(std::move(fd)),
      capacity_(capacity),
      thread_(std::make_unique<TaskThread>(/*capacity=*/2)) {}

CallRecordFile::~CallRecordFile() { thread_.reset(); }

bool CallRecordFile::Append(std::string line) {
  absl::MutexLock lock(&mutex_);
  if (waiting_lines_ >= capacity_) {
    ++lost_;
    return false;
  }
  absl::StrAppend(&waiting_, line, "\n");
  ++waiting_lines_;
  if (!scheduled_) {
    scheduled_ = thread_->Post([this] { WriteAll(); }).ok();
  }
  return true;
}

void CallRecordFile::WriteAll() {
  std::string text;
  {
    absl::MutexLock lock(&mutex_);
    scheduled_ = false;
    text.swap(waiting_);
    waiting_lines_ = 0;
  }
  const size_t done = WriteSome(fd_.get(), text);
  const bool synced = done > 0 && fdatasync(fd_.get()) == 0;
  const auto lines = [](std::string_view part) {
    return static_cast<size_t>(std::count(part.begin(), part.end(), '\n'));
  };
  if (synced) written_ += lines(std::string_view(text).substr(0, done));
  if (done == text.size() && synced) return;
  SALLYPORT_LOG_LIMITED(kError, "call records could not be written",
                        {{"error", absl::ErrnoToStatus(errno, "write")}});
  const std::string rest = text.substr(done);
  absl::MutexLock lock(&mutex_);
  waiting_.insert(0, rest);
  waiting_lines_ += lines(rest);
}

}  // namespace sallyport::signaling_edge
