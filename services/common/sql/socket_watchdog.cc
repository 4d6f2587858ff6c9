#include "services/common/sql/socket_watchdog.h"

#include <sys/socket.h>

#include "absl/time/clock.h"

namespace sallyport {
namespace {

// How much too late it may come.
constexpr absl::Duration kTick = absl::Milliseconds(100);

}  // namespace

SocketWatchdog::SocketWatchdog() : thread_([this] { Run(); }) {}

SocketWatchdog::~SocketWatchdog() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

SocketWatchdog::Watch SocketWatchdog::Start(int fd, absl::Duration limit) {
  absl::MutexLock lock(&mutex_);
  entries_[next_id_] = {fd, absl::Now() + limit};
  return Watch(this, next_id_++);
}

void SocketWatchdog::Release(int id) {
  absl::MutexLock lock(&mutex_);
  entries_.erase(id);
}

void SocketWatchdog::Run() {
  const auto busy = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !entries_.empty();
  };
  absl::MutexLock lock(&mutex_);
  for (;;) {
    mutex_.Await(absl::Condition(&busy));
    if (stopping_) return;
    const absl::Time now = absl::Now();
    for (auto& [id, entry] : entries_) {
      if (now < entry.deadline) continue;
      // Under the lock: the descriptor is not another one's yet.
      shutdown(entry.fd, SHUT_RDWR);
      entry.deadline = absl::InfiniteFuture();
    }
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kTick);
    if (stopping_) return;
  }
}

}  // namespace sallyport
