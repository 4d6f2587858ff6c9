#include "services/media_relay/io/per_port_sockets.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

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

PerPortSockets::~PerPortSockets() {
  for (const auto& [id, socket] : sockets_) loop_.Remove(socket->fd());
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
  const int fd = udp->fd();
  const uint16_t port = udp->local_address().port();
  SP_RETURN_IF_ERROR(loop_.Add(fd, kReadable, [this, fd, id](IoEvents ready) {
    if (ready.failed) ReadErrors(fd, id);
    ready_(fd, id);
  }));
  sockets_[id] = std::make_unique<UdpSocket>(*std::move(udp));
  return port;
}

absl::StatusOr<uint16_t> PerPortSockets::Listen(SocketId id,
                                                const Endpoint& local) {
  return Add(id, local, /*listener=*/true);
}

absl::Status PerPortSockets::Open(SocketId id, const Endpoint& local) {
  SP_RETURN_IF_ERROR(Add(id, local, /*listener=*/false).status());
  // Only now: a port that somebody has bound would have got the question.
  if (contested_ && PortIsSteeredAway(sockets_[id]->fd(), local)) {
    Close(id);
    return absl::AlreadyExistsError("another relay has the port");
  }
  return absl::OkStatus();
}

void PerPortSockets::WatchErrors(SocketId id) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return;
  // Without it clients are not told, and all else goes on.
  const int on = 1;
  const int fd = it->second->fd();
  if (it->second->local_address().is_v6()) {
    (void)setsockopt(fd, SOL_IPV6, IPV6_RECVERR, &on, sizeof(on));
  } else {
    (void)setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof(on));
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
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return;
  // What it was to send goes out before the descriptor can be another's.
  send_.Flush();
  loop_.Remove(it->second->fd());
  sockets_.erase(it);
}

void PerPortSockets::Send(const PacketAction& action,
                          const SendContext& context) {
  const auto it = sockets_.find(action.socket);
  if (it == sockets_.end()) return;
  const int fd = it->second->fd();
  if (!action.dont_fragment) {
    send_.Add(fd, action.to, action.bytes, action.delay, context.arrival);
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
  const auto it = sockets_.find(route.socket);
  if (it == sockets_.end()) return false;
  route.fd = it->second->fd();
  sockaddr_storage address;
  route.name_size = ToSockaddr(route.to, address);
  std::memcpy(&route.name, &address, sizeof(route.name));
  return true;
}

void PerPortSockets::SendAlong(SendRoute& route, absl::Span<uint8_t> bytes,
                               const SendContext& context) {
  send_.AddRaw(route.fd, &route.name, route.name_size, bytes, context.delay,
               context.arrival);
}

}  // namespace sallyport::media_relay
