// The sockets behind the ports that a loop's core opens.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_PORTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_PORTS_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/client_homes.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/tag_batch.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/udp_batch.h"
#include "services/media_relay/io/wire_header.h"

namespace sallyport::media_relay {

// Handed on to the core for a datagram whose port closed while it waited: no
// socket has this id.
inline constexpr SocketId kStraySocket = UINT64_MAX;

// What a datagram to be sent came from.
struct SendContext {
  MonoTime now;
  absl::Time arrival = absl::InfinitePast();
  // Writable bytes before the datagram, for heads.
  size_t room = 0;
  DelayHistogram* delay = nullptr;
  // See PacketAction; Send() alone knows it.
  bool dont_fragment = false;
};

// How datagrams from `socket` to `to` leave, worked out once. Filled by
// RelayPorts::Prepare(); the rest is its own.
struct SendRoute {
  SocketId socket = kNoSocket;
  Endpoint to;

  WireHeader header;
  // Where frames of the device are collected; null: the kernel routes.
  UdpSendBatch* frames = nullptr;
  int frames_fd = -1;
  // The socket's own descriptor, where it has one, and how many datagrams along
  // this way settle it; 0: it is, or cannot be.
  int fd = -1;
  uint32_t unsettled = 0;
  int interface = 0;  // of the frames
  uint32_t mtu = 0;
  uint32_t generation = 0;
  MonoTime refresh = MonoTime::InfinitePast();
  sockaddr_in6 name = {};
  socklen_t name_size = 0;
};

// Two implementations: PerPortSockets needs no privilege, SteeredPorts no
// socket for a port. Loop thread only once the loop runs.
class RelayPorts : public ClientHomes {
 public:
  // A datagram batch on one descriptor. `id` is its socket, or kNoSocket when
  // each datagram says by its local port: then IdOf().
  using Ready = std::function<void(int fd, SocketId id)>;

  // Of one loop, or where the kernel's own choice is always the same: nothing.
  void Keep(SocketId /*listener*/, const Endpoint& /*client*/) override {}
  void Release(SocketId /*listener*/, const Endpoint& /*client*/) override {}

  // Where datagrams to be sent may have left their tags; those are finished
  // before they go. `tags` must outlive this.
  virtual void FinishFirst(TagBatch& tags) = 0;
  // Takes some of what waits on a descriptor that Ready told of, for the core
  // until the next call.
  struct Received {
    ReceiveBatch& batch;
    size_t count;
  };
  virtual Received Receive(int fd) {
    return {sockets_batch_, sockets_batch_.Receive(fd)};
  }

  // A socket that clients are served on, bound; returns its port.
  virtual absl::StatusOr<uint16_t> Listen(SocketId id,
                                          const Endpoint& local) = 0;
  // ALREADY_EXISTS when someone else has the port.
  virtual absl::Status Open(SocketId id, const Endpoint& local) = 0;
  // What it was to send goes out first.
  virtual void Close(SocketId id) = 0;
  virtual bool IsOpen(SocketId id) const = 0;
  virtual SocketId IdOf(int fd, uint16_t local_port) const = 0;
  // Where an open socket is; none when it is not open, or not told.
  virtual std::optional<Endpoint> LocalOf(SocketId /*id*/) const {
    return std::nullopt;
  }

  // Told of datagrams that the network did not deliver, from sockets that are
  // watched for that. Before the first one is opened.
  using PeerErrors = std::function<void(SocketId id, const Endpoint& peer,
                                        const IcmpError& error)>;
  void TellPeerErrors(PeerErrors tell) { peer_errors_ = std::move(tell); }
  virtual void WatchErrors(SocketId /*id*/) {}

  // Takes `action.bytes` until Flush(). What must not be fragmented and does
  // not fit is refused.
  virtual void Send(const PacketAction& action, const SendContext& context) = 0;
  // False when the route's socket is not open.
  virtual bool Prepare(SendRoute& route) = 0;
  // The same along a route whose socket is open; `route` and `bytes` are
  // borrowed until Flush(), and `context.room` bytes before them written.
  virtual void SendAlong(SendRoute& route, absl::Span<uint8_t> bytes,
                         const SendContext& context) = 0;
  virtual void Flush() = 0;

  // Datagrams that the kernel refused.
  virtual uint64_t refused() const = 0;
  // That came and found no room before the core could take them.
  virtual uint64_t overrun() const { return 0; }

 protected:
  void TellPeerError(SocketId id, const Endpoint& peer,
                     const IcmpError& error) const {
    if (peer_errors_) peer_errors_(id, peer, error);
  }

 private:
  PeerErrors peer_errors_;
  UdpReceiveBatch sockets_batch_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_PORTS_H_
