// The TCP side of relayed addresses: listeners and connections to peers.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_PEER_STREAMS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_PEER_STREAMS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/io/octet_sink.h"
#include "services/media_relay/io/turn_stream_front.h"

namespace sallyport::media_relay {

// Octets that a Send of MS-TURN may leave waiting for its connection to come
// up.
inline constexpr size_t kConnectingBuffer = 16 * 1024;

// Loop thread only.
class PeerStreams final : public OctetSink {
 public:
  // All references must outlive this object.
  PeerStreams(EventLoop& loop, RelayCore& core, SocketActions& actions,
              TurnStreamFront& clients, TurnStreamFront::Owner& owner);
  ~PeerStreams() override;
  PeerStreams(const PeerStreams&) = delete;
  PeerStreams& operator=(const PeerStreams&) = delete;

  // As the core asked. ALREADY_EXISTS when someone else has the port.
  absl::Status Open(const OpenTcp& open);
  void Connect(const ConnectPeer& connect);
  void Join(SocketId peer, SocketId client);
  void Read(SocketId peer);
  void Close(SocketId socket);
  // One of ours, open or connecting?
  bool Has(SocketId socket) const {
    return listeners_.contains(socket) || peers_.contains(socket);
  }

  bool WriteOctets(SocketId socket, ByteSpan octets) override;
  size_t Waiting(SocketId socket) const override;
  void FinishOctets(SocketId socket) override;
  void ResumeReading(SocketId socket) override;

 private:
  class Peer;

  void OnAccept(SocketId listener, UniqueFd fd, const SocketAddress& from);
  // How a Connect went.
  void Report(SocketId peer, const absl::Status& status);
  // By the peer or an error: the core is told.
  void End(SocketId peer);
  void Bury(SocketId peer);

  EventLoop& loop_;
  RelayCore& core_;
  SocketActions& actions_;
  TurnStreamFront& clients_;
  TurnStreamFront::Owner& owner_;
  absl::flat_hash_map<SocketId, std::unique_ptr<TcpListener>> listeners_;
  absl::flat_hash_map<SocketId, std::unique_ptr<Peer>> peers_;
  // Closed in this turn, perhaps from within themselves.
  std::shared_ptr<std::vector<std::unique_ptr<Peer>>> buried_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_PEER_STREAMS_H_
