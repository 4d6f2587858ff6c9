#include "services/media_relay/core/turn_server.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_flows.h"
#include "services/media_relay/core/allocation_table.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/ms_turn_server.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/packet_classifier.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_allocator.h"
#include "services/media_relay/core/turn_answer.h"
#include "services/media_relay/core/turn_authenticator.h"
#include "services/media_relay/core/turn_data_indication.h"
#include "services/media_relay/core/turn_tcp.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

constexpr uint8_t kTransportUdp = 17;
constexpr uint8_t kTransportTcp = 6;

// What is told to one client of ICMP errors, which anyone may forge.
constexpr GcraLimit kPeerErrors = {absl::Milliseconds(200), 10};

// False when there is no room. RFC 8656 section 12.5: padding is of any value,
// but what was in the buffer must not leave with it.
bool PadToFour(Packet& packet) {
  const size_t padding = (4 - packet.size % 4) % 4;
  if (padding > packet.tailroom) return false;
  std::memset(packet.data + packet.size, 0, padding);
  packet.size += padding;
  packet.tailroom -= padding;
  return true;
}

}  // namespace

TurnServer::TurnServer(const TurnServerOptions& options,
                       const PeerPolicy& policy, PortPool& ports,
                       SocketIds& ids, RandomSource& random)
    : random_(random),
      authenticator_(options.authenticator, random),
      allocator_(options, policy, ports, ids, random),
      tcp_(allocator_),
      ms_(allocator_, authenticator_) {}

PacketAction TurnServer::OnClientPacket(const ClientPath& path, Packet& packet,
                                        absl::Span<uint8_t> reply, Now now,
                                        SocketActions& sockets) {
  if (IsMsTurn(packet.bytes())) {
    const absl::StatusOr<MsTurnMessage> message =
        ParseMsTurnMessage(packet.bytes());
    if (!message.ok()) return PacketAction::Drop(DropReason::kMalformedStun);
    return OnMsTurn(*message, {path, reply, now, sockets});
  }
  if (Allocation* active = FindActive(path, now)) {
    return ms_.OnData(*active, packet.bytes(), now);
  }
  switch (ClassifyPacket(packet.bytes())) {
    case PacketKind::kChannelData:
      return OnChannelData(path, packet.bytes(), now);
    case PacketKind::kStun: {
      const absl::StatusOr<StunMessage> message =
          ParseStunMessage(packet.bytes());
      if (!message.ok()) return PacketAction::Drop(DropReason::kMalformedStun);
      return OnStun(*message, {path, reply, now, sockets});
    }
    default:
      return PacketAction::Drop(DropReason::kNotTurn);
  }
}

PacketAction TurnServer::OnStreamUnit(const ClientPath& path,
                                      absl::Span<const uint8_t> unit,
                                      absl::Span<uint8_t> reply, Now now,
                                      SocketActions& sockets, bool& broken) {
  if (ClassifyPacket(unit) == PacketKind::kChannelData) {
    return OnChannelData(path, unit, now);
  }
  const absl::StatusOr<StunMessage> message = ParseStunMessage(unit);
  if (!message.ok()) {
    broken = true;
    return PacketAction::Drop(DropReason::kMalformedStun);
  }
  return OnStun(*message, {path, reply, now, sockets});
}

PacketAction TurnServer::OnMsTurnUnit(const ClientPath& path, uint8_t type,
                                      absl::Span<const uint8_t> unit,
                                      absl::Span<uint8_t> reply, Now now,
                                      SocketActions& sockets, bool& broken) {
  if (authenticator_.approved_only()) {
    broken = true;
    return PacketAction::Drop(DropReason::kNotAllowedInFipsMode);
  }
  if (type == kMsTurnData) {
    Allocation* allocation = allocator_.table().Find(path, now.mono);
    return allocation == nullptr
               ? PacketAction::Drop(DropReason::kUnknownClient)
               : ms_.OnData(*allocation, unit, now);
  }
  const absl::StatusOr<MsTurnMessage> message = ParseMsTurnMessage(unit);
  if (!message.ok()) {
    broken = true;
    return PacketAction::Drop(DropReason::kMalformedStun);
  }
  return OnMsTurn(*message, {path, reply, now, sockets});
}

