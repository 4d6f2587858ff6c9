#include "services/media_relay/io/per_port_sockets.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/udp_socket.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/arrival_stamps.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/udp_batch.h"

namespace sallyport::media_relay {
namespace {

constexpr int kListenerBuffer = 4 << 20;
// Taken from one socket before others have their turn.
constexpr int kErrorsPerTurn = 16;

}  // namespace

absl::StatusOr<UdpSocket> BindListener(const Endpoint& local) {
  UdpSocket::Options options;
  options.reuse_port = true;
  options.receive_buffer = kListenerBuffer;
  return UdpSocket::Bind(local.ToSocketAddress(), options);
}

bool SetDontFragment(int fd, const IpAddress& to, bool dont_fragment) {
  if (to.is_v6()) {
    const int discover =
        dont_fragment ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT;
    const int on = dont_fragment ? 1 : 0;
    return setsockopt(fd, SOL_IPV6, IPV6_MTU_DISCOVER, &discover,
                      sizeof(discover)) == 0 &&
           setsockopt(fd, SOL_IPV6, IPV6_DONTFRAG, &on, sizeof(on)) == 0;
  }
  // Neither sets DF nor keeps what routers say from the error queue, as
  // IP_PMTUDISC_DONT would: the DF datagram that it is about has gone before.
  const int discover = dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT;
  return setsockopt(fd, SOL_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) ==
         0;
}

PerPortSockets::PerPortSockets(EventLoop& loop, Ready ready, bool contested)
    : loop_(loop),
      ready_(std::move(ready)),
      contested_(contested),
      highest_descriptor_([] {
        rlimit limit = {};
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
        return static_cast<int>(
            std::min<rlim_t>(limit.rlim_cur / 2, INT32_MAX));
      }()) {}

PerPortSockets::~PerPortSockets() {
  for (const auto& [id, port] : ports_) {
    loop_.Remove(port->udp.fd());
    if (port->connected != nullptr) loop_.Remove(port->connected->fd());
  }
}

absl::Status PerPortSockets::AddToLoop(int fd, SocketId id) {
  return loop_.Add(fd, kReadable, [this, fd, id](IoEvents ready) {
    if (ready.failed) ReadErrors(fd, id);
    ready_(fd, id);
  });
}

absl::StatusOr<uint16_t> PerPortSockets::Add(SocketId id, const Endpoint& local,
                                             bool listener) {
  absl::StatusOr<UdpSocket> udp =
      listener ? BindListener(local) : UdpSocket::Bind(local.ToSocketAddress());
  if (!udp.ok()) return udp.status();
  if (!listener) {
    StampArrivals(udp->fd(), true);
    (void)SetDontFragment(udp->fd(), local.ip, false);
  }
  const uint16_t bound = udp->local_address().port();
  SP_RETURN_IF_ERROR(AddToLoop(udp->fd(), id));
  auto port = std::make_unique<Port>(*std::move(udp));
  port->listens = listener;
  ports_[id] = std::move(port);
  return bound;
}

void PerPortSockets::Connect(SocketId id, Port& port, const Endpoint& to) {
  if (port.listens || port.connected != nullptr) return;
  // Nobody shares the port but us two, and that only while this is done.
  const auto share = [](const UdpSocket& socket, int on) {
    (void)setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  };
  UdpSocket::Options options;
  options.reuse_port = true;
  share(port.udp, 1);
  absl::StatusOr<UdpSocket> udp =
      UdpSocket::Bind(port.udp.local_address(), options);
  share(port.udp, 0);
  if (!udp.ok() || udp->fd() > highest_descriptor_) return;
  // What comes before it is connected is read from it as from the other.
  sockaddr_storage address;
  const socklen_t size = ToSockaddr(to, address);
  if (connect(udp->fd(), reinterpret_cast<const sockaddr*>(&address), size) !=
          0 ||
      !AddToLoop(udp->fd(), id).ok()) {
    return;
  }
  share(*udp, 0);
  StampArrivals(udp->fd(), true);
  (void)SetDontFragment(udp->fd(), to.ip, false);
  if (port.watched) WatchErrors(*udp);
  port.connected = std::make_unique<UdpSocket>(*std::move(udp));
  port.peer = to;
  ++connected_;
}

absl::StatusOr<uint16_t> PerPortSockets::Listen(SocketId id,
                                                const Endpoint& local) {
  return Add(id, local, /*listener=*/true);
}

absl::Status PerPortSockets::Open(SocketId id, const Endpoint& local) {
  SP_RETURN_IF_ERROR(Add(id, local, /*listener=*/false).status());
  // Only now: a port that somebody has bound would have got the question.
  if (contested_ && PortIsSteeredAway(ports_[id]->udp.fd(), local)) {
    Close(id);
    return absl::AlreadyExistsError("another relay has the port");
  }
  return absl::OkStatus();
}

void PerPortSockets::WatchErrors(SocketId id) {
  const auto it = ports_.find(id);
  if (it == ports_.end()) return;
  it->second->watched = true;
  WatchErrors(it->second->udp);
}

void PerPortSockets::WatchErrors(const UdpSocket& socket) {
  // Without it clients are not told, and all else goes on.
  const int on = 1;
  if (socket.local_address().is_v6()) {
    (void)setsockopt(socket.fd(), SOL_IPV6, IPV6_RECVERR, &on, sizeof(on));
  } else {
    (void)setsockopt(socket.fd(), SOL_IP, IP_RECVERR, &on, sizeof(on));
  }
}

void PerPortSockets::ReadErrors(int fd, SocketId id) {
  for (int i = 0; i < kErrorsPerTurn; ++i) {
    // The datagram itself is of no interest: none of it is read.
    alignas(cmsghdr) std::array<char, 256> control;
    sockaddr_storage peer = {};
    msghdr message = {};
    message.msg_name = &peer;
    message.msg_namelen = sizeof(peer);
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr;
         c = CMSG_NXTHDR(&message, c)) {
      const bool v4 = c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR;
      const bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR;
      if (!v4 && !v6) continue;
      sock_extended_err error;
      std::memcpy(&error, CMSG_DATA(c), sizeof(error));
      // Others are of our own making, such as what was too long to send.
      if (error.ee_origin != (v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6)) {
        continue;
      }
      const std::optional<IcmpError> told =
          MakeIcmpError(v4 ? IpFamily::kIpv4 : IpFamily::kIpv6, error.ee_type,
                        error.ee_code, error.ee_info);
      if (told.has_value()) TellPeerError(id, FromSockaddr(peer), *told);
    }
  }
}

