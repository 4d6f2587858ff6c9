#include "services/media_relay/core/turn_tcp.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_table.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_allocator.h"
#include "services/media_relay/core/turn_answer.h"
#include "services/media_relay/core/turn_authenticator.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;
using State = PeerConnection::State;

}  // namespace

PacketAction TurnTcp::OnConnect(const AuthenticatedRequest& request,
                                const ClientPath& path,
                                absl::Span<uint8_t> reply, Now now,
                                SocketActions& sockets, StunError& error) {
  const StunMessage& message = request.message.message();
  const TurnAnswer answer = AnswerTo(request, path);
  const auto refuse = [&](StunError code) {
    error = code;
    return RefuseAnswer(answer, code, reply);
  };
  const std::optional<Endpoint> peer =
      message.FindXorAddress(attr::kXorPeerAddress);
  Allocation* allocation = allocator_.table().FindFor(
      path, peer.has_value() ? peer->ip.family() : IpFamily::kNone, now.mono);
  if (allocation == nullptr || !allocation->tcp) {
    return refuse(StunError::kAllocationMismatch);
  }
  if (allocation->owner().username != request.credential.username) {
    return refuse(StunError::kWrongCredentials);
  }
  if (!peer.has_value()) return refuse(StunError::kBadRequest);
  if (peer->ip.family() != allocation->relayed.ip.family()) {
    return refuse(StunError::kPeerAddressFamilyMismatch);
  }
  if (allocator_.policy().Check(*peer, PeerTransport::kTcp) !=
      PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return refuse(StunError::kForbidden);
  }
  PeerConnections& peers = allocator_.peers();
  if (peers.FindTo(allocation->relay_socket(), *peer) != nullptr) {
    return refuse(StunError::kConnectionAlreadyExists);
  }
  if (!allocator_.memory().Take(MemoryUse::kPeerConnection)) {
    return refuse(StunError::kInsufficientCapacity);
  }
  // How long it may take is the loop's to measure.
  PeerConnection* const connection =
      peers.Add(allocator_.ids().Next(), allocation->relay_socket(), *peer,
                State::kConnecting, MonoTime::InfiniteFuture());
  if (connection == nullptr) return refuse(StunError::kInsufficientCapacity);
  connection->connect = answer;
  sockets.push_back(ConnectPeer{connection->socket, allocation->local, *peer});
  return PacketAction();
}

PacketAction TurnTcp::OnPeerConnected(SocketId peer, const absl::Status& status,
                                      absl::Span<uint8_t> reply, Now now,
                                      SocketActions& sockets,
                                      StunError& error) {
  PeerConnection* const connection = allocator_.peers().Find(peer);
  if (connection != nullptr && connection->state == State::kFramed) {
    // A Send made it; no answer is due.
    if (!status.ok()) allocator_.EndPeer(peer, sockets);
    return PacketAction();
  }
  if (connection == nullptr || !connection->connect.has_value()) {
    return PacketAction::Drop(DropReason::kUnknownSocket);
  }
  const TurnAnswer answer = *std::exchange(connection->connect, std::nullopt);
  if (!status.ok()) {
    allocator_.EndPeer(peer, sockets);
    error = StunError::kConnectionTimeoutOrFailure;
    return RefuseAnswer(answer, error, reply);
  }
  connection->state = State::kUnbound;
  allocator_.peers().SetDeadline(*connection,
                                 now.mono + kConnectionBindTimeout);
  StunWriter writer = BeginAnswer(answer, StunClass::kSuccess, reply);
  writer.AddUint32(attr::kConnectionId, connection->id);
  return FinishAnswer(writer, answer);
}