PacketAction TurnServer::OnMsTurn(const MsTurnMessage& message,
                                  const Context& context) {
  // Its keys are made with MD5 (IMP-70).
  if (authenticator_.approved_only()) {
    return PacketAction::Drop(DropReason::kNotAllowedInFipsMode);
  }
  MsTurnServer::Outcome outcome;
  const PacketAction action =
      ms_.OnMessage(message, context.path, context.reply, context.now,
                    context.sockets, outcome);
  if (outcome.challenged) ++stats_.challenges;
  return Count(action, outcome.error);
}

Allocation* TurnServer::FindActive(const ClientPath& path, Now now) {
  if (allocator_.ms_allocations() == 0) return nullptr;
  Allocation* allocation = allocator_.table().Find(path, now.mono);
  return allocation != nullptr && allocation->ms != nullptr &&
                 allocation->ms->active.has_value()
             ? allocation
             : nullptr;
}

PacketAction TurnServer::OnPeerUnit(SocketId peer, Packet& packet, Now now) {
  const PeerConnection* connection = allocator_.peers().Find(peer);
  Allocation* allocation =
      connection == nullptr
          ? nullptr
          : allocator_.table().FindByRelay(connection->allocation, now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownSocket);
  }
  return ms_.OnPeerPacket(*allocation, connection->peer, packet, now);
}

