// Reads PROXY protocol headers from connections of load balancers, before
// anything else looks at them.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_PROXY_INTAKE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_PROXY_INTAKE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/signaling_edge/core/flow.h"

namespace sallyport::signaling_edge {

// Takes exactly the header from the socket: what follows, SIP or a TLS
// handshake, stays there. A connection that brings none, a wrong one or a slow
// one is closed. Loop thread only.
class ProxyIntake {
 public:
  struct Options {
    std::vector<std::string> prefixes;  // of balancers
    absl::Duration timeout = absl::Seconds(5);
    size_t max_waiting = 1024;  // for their headers; more are closed
  };
  // A connection whose client is known: `remote` is the client.
  using Accepted = std::function<void(ListenerId listener, UniqueFd fd,
                                      const SocketAddress& remote)>;
  // PROXY_HEADER_INVALID, PROXY_HEADER_MISSING, PROXY_HEADER_TIMEOUT or
  // PROXY_LIMIT; `from` is the balancer.
  using Refused = std::function<void(
      ListenerId listener, const SocketAddress& from, const absl::Status& why)>;

  // `loop` outlives it.
  ProxyIntake(EventLoop& loop, Options options, Accepted accepted,
              Refused refused);
  ~ProxyIntake();
  ProxyIntake(const ProxyIntake&) = delete;
  ProxyIntake& operator=(const ProxyIntake&) = delete;

  // Whether `from` is a balancer, whose connections must begin with a header.
  bool IsProxy(const SocketAddress& from) const;
  void Take(ListenerId listener, UniqueFd fd, const SocketAddress& from);

  size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    ListenerId listener;
    UniqueFd fd;
    SocketAddress from;
    std::string header;
    size_t wanted;  // octets of the header, as far as is known
  };

  void OnReadable(uint64_t id);
  void Refuse(uint64_t id, const absl::Status& why);
  void OnTimer(MonoTime now);

  EventLoop& loop_;
  const Options options_;
  const Accepted accepted_;
  const Refused refused_;
  const EventLoop::TimerId timer_;
  uint64_t last_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Waiting>> waiting_;
  std::deque<std::pair<uint64_t, MonoTime>> deadlines_;  // some are done
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_PROXY_INTAKE_H_
