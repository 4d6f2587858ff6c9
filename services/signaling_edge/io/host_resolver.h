// Host names to addresses without blocking a loop.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_HOST_RESOLVER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_HOST_RESOLVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/deadline_queue.h"
#include "services/signaling_edge/io/task_thread.h"

namespace sallyport::signaling_edge {

// Address literals and static hosts are answered from memory, all else by the
// system's resolver on threads of its own. Addresses come with port 0. Loop
// thread only.
class HostResolver {
 public:
  using Addresses = std::vector<SocketAddress>;
  using Done = std::function<void(absl::StatusOr<Addresses>)>;

  struct Options {
    std::map<std::string, Addresses> static_hosts;  // names in lower case
    absl::Duration deadline = absl::Seconds(2);
    size_t max_waiting = 256;
    size_t threads = 2;
    // What the threads call; getaddrinfo if unset. For tests.
    std::function<absl::StatusOr<Addresses>(const std::string& host)> lookup;
  };

  static absl::StatusOr<std::unique_ptr<HostResolver>> Create(EventLoop& loop,
                                                              Options options);
  // Waits for lookups that have begun; callbacks that are due never come.
  ~HostResolver();

  // `done` is called once from the loop, never from within this call: with at
  // least one address, or UNAVAILABLE (HOST_NOT_FOUND), RESOURCE_EXHAUSTED
  // (HOST_LOOKUP_OVERLOAD) or DEADLINE_EXCEEDED (HOST_LOOKUP_TIMEOUT).
  void Resolve(const std::string& host, Done done);

  size_t waiting() const { return waiting_.size(); }

 private:
  struct Answer {
    uint64_t query = 0;
    absl::StatusOr<Addresses> addresses;
  };

  HostResolver(EventLoop& loop, Options options);
  void Finish(uint64_t query, absl::StatusOr<Addresses> addresses);
  void OnTimer(MonoTime now);

  EventLoop& loop_;
  const Options options_;
  EventLoop::TimerId timer_;
  uint64_t last_query_ = 0;
  absl::flat_hash_map<uint64_t, Done> waiting_;
  DeadlineQueue<uint64_t> deadlines_;
  std::unique_ptr<Mailbox<Answer>> answers_;
  std::unique_ptr<TaskThread> threads_;  // after answers_: it goes first
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_HOST_RESOLVER_H_