void PerPortSockets::Close(SocketId id) {
  const auto it = ports_.find(id);
  if (it == ports_.end()) return;
  // What it was to send goes out before the descriptors can be another's.
  send_.Flush();
  loop_.Remove(it->second->udp.fd());
  if (it->second->connected != nullptr) {
    loop_.Remove(it->second->connected->fd());
    --connected_;
  }
  ports_.erase(it);
}

void PerPortSockets::Send(const PacketAction& action,
                          const SendContext& context) {
  const auto it = ports_.find(action.socket);
  if (it == ports_.end()) return;
  Port& port = *it->second;
  const int fd = port.udp.fd();
  if (!action.dont_fragment) {
    if (port.connected != nullptr && port.peer == action.to) {
      send_.AddRaw(port.connected->fd(), nullptr, 0, action.bytes, action.delay,
                   context.arrival);
      return;
    }
    send_.Add(fd, action.to, action.bytes, action.delay, context.arrival);
    if (port.listens || port.connected != nullptr) return;
    port.streak = port.last == action.to ? port.streak + 1 : 0;
    port.last = action.to;
    if (port.streak == kSettled) Connect(action.socket, port, action.to);
    return;
  }
  // The kernel knows this of sockets, not of datagrams.
  send_.Flush();
  if (!SetDontFragment(fd, action.to.ip, true)) {
    ++refused_unfragmented_;
    return;
  }
  send_.Add(fd, action.to, action.bytes, action.delay, context.arrival);
  send_.Flush();
  (void)SetDontFragment(fd, action.to.ip, false);
}

bool PerPortSockets::Prepare(SendRoute& route) {
  const auto it = ports_.find(route.socket);
  if (it == ports_.end()) return false;
  const Port& port = *it->second;
  if (port.connected != nullptr && port.peer == route.to) {
    route.fd = port.connected->fd();
    route.name_size = 0;
    return true;
  }
  route.fd = port.udp.fd();
  // The next that is sent along it counts.
  route.unsettled = port.listens || port.connected != nullptr ? 0 : kSettled;
  sockaddr_storage address;
  route.name_size = ToSockaddr(route.to, address);
  std::memcpy(&route.name, &address, sizeof(route.name));
  return true;
}

void PerPortSockets::SendAlong(SendRoute& route, absl::Span<uint8_t> bytes,
                               const SendContext& context) {
  if (route.unsettled > 0 && --route.unsettled == 0) {
    Connect(route.socket, *ports_.at(route.socket), route.to);
    // What is collected borrows from the route.
    send_.Flush();
    (void)Prepare(route);
    route.unsettled = 0;
  }
  send_.AddRaw(route.fd, route.name_size == 0 ? nullptr : &route.name,
               route.name_size, bytes, context.delay, context.arrival);
}

}  // namespace sallyport::media_relay
