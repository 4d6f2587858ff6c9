// The addresses of hosts by the system's resolver.

#ifndef SALLYPORT_SERVICES_COMMON_NET_NAME_LOOKUP_H_
#define SALLYPORT_SERVICES_COMMON_NET_NAME_LOOKUP_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/host_port.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"

namespace sallyport {

// In the resolver's order; empty if the name is not known. Blocks, unless the
// host is an address.
std::vector<SocketAddress> LookUp(const HostPort& of);

// Looks names up on a thread of its own. Ask() is Thread-safe.
class NameLookup {
 public:
  // Called on the loop that Create() names.
  using OnAnswer =
      std::function<void(const HostPort& of, std::vector<SocketAddress>)>;

  static absl::StatusOr<std::unique_ptr<NameLookup>> Create(EventLoop& loop,
                                                            OnAnswer on_answer);
  // A name that is being looked up is waited for.
  ~NameLookup();
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  void Ask(HostPort of) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Answer {
    HostPort of;
    std::vector<SocketAddress> addresses;
  };

  NameLookup() = default;
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  std::deque<HostPort> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Mailbox<Answer>> box_;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_NAME_LOOKUP_H_
