// Connections between relayed TCP addresses and peers: RFC 6062 section 5.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PEER_CONNECTIONS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PEER_CONNECTIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/turn_answer.h"

namespace sallyport::media_relay {

// How long a peer may take to accept, and a client to bind (RFC 6062 sections
// 5.2 and 5.3).
inline constexpr absl::Duration kPeerConnectTimeout = absl::Seconds(30);
inline constexpr absl::Duration kConnectionBindTimeout = absl::Seconds(30);
// How long a framed connection of a peer waits, unread, for its permission: two
// clients that send to each other's relayed addresses do so at about one time.
inline constexpr absl::Duration kHeldTimeout = absl::Seconds(3);

struct PeerConnection {
  enum class State : uint8_t {
    kConnecting,  // towards the peer
    kUnbound,     // up; its data waits in the kernel until the client binds
    kBound,       // joined with a connection of the client
    kFramed,      // its data goes over the client's control connection
    kHeld,        // will be framed if the client permits the peer in time
  };

  SocketId socket = kNoSocket;
  SocketId allocation = kNoSocket;  // the relayed socket
  Endpoint peer;
  uint32_t id = 0;  // CONNECTION-ID
  State state = State::kConnecting;
  SocketId client = kNoSocket;        // kBound: the client's connection
  std::optional<TurnAnswer> connect;  // kConnecting: the Connect to be answered
};

// Those of one loop. A connection id says of which loop it is, since a client's
// data connection may have come to another one. Thread-compatible.
class PeerConnections {
 public:
  // Connections of one allocation, at most.
  static constexpr size_t kMaxPerAllocation = 32;
  // Of them kHeld.
  static constexpr size_t kMaxHeld = 8;

  // `random` must outlive this object; `loop` is below 256.
  PeerConnections(RandomSource& random, size_t loop)
      : random_(random), loop_(static_cast<uint8_t>(loop)) {}

  static size_t LoopOf(uint32_t id) { return id >> 24; }
  bool IsOwn(uint32_t id) const { return LoopOf(id) == loop_; }

  // Null when the allocation has too many. Draws the id.
  PeerConnection* Add(SocketId socket, SocketId allocation,
                      const Endpoint& peer, PeerConnection::State state,
                      MonoTime deadline);
  PeerConnection* Find(SocketId socket);
  PeerConnection* FindById(uint32_t id);
  PeerConnection* FindTo(SocketId allocation, const Endpoint& peer);
  // The one joined with this connection of a client.
  PeerConnection* FindByClient(SocketId client);

  // InfiniteFuture(): none.
  void SetDeadline(const PeerConnection& connection, MonoTime deadline) {
    deadlines_.Set(connection.socket, deadline);
  }
  void Bind(PeerConnection& connection, SocketId client);
  size_t HeldOf(SocketId allocation) const;
  // `peer` is permitted now: what it has held is framed from here on. Returns
  // the sockets.
  std::vector<SocketId> Release(SocketId allocation, const IpAddress& peer);
  // Nothing happens if it is not here.
  void Remove(SocketId socket);
  // The sockets of one allocation.
  std::vector<SocketId> OfAllocation(SocketId allocation) const;

  MonoTime deadline() const { return deadlines_.next(); }
  // One whose time is up; it still has to be removed.
  std::optional<SocketId> TakeExpired(MonoTime now) {
    return deadlines_.PopExpired(now);
  }

  size_t size() const { return by_socket_.size(); }

 private:
  RandomSource& random_;
  const uint8_t loop_;
  absl::flat_hash_map<SocketId, std::unique_ptr<PeerConnection>> by_socket_;
  absl::flat_hash_map<uint32_t, PeerConnection*> by_id_;
  absl::flat_hash_map<SocketId, PeerConnection*> by_client_;
  // A handful each.
  absl::flat_hash_map<SocketId, std::vector<PeerConnection*>> by_allocation_;
  DeadlineQueue<SocketId> deadlines_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PEER_CONNECTIONS_H_