SocketId TurnTcp::OnPeerAccepted(SocketId relay_socket, const Endpoint& peer,
                                 absl::Span<uint8_t> reply, Now now,
                                 PacketAction& indication, bool& framed) {
  Allocation* allocation =
      allocator_.table().FindByRelay(relay_socket, now.mono);
  if (allocation == nullptr) {
    indication = PacketAction::Drop(DropReason::kUnknownSocket);
    return kNoSocket;
  }
  // The port that a peer connects from is its kernel's choice, so the address
  // alone counts.
  if (allocator_.policy().CheckAccepted(peer.ip) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    indication = PacketAction::Drop(DropReason::kPeerRefused);
    return kNoSocket;
  }
  PeerConnections& peers = allocator_.peers();
  framed = allocation->dialect == TurnDialect::kMsTurn;
  const bool permitted = allocation->IsPermitted(peer.ip, now.mono);
  if (!permitted &&
      (!framed || peers.HeldOf(relay_socket) >= PeerConnections::kMaxHeld)) {
    ++allocation->counters.dropped_no_permission;
    indication = PacketAction::Drop(DropReason::kNoPermission);
    return kNoSocket;
  }
  PeerConnection* connection = peers.FindTo(relay_socket, peer);
  if (connection != nullptr && connection->state == State::kFramed) {
    // A Send wanted to make it just when the peer did.
    indication = PacketAction();
    return connection->socket;
  }
  const State state = !framed     ? State::kUnbound
                      : permitted ? State::kFramed
                                  : State::kHeld;
  const MonoTime deadline = state == State::kFramed ? MonoTime::InfiniteFuture()
                            : state == State::kHeld
                                ? now.mono + kHeldTimeout
                                : now.mono + kConnectionBindTimeout;
  connection = connection != nullptr ||
                       !allocator_.memory().Take(MemoryUse::kPeerConnection)
                   ? nullptr
                   : peers.Add(allocator_.ids().Next(), relay_socket, peer,
                               state, deadline);
  if (connection == nullptr) {
    indication = PacketAction::Drop(DropReason::kTooManySources);
    return kNoSocket;
  }
  if (framed) {
    indication = PacketAction();
    return connection->socket;
  }
  StunTransactionId id;
  allocator_.random().Fill(absl::MakeSpan(id));
  StunWriter writer(reply, StunClass::kIndication,
                    static_cast<uint16_t>(StunMethod::kConnectionAttempt), id);
  writer.AddUint32(attr::kConnectionId, connection->id);
  writer.AddXorAddress(attr::kXorPeerAddress, peer);
  indication = SendAnswer(writer, allocation->path());
  return connection->socket;
}

PacketAction TurnTcp::OnConnectionBind(const AuthenticatedRequest& request,
                                       const ClientPath& path,
                                       absl::Span<uint8_t> reply, Now now,
                                       SocketActions& sockets,
                                       StunError& error) {
  BindTicket ticket;
  ticket.username = request.credential.username;
  ticket.answer = AnswerTo(request, path);
  const std::optional<uint32_t> id =
      request.message.message().FindUint32(attr::kConnectionId);
  // Section 5.4: over a connection that has no other purpose.
  if (!id.has_value() || !path.is_stream() ||
      allocator_.table().Find(path, now.mono) != nullptr) {
    error = StunError::kBadRequest;
    return RefuseAnswer(ticket.answer, error, reply);
  }
  ticket.connection_id = *id;
  if (allocator_.peers().IsOwn(*id)) {
    return OnMovedBind(ticket, path, reply, now, sockets, error);
  }
  tickets_[path.socket] = std::move(ticket);
  sockets.push_back(MoveStream{path.socket, PeerConnections::LoopOf(*id)});
  return PacketAction();
}

std::optional<BindTicket> TurnTcp::TakeTicket(SocketId stream) {
  const auto it = tickets_.find(stream);
  if (it == tickets_.end()) return std::nullopt;
  BindTicket ticket = std::move(it->second);
  tickets_.erase(it);
  return ticket;
}

PacketAction TurnTcp::OnMovedBind(const BindTicket& ticket,
                                  const ClientPath& path,
                                  absl::Span<uint8_t> reply, Now now,
                                  SocketActions& sockets, StunError& error) {
  TurnAnswer answer = ticket.answer;
  answer.path = path;
  PeerConnection* const connection =
      allocator_.peers().FindById(ticket.connection_id);
  const Allocation* allocation =
      connection == nullptr || connection->state != State::kUnbound
          ? nullptr
          : allocator_.table().FindByRelay(connection->allocation, now.mono);
  // Nobody learns that an id exists whose allocation is another user's.
  if (allocation == nullptr || allocation->dialect != TurnDialect::kTurn ||
      allocation->owner().username != ticket.username) {
    error = StunError::kBadRequest;
    return RefuseAnswer(answer, error, reply);
  }
  allocator_.peers().Bind(*connection, path.socket);
  allocator_.streams().Settle(path.socket);
  sockets.push_back(JoinStreams{path.socket, connection->socket});
  StunWriter writer = BeginAnswer(answer, StunClass::kSuccess, reply);
  return FinishAnswer(writer, answer);
}

}  // namespace sallyport::media_relay
