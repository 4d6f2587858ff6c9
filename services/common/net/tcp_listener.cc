#include "services/common/net/tcp_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/time/time.h"
#include "services/common/net/destruction_watch.h"
#include "services/common/net/errno_status.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

constexpr absl::Duration kRest = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::Listen(
    EventLoop& loop, const SocketAddress& address, const Options& options,
    AcceptCallback callback) {
  const int family = address.is_v6() ? AF_INET6 : AF_INET;
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int one = 1;
  // A restart must not wait for the old connections' TIME_WAIT.
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) {
    return ErrnoStatus(errno, "SO_REUSEADDR");
  }
  if (options.reuse_port &&
      setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) {
    return ErrnoStatus(errno, "SO_REUSEPORT");
  }
  if (address.is_v6() &&
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) {
    return ErrnoStatus(errno, "IPV6_V6ONLY");
  }
  sockaddr_storage name;
  socklen_t size = address.ToSockaddr(name);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) {
    return ErrnoStatus(errno, "bind");
  }
  // Only once bound: with it before, another socket of this user could share
  // the port.
  if (options.exclusive &&
      setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) {
    return ErrnoStatus(errno, "SO_REUSEPORT");
  }
  if (listen(fd.get(), options.backlog) != 0) {
    return ErrnoStatus(errno, "listen");
  }
  size = sizeof(name);
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  const auto local =
      SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size);
  if (!local) return absl::InternalError("getsockname: unknown family");
  std::unique_ptr<TcpListener> listener(
      new TcpListener(loop, std::move(fd), *local, options.accepts_at_once,
                      std::move(callback)));
  SP_RETURN_IF_ERROR(loop.Add(
      listener->fd_.get(), kReadable,
      [l = listener.get()](IoEvents) { l->OnReadable(); }, options.rank));
  return listener;
}

TcpListener::TcpListener(EventLoop& loop, UniqueFd fd,
                         const SocketAddress& local, int accepts_at_once,
                         AcceptCallback callback)
    : loop_(loop),
      fd_(std::move(fd)),
      local_(local),
      accepts_at_once_(accepts_at_once),
      callback_(std::move(callback)),
      timer_(loop.AddTimer([this](MonoTime) {
        // If even this fails, another rest.
        if (!loop_.Modify(fd_.get(), kReadable).ok()) Rest();
      })) {}

TcpListener::~TcpListener() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  loop_.Remove(fd_.get());
  loop_.RemoveTimer(timer_);
}

void TcpListener::Rest() {
  ++rests_;
  if (loop_.Modify(fd_.get(), IoEvents()).ok()) {
    loop_.SetTimer(timer_, loop_.now() + kRest);
  }
}

void TcpListener::OnReadable() {
  DestructionWatch watch(destroyed_);
  for (int i = 0; i < accepts_at_once_; ++i) {
    sockaddr_storage name;
    socklen_t size = sizeof(name);
    UniqueFd fd(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&name), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) {
      // Everything else is one connection that is gone again.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
          errno == ENOMEM) {
        Rest();
        break;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      continue;
    }
    const auto peer =
        SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size);
    if (!peer) continue;
    callback_(std::move(fd), *peer);
    if (watch.destroyed()) return;
  }
}

}  // namespace sallyport
