#include "services/media_relay/io/per_port_sockets.h"

#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/udp_socket.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/udp_batch.h"

namespace sallyport::media_relay {
namespace {

constexpr int kListenerBuffer = 4 << 20;

}  // namespace

absl::StatusOr<UdpSocket> BindListener(const Endpoint& local) {
  UdpSocket::Options options;
  options.reuse_port = true;
  options.receive_buffer = kListenerBuffer;
  return UdpSocket::Bind(local.ToSocketAddress(), options);
}

void StampArrivals(int fd) {
  const int on = 1;
  (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
}

PerPortSockets::~PerPortSockets() {
  for (const auto& [id, socket] : sockets_) loop_.Remove(socket->fd());
}

absl::StatusOr<uint16_t> PerPortSockets::Add(SocketId id, const Endpoint& local,
                                             bool listener) {
  absl::StatusOr<UdpSocket> udp =
      listener ? BindListener(local) : UdpSocket::Bind(local.ToSocketAddress());
  if (!udp.ok()) return udp.status();
  if (!listener) StampArrivals(udp->fd());
  const int fd = udp->fd();
  const uint16_t port = udp->local_address().port();
  SP_RETURN_IF_ERROR(
      loop_.Add(fd, kReadable, [this, fd, id](IoEvents) { ready_(fd, id); }));
  sockets_[id] = std::make_unique<UdpSocket>(*std::move(udp));
  return port;
}

absl::StatusOr<uint16_t> PerPortSockets::Listen(SocketId id,
                                                const Endpoint& local) {
  return Add(id, local, /*listener=*/true);
}

absl::Status PerPortSockets::Open(SocketId id, const Endpoint& local) {
  if (contested_ && PortAnswers(local)) {
    return absl::AlreadyExistsError("another relay has the port");
  }
  return Add(id, local, /*listener=*/false).status();
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
  send_.Add(it->second->fd(), action.to, action.bytes, action.delay,
            context.arrival);
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