PacketAction TurnServer::OnChannelData(const ClientPath& path,
                                       absl::Span<const uint8_t> bytes,
                                       Now now) {
  const absl::StatusOr<ChannelData> frame = ParseChannelData(bytes);
  if (!frame.ok()) return PacketAction::Drop(DropReason::kMalformedChannel);
  Allocation* allocation = allocator_.table().Find(path, now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownClient);
  }
  const Allocation::Channel* channel =
      allocation->FindChannel(frame->channel, now.mono);
  // Both halves of a dual allocation draw from the client's one set of numbers.
  if (channel == nullptr && allocation->twin != nullptr &&
      allocation->twin->expiry > now.mono) {
    allocation = allocation->twin;
    channel = allocation->FindChannel(frame->channel, now.mono);
  }
  if (channel == nullptr) {
    return PacketAction::Drop(DropReason::kUnboundChannel);
  }
  // A binding outlives its permission (RFC 8656 section 12).
  if (!allocation->IsPermitted(channel->peer.ip, now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  if (allocator_.policy().Check(channel->peer) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  if (const DropReason over = allocation->TakeBandwidth(
          TrafficDirection::kToPeers, frame->payload.size(), now.mono);
      over != DropReason::kNone) {
    return PacketAction::Drop(over);
  }
  ++allocation->counters.packets_to_peers;
  allocation->counters.bytes_to_peers += frame->payload.size();
  ++stats_.packets_to_peers;
  stats_.bytes_to_peers += frame->payload.size();
  return PacketAction::Send(allocation->relay_socket(), channel->peer,
                            frame->payload);
}

PacketAction TurnServer::OnStun(const StunMessage& message,
                                const Context& context) {
  if (message.Is(StunClass::kIndication, StunMethod::kSend)) {
    return OnSend(message, context);
  }
  if (message.message_class() != StunClass::kRequest) {
    return PacketAction::Drop(DropReason::kUnexpectedStun);
  }
  switch (static_cast<StunMethod>(message.method())) {
    case StunMethod::kBinding:
      return OnBinding(message, context);
    case StunMethod::kAllocate:
    case StunMethod::kRefresh:
    case StunMethod::kCreatePermission:
    case StunMethod::kChannelBind:
    case StunMethod::kConnect:
    case StunMethod::kConnectionBind:
      break;
    default:
      return PacketAction::Drop(DropReason::kUnexpectedStun);
  }

  TurnChallenge refused;
  const std::optional<AuthenticatedRequest> request =
      authenticator_.Authenticate(message, context.path, context.reply,
                                  context.now, refused);
  if (!request.has_value()) {
    if (refused.answer.empty()) return PacketAction::Drop(refused.drop);
    CountError(refused.error);
    if (refused.error == StunError::kUnauthenticated) ++stats_.challenges;
    return PacketAction::Send(context.path.socket, context.path.client,
                              refused.answer);
  }
  // RFC 8489 section 6.3.1, after authentication.
  if (!message.unknown_required().empty()) {
    return Refuse(*request, StunError::kUnknownAttribute, context);
  }
  switch (static_cast<StunMethod>(message.method())) {
    case StunMethod::kAllocate:
      return OnAllocate(*request, context);
    case StunMethod::kRefresh:
      return OnRefresh(*request, context);
    case StunMethod::kCreatePermission:
      return OnCreatePermission(*request, context);
    case StunMethod::kChannelBind:
      return OnChannelBind(*request, context);
    default:
      break;
  }
  StunError error = StunError::kNone;
  const PacketAction action =
      static_cast<StunMethod>(message.method()) == StunMethod::kConnect
          ? tcp_.OnConnect(*request, context.path, context.reply, context.now,
                           context.sockets, error)
          : tcp_.OnConnectionBind(*request, context.path, context.reply,
                                  context.now, context.sockets, error);
  return Count(action, error);
}

PacketAction TurnServer::OnBinding(const StunMessage& message,
                                   const Context& context) {
  if (!authenticator_.MayAnswer(context.path.client.ip, context.now.mono)) {
    return PacketAction::Drop(DropReason::kRateLimited);
  }
  const bool unknown = !message.unknown_required().empty();
  StunWriter writer(context.reply,
                    unknown ? StunClass::kError : StunClass::kSuccess,
                    message.method(), message.transaction_id());
  if (unknown) {
    CountError(StunError::kUnknownAttribute);
    writer.AddErrorCode(StunError::kUnknownAttribute);
    writer.AddUnknownAttributes(message.unknown_required());
  } else {
    ++stats_.binding_answers;
    writer.AddXorAddress(attr::kXorMappedAddress, context.path.client);
  }
  // Only to who asked with one: eight bytes are a quarter of the answer.
  if (message.has_fingerprint()) writer.AddFingerprint();
  return SendAnswer(writer, context.path);
}

PacketAction TurnServer::OnSend(const StunMessage& message,
                                const Context& context) {
  const std::optional<Endpoint> peer =
      message.FindXorAddress(attr::kXorPeerAddress);
  Allocation* allocation = allocator_.table().FindFor(
      context.path, peer.has_value() ? peer->ip.family() : IpFamily::kNone,
      context.now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownClient);
  }
  if (allocation->tcp) return PacketAction::Drop(DropReason::kMalformedSend);
  const std::optional<absl::Span<const uint8_t>> data =
      message.Find(attr::kData);
  // An unknown attribute makes the indication void (RFC 8489 section 6.3.2).
  if (!peer.has_value() || !data.has_value() ||
      !message.unknown_required().empty()) {
    return PacketAction::Drop(DropReason::kMalformedSend);
  }
  if (allocator_.policy().Check(*peer) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  if (!allocation->IsPermitted(peer->ip, context.now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  if (const DropReason over = allocation->TakeBandwidth(
          TrafficDirection::kToPeers, data->size(), context.now.mono);
      over != DropReason::kNone) {
    return PacketAction::Drop(over);
  }
  ++allocation->counters.packets_to_peers;
  allocation->counters.bytes_to_peers += data->size();
  ++stats_.packets_to_peers;
  stats_.bytes_to_peers += data->size();
  PacketAction action =
      PacketAction::Send(allocation->relay_socket(), *peer, *data);
  action.dont_fragment = message.Has(attr::kDontFragment);
  return action;
}

PacketAction TurnServer::OnPeerPacket(SocketId relay_socket,
                                      const Endpoint& peer, Packet& packet,
                                      Now now) {
  Allocation* allocation =
      allocator_.table().FindByRelay(relay_socket, now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownSocket);
  }
  if (allocation->dialect == TurnDialect::kMsTurn) {
    return ms_.OnPeerPacket(*allocation, peer, packet, now);
  }
  if (!allocator_.policy().MaySend(peer)) {
    ++allocation->counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  if (!allocation->IsPermitted(peer.ip, now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  const size_t payload = packet.size;
  if (const DropReason over = allocation->TakeBandwidth(
          TrafficDirection::kToClient, payload, now.mono);
      over != DropReason::kNone) {
    return PacketAction::Drop(over);
  }
  const Allocation::Channel* channel =
      allocation->FindChannelTo(peer, now.mono);
  if (channel != nullptr) {
    if (!packet.Prepend(kChannelDataHeaderSize)) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
    WriteChannelDataHeader(channel->number, payload, packet.data);
    if (allocation->path().is_stream() && !PadToFour(packet)) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
  } else {
    if (!WrapInDataIndication(peer, random_, packet)) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
  }
  ++allocation->counters.packets_to_client;
  allocation->counters.bytes_to_client += payload;
  ++stats_.packets_to_client;
  stats_.bytes_to_client += payload;
  return PacketAction::Send(allocation->path().socket,
                            allocation->path().client, packet.bytes());
}

PacketAction TurnServer::OnPeerError(SocketId relay_socket,
                                     const Endpoint& peer,
                                     const IcmpError& error,
                                     absl::Span<uint8_t> reply, MonoTime now) {
  Allocation* allocation = allocator_.table().FindByRelay(relay_socket, now);
  if (allocation == nullptr || allocation->dialect == TurnDialect::kMsTurn) {
    return PacketAction();
  }
  // RFC 8656 section 11.5: whose datagram it was decides, not who tells it.
  if (!allocation->IsPermitted(peer.ip, now)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  if (!TakeGcra(kPeerErrors, allocation->peer_errors, now)) {
    return PacketAction::Drop(DropReason::kRateLimited);
  }
  ++stats_.peer_errors;
  return PacketAction::Send(allocation->path().socket,
                            allocation->path().client,
                            WriteIcmpIndication(peer, error, random_, reply));
}

PacketAction TurnServer::Finish(StunWriter& writer,
                                const AuthenticatedRequest& request,
                                const Context& context) {
  return FinishAnswer(writer, AnswerTo(request, context.path));
}

PacketAction TurnServer::Refuse(const AuthenticatedRequest& request,
                                StunError error, const Context& context) {
  CountError(error);
  absl::Span<const uint16_t> unknown;
  if (error == StunError::kUnknownAttribute) {
    unknown = request.message.message().unknown_required();
  }
  return RefuseAnswer(AnswerTo(request, context.path), error, context.reply,
                      unknown);
}

PacketAction TurnServer::Count(PacketAction action, StunError error) {
  if (error != StunError::kNone) CountError(error);
  return action;
}

Allocation* TurnServer::FindOwn(const AuthenticatedRequest& request,
                                const Context& context, PacketAction& refused) {
  Allocation* allocation =
      allocator_.table().Find(context.path, context.now.mono);
  if (allocation == nullptr || allocation->dialect != TurnDialect::kTurn) {
    refused = Refuse(request, StunError::kAllocationMismatch, context);
    return nullptr;
  }
  if (allocation->owner().username != request.credential.username) {
    refused = Refuse(request, StunError::kWrongCredentials, context);
    return nullptr;
  }
  return allocation;
}

void TurnServer::CountError(StunError error) {
  const size_t index = static_cast<size_t>(error) - 300;
  if (index < stats_.errors.size()) ++stats_.errors[index];
}

PacketAction TurnServer::OnAllocate(const AuthenticatedRequest& request,
                                    const Context& context) {
  const StunMessage& message = request.message.message();
  const VerifiedCredential& credential = request.credential;
  const Now now = context.now;
  const auto refuse = [&](StunError error) {
    return Refuse(request, error, context);
  };

  if (const Allocation* present =
          allocator_.table().Find(context.path, now.mono)) {
    // A repeat whose answer was lost gets the same answer (section 7.2).
    if (present->transaction_id == message.transaction_id() &&
        present->owner().username == credential.username) {
      return AllocateSuccess(*present, AnswerTo(request, context.path),
                             context.reply);
    }
    return refuse(StunError::kAllocationMismatch);
  }

  const auto transport = message.Find(attr::kRequestedTransport);
  if (!transport.has_value() || transport->size() != 4) {
    return refuse(StunError::kBadRequest);
  }
  const bool tcp = (*transport)[0] == kTransportTcp;
  if ((*transport)[0] != kTransportUdp && !tcp) {
    return refuse(StunError::kUnsupportedTransport);
  }
  const auto even = message.Find(attr::kEvenPort);
  const auto token = message.Find(attr::kReservationToken);
  const auto asked_family = message.Find(attr::kRequestedAddressFamily);
  if (even.has_value() && even->size() != 1) {
    return refuse(StunError::kBadRequest);
  }
  if (token.has_value() &&
      (even.has_value() || asked_family.has_value() || token->size() != 8)) {
    return refuse(StunError::kBadRequest);
  }
  // RFC 6062 section 5.1.
  if (tcp && (!context.path.is_stream() || even.has_value() ||
              token.has_value() || message.Has(attr::kDontFragment))) {
    return refuse(StunError::kBadRequest);
  }
  // Section 7.2 step 7: IPv6 beside IPv4, and nothing that says otherwise.
  const auto additional = message.Find(attr::kAdditionalAddressFamily);
  const bool reserve_next = even.has_value() && ((*even)[0] & 0x80) != 0;
  if (additional.has_value() &&
      (additional->size() != 4 || (*additional)[0] != 0x02 ||
       asked_family.has_value() || token.has_value() || reserve_next)) {
    return refuse(StunError::kBadRequest);
  }
  IpFamily family = IpFamily::kIpv4;
  if (asked_family.has_value()) {
    if (asked_family->size() != 4) return refuse(StunError::kBadRequest);
    switch ((*asked_family)[0]) {
      case 0x01:
        break;
      case 0x02:
        family = IpFamily::kIpv6;
        break;
      default:
        return refuse(StunError::kAddressFamilyNotSupported);
    }
  }
  if (!additional.has_value() && allocator_.InterfaceOf(family) == nullptr) {
    return refuse(StunError::kAddressFamilyNotSupported);
  }
  if (allocator_.draining()) {
    // RFC 8489 section 10, RFC 8656 section 7.2.
    const Endpoint* const alternate = allocator_.AlternateFor(context.path);
    if (alternate == nullptr) return refuse(StunError::kInsufficientCapacity);
    CountError(StunError::kTryAlternate);
    StunWriter writer = BeginAnswer(AnswerTo(request, context.path),
                                    StunClass::kError, context.reply);
    writer.AddErrorCode(StunError::kTryAlternate);
    writer.AddAddress(attr::kAlternateServer, *alternate);
    return Finish(writer, request, context);
  }

  AllocationRequest asked{credential, AnswerTo(request, context.path)};
  asked.lifetime = allocator_.GrantLifetime(message.FindUint32(attr::kLifetime),
                                            credential.expiry, now);
  asked.family = family;
  asked.dual = additional.has_value();
  asked.tcp = tcp;
  asked.even_port = even.has_value();
  asked.reserve_next = reserve_next;
  if (token.has_value()) {
    std::copy(token->begin(), token->end(), asked.token.emplace().begin());
  }
  const std::optional<StunError> error =
      allocator_.Begin(asked, now, context.sockets);
  if (error.has_value()) return refuse(*error);
  return PacketAction();  // answered by OnSocketOpened()
}

PacketAction TurnServer::OnSocketOpened(SocketId socket,
                                        const absl::Status& status,
                                        absl::Span<uint8_t> reply, Now now,
                                        SocketActions& sockets) {
  const std::optional<TurnAllocator::Opened> opened =
      allocator_.OnSocketOpened(socket, status, now, sockets);
  if (!opened.has_value()) return PacketAction();
  const bool ms = opened->answer.dialect == TurnDialect::kMsTurn;
  if (opened->made != nullptr) {
    return ms ? ms_.AllocateSuccess(*opened->made, opened->answer, reply)
              : AllocateSuccess(*opened->made, opened->answer, reply);
  }
  CountError(opened->error);
  if (ms) return ms_.Refuse(opened->answer, opened->error, reply);
  return RefuseAnswer(opened->answer, opened->error, reply);
}

PacketAction TurnServer::OnMovedBind(const BindTicket& ticket,
                                     const ClientPath& path,
                                     absl::Span<uint8_t> reply, Now now,
                                     SocketActions& sockets) {
  StunError error = StunError::kNone;
  const PacketAction action =
      tcp_.OnMovedBind(ticket, path, reply, now, sockets, error);
  return Count(action, error);
}

PacketAction TurnServer::OnPeerConnected(SocketId peer,
                                         const absl::Status& status,
                                         absl::Span<uint8_t> reply, Now now,
                                         SocketActions& sockets) {
  StunError error = StunError::kNone;
  const PacketAction action =
      tcp_.OnPeerConnected(peer, status, reply, now, sockets, error);
  return Count(action, error);
}

PacketAction TurnServer::AllocateSuccess(const Allocation& allocation,
                                         const TurnAnswer& answer,
                                         absl::Span<uint8_t> reply) {
  StunWriter writer = BeginAnswer(answer, StunClass::kSuccess, reply);
  const Allocation* first = &allocation;
  const Allocation* second = allocation.twin;
  if (second != nullptr && first->relayed.ip.is_v6()) std::swap(first, second);
  writer.AddXorAddress(attr::kXorRelayedAddress, first->relayed);
  if (second != nullptr) {
    writer.AddXorAddress(attr::kXorRelayedAddress, second->relayed);
  } else if (allocation.twin_error != StunError::kNone) {
    writer.AddAddressErrorCode(
        first->relayed.ip.is_v6() ? IpFamily::kIpv4 : IpFamily::kIpv6,
        allocation.twin_error);
  }
  writer.AddUint32(
      attr::kLifetime,
      static_cast<uint32_t>(absl::ToInt64Seconds(allocation.lifetime)));
  if (allocation.reservation_token.has_value()) {
    writer.AddBytes(attr::kReservationToken, *allocation.reservation_token);
  }
  writer.AddXorAddress(attr::kXorMappedAddress, allocation.path().client);
  return FinishAnswer(writer, answer);
}

PacketAction TurnServer::OnRefresh(const AuthenticatedRequest& request,
                                   const Context& context) {
  const StunMessage& message = request.message.message();
  PacketAction refused;
  Allocation* allocation = FindOwn(request, context, refused);
  if (allocation == nullptr) return refused;
  // Of a dual allocation the half that is named, else both (section 8.2).
  Allocation* twin = allocation->twin;
  const auto asked_family = message.Find(attr::kRequestedAddressFamily);
  if (asked_family.has_value()) {
    if (asked_family->size() != 4) {
      return Refuse(request, StunError::kBadRequest, context);
    }
    const IpFamily family =
        (*asked_family)[0] == 0x02 ? IpFamily::kIpv6 : IpFamily::kIpv4;
    allocation =
        allocator_.table().FindFor(context.path, family, context.now.mono);
    if ((*asked_family)[0] != (allocation->relayed.ip.is_v6() ? 0x02 : 0x01)) {
      return Refuse(request, StunError::kPeerAddressFamilyMismatch, context);
    }
    twin = nullptr;
  }

  absl::Duration lifetime = absl::ZeroDuration();
  if (message.FindUint32(attr::kLifetime) == 0u) {
    allocator_.End(*allocation, context.now, context.sockets);
    if (twin != nullptr) allocator_.End(*twin, context.now, context.sockets);
  } else {
    lifetime = allocator_.GrantLifetime(message.FindUint32(attr::kLifetime),
                                        request.credential.expiry, context.now);
    allocator_.Refresh(*allocation, lifetime, context.now);
    if (twin != nullptr && twin->expiry > context.now.mono) {
      allocator_.Refresh(*twin, lifetime, context.now);
    }
  }
  ++stats_.refreshes;
  StunWriter writer(context.reply, StunClass::kSuccess, message.method(),
                    message.transaction_id());
  writer.AddUint32(attr::kLifetime,
                   static_cast<uint32_t>(absl::ToInt64Seconds(lifetime)));
  return Finish(writer, request, context);
}

PacketAction TurnServer::OnCreatePermission(const AuthenticatedRequest& request,
                                            const Context& context) {
  const StunMessage& message = request.message.message();
  PacketAction refused;
  Allocation* allocation = FindOwn(request, context, refused);
  if (allocation == nullptr) return refused;
  // All are checked before one is installed (RFC 8656 section 10.2).
  const auto half_for = [&](const Endpoint& peer) {
    return allocator_.table().FindFor(context.path, peer.ip.family(),
                                      context.now.mono);
  };
  std::optional<StunError> error;
  size_t count = 0;
  message.ForEach(attr::kXorPeerAddress, [&](absl::Span<const uint8_t> value) {
    ++count;
    if (error.has_value()) return;
    const std::optional<Endpoint> peer = message.DecodeXorAddress(value);
    if (!peer.has_value()) {
      error = StunError::kBadRequest;
    } else if (peer->ip.family() != half_for(*peer)->relayed.ip.family()) {
      error = StunError::kPeerAddressFamilyMismatch;
    } else if (allocator_.policy().CheckAddress(peer->ip) !=
               PeerVerdict::kAllowed) {
      ++allocation->counters.dropped_policy;
      error = StunError::kForbidden;
    }
  });
  if (count == 0) error = StunError::kBadRequest;
  if (error.has_value()) return Refuse(request, *error, context);
  bool all = true;
  message.ForEach(attr::kXorPeerAddress, [&](absl::Span<const uint8_t> value) {
    const std::optional<Endpoint> peer = message.DecodeXorAddress(value);
    Allocation& half = *half_for(*peer);
    all = all && allocator_.Permit(half, peer->ip, context.now.mono);
  });
  allocator_.flows().Put(*allocation, context.now);
  if (allocation->twin != nullptr) {
    allocator_.flows().Put(*allocation->twin, context.now);
  }
  if (!all) {
    return Refuse(request, StunError::kInsufficientCapacity, context);
  }
  ++stats_.permissions;
  StunWriter writer(context.reply, StunClass::kSuccess, message.method(),
                    message.transaction_id());
  return Finish(writer, request, context);
}

PacketAction TurnServer::OnChannelBind(const AuthenticatedRequest& request,
                                       const Context& context) {
  const StunMessage& message = request.message.message();
  const auto refuse = [&](StunError error) {
    return Refuse(request, error, context);
  };
  PacketAction refused;
  Allocation* allocation = FindOwn(request, context, refused);
  if (allocation == nullptr) return refused;
  // RFC 6062 section 4: TCP allocations have no channels.
  if (allocation->tcp) return refuse(StunError::kForbidden);
  const std::optional<uint32_t> number =
      message.FindUint32(attr::kChannelNumber);
  const std::optional<Endpoint> peer =
      message.FindXorAddress(attr::kXorPeerAddress);
  if (!number.has_value() || !peer.has_value()) {
    return refuse(StunError::kBadRequest);
  }
  const uint16_t channel = static_cast<uint16_t>(*number >> 16);
  if (channel < kFirstChannel || channel > kLastChannel) {
    return refuse(StunError::kBadRequest);
  }
  allocation = allocator_.table().FindFor(context.path, peer->ip.family(),
                                          context.now.mono);
  if (peer->ip.family() != allocation->relayed.ip.family()) {
    return refuse(StunError::kPeerAddressFamilyMismatch);
  }
  if (allocator_.policy().Check(*peer) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return refuse(StunError::kForbidden);
  }
  if (allocation->twin != nullptr &&
      allocation->twin->FindChannel(channel, context.now.mono) != nullptr) {
    return refuse(StunError::kBadRequest);
  }
  // The permission first: without room for it a binding would be of no use.
  if (!allocator_.Permit(*allocation, peer->ip, context.now.mono)) {
    return refuse(StunError::kInsufficientCapacity);
  }
  for (Allocation::Channel& expired :
       allocation->TakeExpiredChannels(context.now.mono)) {
    allocator_.flows().Remove(*allocation, expired);
  }
  switch (allocation->BindChannel(channel, *peer, context.now.mono)) {
    case Allocation::Bind::kConflict:
      return refuse(StunError::kBadRequest);
    case Allocation::Bind::kFull:
      return refuse(StunError::kInsufficientCapacity);
    case Allocation::Bind::kBound:
      allocator_.flows().Put(*allocation, context.now);
      break;
  }
  ++stats_.channel_binds;
  StunWriter writer(context.reply, StunClass::kSuccess, message.method(),
                    message.transaction_id());
  return Finish(writer, request, context);
}

TurnServerStats TurnServer::stats() const {
  TurnServerStats stats = stats_;
  stats.allocations_made = allocator_.stats().made;
  stats.allocations_ended = allocator_.stats().ended;
  stats.packets_to_peers += allocator_.flows().to_peers().packets;
  stats.bytes_to_peers += allocator_.flows().to_peers().bytes;
  stats.packets_to_client += allocator_.flows().to_client().packets;
  stats.bytes_to_client += allocator_.flows().to_client().bytes;
  return stats;
}

void TurnServer::CollectFlows() {
  for (Allocation* allocation : allocator_.table().All())
    allocator_.flows().Collect(*allocation);
}

void TurnServer::OnKeys(std::shared_ptr<const CredentialKeys> keys, Now now,
                        SocketActions& sockets) {
  authenticator_.SetKeys(std::move(keys));
  for (Allocation* allocation : allocator_.table().All()) {
    if (authenticator_.IsGood(allocation->owner().username, now.wall)) {
      continue;
    }
    allocator_.End(*allocation, now, sockets);
  }
}

bool TurnServer::Delete(SocketId relay_socket, Now now,
                        SocketActions& sockets) {
  Allocation* allocation =
      allocator_.table().FindByRelay(relay_socket, now.mono);
  if (allocation == nullptr) return false;
  allocator_.End(*allocation, now, sockets);
  return true;
}

MonoTime TurnServer::deadline() const { return allocator_.deadline(); }

void TurnServer::OnDeadline(Now now, SocketActions& sockets) {
  allocator_.OnDeadline(now, sockets);
}

}  // namespace sallyport::media_relay
