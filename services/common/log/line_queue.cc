#include "services/common/log/line_queue.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <numeric>
#include <utility>

namespace sallyport {
namespace {

// Of one batch, so that what is slow gives room as it goes.
constexpr size_t kMaxBatch = 1024;
constexpr absl::Duration kRetry = absl::Seconds(1);

size_t Weight(const std::string& line) {
  return line.size() + LineQueue::kLineOverhead;
}

}  // namespace

LineQueue::LineQueue(int fd, Options options)
    : fd_(fd), options_(std::move(options)), thread_([this] { Run(); }) {}

LineQueue::~LineQueue() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool LineQueue::Append(std::string line) {
  line.push_back('\n');
  absl::MutexLock lock(&mutex_);
  if (Closed() || bytes_ + Weight(line) > options_.max_bytes) {
    const auto why =
        static_cast<size_t>(refused_ ? LineDrop::kRefused : LineDrop::kBlocked);
    ++dropped_[why];
    ++gap_[why];
    return false;
  }
  bytes_ += Weight(line);
  ++taken_;
  ++waiting_lines_;
  waiting_.push_back(std::move(line));
  return true;
}

bool LineQueue::Flush(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const uint64_t all = taken_;
  const uint64_t before = attempts_;
  hurry_ = true;
  const auto over = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return gone_ >= all || (refused_ && attempts_ > before);
  };
  mutex_.AwaitWithTimeout(absl::Condition(&over), timeout);
  return gone_ >= all;
}

bool LineQueue::Closed() const {
  return options_.on_resume && bytes_ > options_.max_bytes / 2 &&
         std::accumulate(gap_.begin(), gap_.end(), uint64_t{0}) > 0;
}

void LineQueue::Run() {
  const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || hurry_ || (!refused_ && !waiting_.empty());
  };
  bool last = false;
  while (!last) {
    std::deque<std::string> batch;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&has_work),
                              refused_ ? kRetry : absl::InfiniteDuration());
      hurry_ = false;
      const size_t size = std::min(waiting_.size(), kMaxBatch);
      last = stopping_ && size == waiting_.size();
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(size);
      std::move(waiting_.begin(), end, std::back_inserter(batch));
      waiting_.erase(waiting_.begin(), end);
    }
    size_t freed = 0;
    for (const std::string& line : batch) freed += Weight(line);
    size_t lines = batch.size();
    const absl::Status status = Write(batch);
    for (const std::string& line : batch) freed -= Weight(line);
    lines -= batch.size();
    if (!status.ok() && options_.on_refused) options_.on_refused(status);
    Counts gap = {};
    {
      absl::MutexLock lock(&mutex_);
      ++attempts_;
      refused_ = !status.ok();
      last = last || (stopping_ && refused_);
      bytes_ -= freed;
      gone_ += lines;
      waiting_lines_ -= lines;
      waiting_.insert(waiting_.begin(), std::make_move_iterator(batch.begin()),
                      std::make_move_iterator(batch.end()));
      if (options_.on_resume && !refused_ && !Closed()) std::swap(gap, gap_);
    }
    if (gap != Counts{}) options_.on_resume(gap);
  }
}

absl::Status LineQueue::Write(std::deque<std::string>& batch) {
  absl::Status status;
  uint64_t lines = 0;
  for (; !batch.empty(); ++lines, batch.pop_front()) {
    status = WriteLine(batch.front());
    if (!status.ok()) break;
  }
  if (lines > 0 && options_.sync && fdatasync(fd_) != 0) {
    return absl::ErrnoToStatus(errno, "fdatasync");
  }
  written_ += lines;
  return status;
}

absl::Status LineQueue::WriteLine(const std::string& line) {
  while (begun_ < line.size()) {
    const ssize_t n = write(fd_, line.data() + begun_, line.size() - begun_);
    if (n > 0) {
      begun_ += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      // Whoever shares the pipe has made it non-blocking for all.
      pollfd one = {fd_, POLLOUT, 0};
      poll(&one, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      return absl::ErrnoToStatus(errno, "write");
    }
  }
  begun_ = 0;
  return absl::OkStatus();
}

}  // namespace sallyport
