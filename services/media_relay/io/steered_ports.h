// One receiving socket for all ports of an address, and sending by heads of
// our own making.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_STEERED_PORTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_STEERED_PORTS_H_

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/memory/block_pool.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/tag_batch.h"
#include "services/media_relay/io/arrival_stamps.h"
#include "services/media_relay/io/frame_rings.h"
#include "services/media_relay/io/icmp_listener.h"
#include "services/media_relay/io/next_hop_table.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/udp_batch.h"
#include "services/media_relay/io/wire_header.h"

namespace sallyport::media_relay {

// Receives through PortSteering. A relayed datagram leaves as a frame of its
// own device where the next hop is known, else through a raw IP socket, whose
// routing and neighbours are the kernel's. Needs CAP_NET_RAW too. Loop thread
// only.
class SteeredPorts final : public RelayPorts {
 public:
  struct Options {
    // Local addresses that ports are opened on.
    std::vector<IpAddress> addresses;
    // Frames past the kernel's IP layer: fastest, but netfilter's output rules
    // do not see them. Else raw sockets only.
    bool frames = true;
    // Where datagrams for open ports come from and go through as far as they
    // can; must outlive the ports. Null: sockets alone. Needs `frames`.
    FrameRings* rings = nullptr;
    // Of several loops that serve the listeners together, and where it runs;
    // negative: anywhere, and the kernel chooses by address alone.
    uint32_t loop = 0;
    int processor = -1;
    // Told which generation of routes is in force, at first and when it moves.
    // May be empty.
    std::function<void(uint32_t generation)> routes_changed;
  };

  // `loop` and `steering` must outlive it.
  static absl::StatusOr<std::unique_ptr<SteeredPorts>> Create(
      const Options& options, EventLoop& loop, PortSteering& steering,
      Ready ready);
  ~SteeredPorts() override;

  void FinishFirst(TagBatch& tags) override;
  absl::StatusOr<uint16_t> Listen(SocketId id, const Endpoint& local) override;
  void Keep(SocketId listener, const Endpoint& client) override;
  void Release(SocketId listener, const Endpoint& client) override;
  absl::Status Open(SocketId id, const Endpoint& local) override;
  void Close(SocketId id) override;
  bool IsOpen(SocketId id) const override { return local_.contains(id); }
  Received Receive(int fd) override;
  SocketId IdOf(int fd, uint16_t local_port) const override;
  std::optional<Endpoint> LocalOf(SocketId id) const override;
  void Send(const PacketAction& action, const SendContext& context) override;
  bool Prepare(SendRoute& route) override;
  void SendAlong(SendRoute& route, absl::Span<uint8_t> bytes,
                 const SendContext& context) override;
  void Flush() override;
  uint64_t refused() const override;
  uint64_t overrun() const override {
    return rings_ == nullptr ? 0 : rings_->overrun();
  }

 private:
  struct Receiver {
    IpAddress address;
    UdpSocket udp;
    uint32_t slot;
  };
  struct Local {
    Endpoint endpoint;
    int listener = -1;               // descriptor of a listener
    std::optional<uint32_t> shared;  // its number where loops share it
  };
  // By local port - first.
  struct Port {
    SocketId id = kStraySocket;
    int fd = -1;
  };
  struct Device {
    UniqueFd fd;
    UdpSendBatch send;
  };

  // Sent at Flush(), so that their routes are fetched together.
  struct Waiting {
    SocketId socket;
    Endpoint to;
    SendRoute* route;  // null: found by hash
    size_t hash;
    absl::Span<uint8_t> bytes;
    SendContext context;
  };
  // Thousands of them are used in turn.
  struct NumberedRoute final : Pooled<NumberedRoute> {
    SendRoute route;
  };

  SteeredPorts(EventLoop& loop, PortSteering& steering, Ready ready);
  absl::Status Start(const Options& options);
  SendRoute& RouteOf(const Waiting& waiting);
  // About a datagram of one of our ports, if it is one.
  void OnIcmp(const IcmpQuote& quote);
  // Makes the route anew if it was another's.
  void Claim(SendRoute& route, const Waiting& waiting);
  void SendWaiting();
  void FlushBatches();
  Device* DeviceOf(int interface);
  // Through a socket of the port itself, at once: it fragments
  // if it may.
  void SendLarge(const Local& local, const Endpoint& to,
                 absl::Span<const uint8_t> bytes, bool dont_fragment);

  EventLoop& loop_;
  PortSteering& steering_;
  const Ready ready_;
  uint32_t own_loop_ = 0;
  int processor_ = -1;
  ReceiveLoad load_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::vector<std::unique_ptr<UdpSocket>> listeners_;
  absl::flat_hash_map<SocketId, Local> local_;
  std::vector<Port> ports_;
  std::unique_ptr<NextHopTable> next_hops_;  // null: no frames
  FrameRings* rings_ = nullptr;
  std::unique_ptr<IcmpListener> icmp_;
  UniqueFd raw_v4_;
  UniqueFd raw_v6_;
  UdpSendBatch raw_;
  UdpSendBatch plain_;  // listeners' own
  absl::flat_hash_map<int, std::unique_ptr<Device>> devices_;
  // For what comes without a route. A set is found by hash and made when first
  // needed; in a full one the oldest gives way.
  static constexpr size_t kSets = 4096;
  struct RouteSet {
    std::array<size_t, 4> hashes = {};
    size_t oldest = 0;
    std::array<SendRoute, 4> routes;
  };
  std::vector<std::unique_ptr<RouteSet>> routes_;
  // By PacketAction::route - 1.
  std::vector<std::unique_ptr<NumberedRoute>> numbered_;
  TagBatch* tags_ = nullptr;
  std::array<Waiting, kBatchSize> waiting_;
  size_t waiting_count_ = 0;
  uint64_t refused_large_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_STEERED_PORTS_H_
