// Accepts TCP connections on an event loop.

#ifndef SALLYPORT_SERVICES_COMMON_NET_TCP_LISTENER_H_
#define SALLYPORT_SERVICES_COMMON_NET_TCP_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/rank.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {

// Listens until destroyed. When the process runs out of descriptors it rests
// for 100 ms instead of spinning; the connections wait in the backlog. Loop
// thread only.
class TcpListener {
 public:
  struct Options {
    bool reuse_port = false;  // one listener a loop on the same port
    // Nobody else may have the port, but connections may be made from it: see
    // TcpStream::Options::share_bind_address. Not together with reuse_port.
    bool exclusive = false;
    int backlog = 1024;
    Rank rank = Rank::kFirst;
    // Connections that are taken before others have their turn.
    int accepts_at_once = 64;
  };
  // A nonblocking connection, for TcpStream::Accept. May destroy the listener.
  using AcceptCallback =
      std::function<void(UniqueFd fd, const SocketAddress& peer)>;

  // Port 0 takes a free one; see local_address(). `loop` outlives the listener.
  static absl::StatusOr<std::unique_ptr<TcpListener>> Listen(
      EventLoop& loop, const SocketAddress& address, const Options& options,
      AcceptCallback callback);

  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  const SocketAddress& local_address() const { return local_; }
  // How often it had to rest.
  uint64_t rests() const { return rests_; }

 private:
  TcpListener(EventLoop& loop, UniqueFd fd, const SocketAddress& local,
              int accepts_at_once, AcceptCallback callback);

  void OnReadable();
  void Rest();

  EventLoop& loop_;
  UniqueFd fd_;
  const SocketAddress local_;
  const int accepts_at_once_;
  const AcceptCallback callback_;
  EventLoop::TimerId timer_;
  uint64_t rests_ = 0;
  bool* destroyed_ = nullptr;  // set while the callback runs
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_TCP_LISTENER_H_
