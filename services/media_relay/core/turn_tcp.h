// TCP allocations: Connect, ConnectionAttempt and ConnectionBind of RFC 6062.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_TCP_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_TCP_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/turn_allocator.h"
#include "services/media_relay/core/turn_answer.h"
#include "services/media_relay/core/turn_authenticator.h"

namespace sallyport::media_relay {

// An authenticated ConnectionBind for a connection of another loop.
struct BindTicket {
  uint32_t connection_id = 0;
  std::string username;
  TurnAnswer answer;
};

// Which peers may be connected to is peer_policy's decision, as everywhere; who
// may connect to a relayed address is that of the policy and the permissions.
// An error answered is also put into `error`. Thread-compatible.
class TurnTcp {
 public:
  // `allocator` must outlive this object.
  explicit TurnTcp(TurnAllocator& allocator) : allocator_(allocator) {}

  // RFC 6062 section 5.2; answered by OnPeerConnected().
  PacketAction OnConnect(const AuthenticatedRequest& request,
                         const ClientPath& path, absl::Span<uint8_t> reply,
                         Now now, SocketActions& sockets, StunError& error);
  // Section 5.4. One for a connection of another loop is moved there.
  PacketAction OnConnectionBind(const AuthenticatedRequest& request,
                                const ClientPath& path,
                                absl::Span<uint8_t> reply, Now now,
                                SocketActions& sockets, StunError& error);
  // On the other loop, once the connection is there by `path`.
  PacketAction OnMovedBind(const BindTicket& ticket, const ClientPath& path,
                           absl::Span<uint8_t> reply, Now now,
                           SocketActions& sockets, StunError& error);
  // What goes with a MoveStream.
  std::optional<BindTicket> TakeTicket(SocketId stream);

  // The answer to a ConnectPeer.
  PacketAction OnPeerConnected(SocketId peer, const absl::Status& status,
                               absl::Span<uint8_t> reply, Now now,
                               SocketActions& sockets, StunError& error);
  // A connection that `peer` made to a relayed address (section 5.3): its id,
  // and what the client is told; or kNoSocket, and it is to be closed. One to
  // an MS-TURN allocation is `framed`: see ConnectPeer. It may be the id of a
  // ConnectPeer, which it then takes the place of, or IsHeld(): not to be read
  // before a ReadPeer.
  SocketId OnPeerAccepted(SocketId relay_socket, const Endpoint& peer,
                          absl::Span<uint8_t> reply, Now now,
                          PacketAction& indication, bool& framed);
  bool IsHeld(SocketId peer) {
    const PeerConnection* connection = allocator_.peers().Find(peer);
    return connection != nullptr &&
           connection->state == PeerConnection::State::kHeld;
  }
  // By the peer or an error.
  void OnPeerClosed(SocketId peer, SocketActions& sockets) {
    allocator_.EndPeer(peer, sockets);
  }

 private:
  TurnAllocator& allocator_;
  absl::flat_hash_map<SocketId, BindTicket> tickets_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_TCP_H_
