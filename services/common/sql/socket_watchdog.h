// An end to conversations whose other side has fallen silent.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_SOCKET_WATCHDOG_H_
#define SALLYPORT_SERVICES_COMMON_SQL_SOCKET_WATCHDOG_H_

#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sallyport {

// Shuts a socket down when its time is over, so that whoever waits for an
// answer there gets an error: libpq itself waits for ever for a server that
// keeps the connection and says nothing. Thread-safe.
class SocketWatchdog {
 public:
  // While it lives, the socket is watched.
  class Watch {
   public:
    Watch(Watch&& other) noexcept
        : dog_(std::exchange(other.dog_, nullptr)), id_(other.id_) {}
    Watch& operator=(Watch&&) = delete;
    ~Watch() {
      if (dog_ != nullptr) dog_->Release(id_);
    }

   private:
    friend class SocketWatchdog;
    Watch(SocketWatchdog* dog, int id) : dog_(dog), id_(id) {}

    SocketWatchdog* dog_;
    int id_;
  };

  SocketWatchdog();
  // Nothing may be watched any more.
  ~SocketWatchdog();
  SocketWatchdog(const SocketWatchdog&) = delete;
  SocketWatchdog& operator=(const SocketWatchdog&) = delete;

  // `fd` must stay open as long as the answer lives.
  Watch Start(int fd, absl::Duration limit);

 private:
  struct Entry {
    int fd;
    absl::Time deadline;
  };

  void Release(int id);
  void Run();

  absl::Mutex mutex_;
  int next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_SOCKET_WATCHDOG_H_
