// A socket for each port, and one more for the peer that it sends most to:
// works everywhere.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_PER_PORT_SOCKETS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_PER_PORT_SOCKETS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/tag_batch.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/udp_batch.h"

namespace sallyport::media_relay {

// A port that has sent kSettled datagrams to one peer gets a socket that is
// connected to it, on the same port: the kernel then looks for no route for
// each datagram. Half of the descriptors at most are such. Loop thread only.
class PerPortSockets final : public RelayPorts {
 public:
  static constexpr uint32_t kSettled = 64;

  // `contested`: another relay of this network namespace steers ports of our
  // addresses, so a port that can be bound may still not be ours.
  PerPortSockets(EventLoop& loop, Ready ready, bool contested);
  ~PerPortSockets() override;

  void FinishFirst(TagBatch& tags) override { send_.FinishFirst(&tags); }
  absl::StatusOr<uint16_t> Listen(SocketId id, const Endpoint& local) override;
  absl::Status Open(SocketId id, const Endpoint& local) override;
  void Close(SocketId id) override;
  bool IsOpen(SocketId id) const override { return ports_.contains(id); }
  SocketId IdOf(int, uint16_t) const override { return kStraySocket; }
  void WatchErrors(SocketId id) override;
  void Send(const PacketAction& action, const SendContext& context) override;
  bool Prepare(SendRoute& route) override;
  void SendAlong(SendRoute& route, absl::Span<uint8_t> bytes,
                 const SendContext& context) override;
  void Flush() override { send_.Flush(); }
  uint64_t refused() const override {
    return send_.refused() + refused_unfragmented_;
  }

  // Sockets that are connected to a peer.
  size_t connected() const { return connected_; }

 private:
  struct Port {
    explicit Port(UdpSocket socket) : udp(std::move(socket)) {}

    UdpSocket udp;
    bool listens = false;
    bool watched = false;  // for errors
    std::unique_ptr<UdpSocket> connected;
    Endpoint peer;  // of `connected`
    // Whom Send() has sent to how often, one after the other.
    Endpoint last;
    uint32_t streak = 0;
  };

  absl::StatusOr<uint16_t> Add(SocketId id, const Endpoint& local,
                               bool listener);
  absl::Status AddToLoop(int fd, SocketId id);
  // If that can be.
  void Connect(SocketId id, Port& port, const Endpoint& to);
  static void WatchErrors(const UdpSocket& socket);
  // What the kernel has noted of earlier datagrams of the socket.
  void ReadErrors(int fd, SocketId id);

  EventLoop& loop_;
  const Ready ready_;
  const bool contested_;
  absl::flat_hash_map<SocketId, std::unique_ptr<Port>> ports_;
  size_t connected_ = 0;
  const int highest_descriptor_;  // of those that are connected
  UdpSendBatch send_;
  uint64_t refused_unfragmented_ = 0;
};

// A socket that clients are served on: shared with the other loops, with room
// for bursts.
absl::StatusOr<UdpSocket> BindListener(const Endpoint& local);
// Whether what the socket sends has DF set and is refused where it does not fit
// the interface, or may be fragmented; false when the kernel does not do it.
// What is known of the path does not count, so that a client can find out; but
// where IPv6 may be fragmented it does, as nobody on the way does it.
bool SetDontFragment(int fd, const IpAddress& to, bool dont_fragment);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_PER_PORT_SOCKETS_H_
