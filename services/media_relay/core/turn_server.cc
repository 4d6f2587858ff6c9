#include "services/media_relay/core/turn_server.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_flows.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/packet_classifier.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_authenticator.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

constexpr uint8_t kTransportUdp = 17;
constexpr absl::Duration kReservationLifetime = absl::Seconds(30);
constexpr int kBindAttempts = 8;

// Nothing that did not fit into the lent buffer is sent.
PacketAction Reply(const ClientPath& path, const StunWriter& writer) {
  if (writer.finished().empty()) {
    return PacketAction::Drop(DropReason::kTooLarge);
  }
  return PacketAction::Send(path.socket, path.client, writer.finished());
}

size_t Padded(size_t size) { return (size + 3) & ~size_t{3}; }

// False when there is no room. RFC 8656 section 12.5: padding is of any value,
// but what was in the buffer must not leave with it.
bool PadToFour(Packet& packet) {
  const size_t padding = Padded(packet.size) - packet.size;
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
    : options_(options),
      policy_(policy),
      ports_(ports),
      ids_(ids),
      random_(random),
      authenticator_(options.authenticator, random),
      flows_(policy),
      own_quota_(options.allocation_quota) {}

PacketAction TurnServer::OnClientPacket(const ClientPath& path, Packet& packet,
                                        absl::Span<uint8_t> reply, Now now,
                                        SocketActions& sockets) {
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

void TurnServer::OnStreamClosed(SocketId stream, Now now,
                                SocketActions& sockets) {
  streams_.Remove(stream);
  End(table_.RemoveStream(stream), now, sockets);
}

PacketAction TurnServer::OnChannelData(const ClientPath& path,
                                       absl::Span<const uint8_t> bytes,
                                       Now now) {
  const absl::StatusOr<ChannelData> frame = ParseChannelData(bytes);
  if (!frame.ok()) return PacketAction::Drop(DropReason::kMalformedChannel);
  Allocation* allocation = table_.Find(path, now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownClient);
  }
  const Allocation::Channel* channel =
      allocation->FindChannel(frame->channel, now.mono);
  if (channel == nullptr) {
    return PacketAction::Drop(DropReason::kUnboundChannel);
  }
  // A binding outlives its permission (RFC 8656 section 12).
  if (!allocation->IsPermitted(channel->peer.ip, now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  if (policy_.Check(channel->peer) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
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
    default:
      return OnChannelBind(*request, context);
  }
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
  return Reply(context.path, writer);
}

PacketAction TurnServer::OnSend(const StunMessage& message,
                                const Context& context) {
  Allocation* allocation = table_.Find(context.path, context.now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownClient);
  }
  const std::optional<Endpoint> peer =
      message.FindXorAddress(attr::kXorPeerAddress);
  const std::optional<absl::Span<const uint8_t>> data =
      message.Find(attr::kData);
  // An unknown attribute, DONT-FRAGMENT for one, makes the indication void
  // (RFC 8489 section 6.3.2).
  if (!peer.has_value() || !data.has_value() ||
      !message.unknown_required().empty()) {
    return PacketAction::Drop(DropReason::kMalformedSend);
  }
  if (policy_.Check(*peer) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  if (!allocation->IsPermitted(peer->ip, context.now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  ++allocation->counters.packets_to_peers;
  allocation->counters.bytes_to_peers += data->size();
  ++stats_.packets_to_peers;
  stats_.bytes_to_peers += data->size();
  return PacketAction::Send(allocation->relay_socket(), *peer, *data);
}

PacketAction TurnServer::OnPeerPacket(SocketId relay_socket,
                                      const Endpoint& peer, Packet& packet,
                                      Now now) {
  Allocation* allocation = table_.FindByRelay(relay_socket, now.mono);
  if (allocation == nullptr) {
    return PacketAction::Drop(DropReason::kUnknownSocket);
  }
  if (!allocation->IsPermitted(peer.ip, now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  const size_t payload = packet.size;
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
    // RFC 8656 section 11.4: a Data indication around the payload, in place.
    const size_t head = kStunHeaderSize + 4 + 4 + peer.ip.bytes().size() + 4;
    const size_t padding = Padded(payload) - payload;
    if (packet.tailroom < padding || !packet.Prepend(head)) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
    packet.size += padding;
    packet.tailroom -= padding;
    StunTransactionId id;
    random_.Fill(absl::MakeSpan(id));
    StunWriter writer(absl::MakeSpan(packet.data, packet.size),
                      StunClass::kIndication,
                      static_cast<uint16_t>(StunMethod::kData), id);
    writer.AddXorAddress(attr::kXorPeerAddress, peer);
    // The payload stands where the value of DATA goes: copied onto itself.
    writer.AddBytes(attr::kData,
                    absl::MakeConstSpan(packet.data + head, payload));
    if (writer.finished().empty()) {
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

PacketAction TurnServer::Finish(StunWriter& writer, const StunMessage& request,
                                StunIntegrity integrity, const LongTermKey& key,
                                const Context& context) {
  AddIntegrity(integrity, key, writer);
  if (request.has_fingerprint()) writer.AddFingerprint();
  return Reply(context.path, writer);
}

PacketAction TurnServer::Refuse(const AuthenticatedRequest& request,
                                StunError error, const Context& context) {
  const StunMessage& message = request.message.message();
  StunWriter writer(context.reply, StunClass::kError, message.method(),
                    message.transaction_id());
  writer.AddErrorCode(error);
  if (error == StunError::kUnknownAttribute) {
    writer.AddUnknownAttributes(message.unknown_required());
  }
  CountError(error);
  return Finish(writer, message, request.message.integrity(), request.key,
                context);
}

void TurnServer::CountError(StunError error) {
  const size_t index = static_cast<size_t>(error) - 300;
  if (index < stats_.errors.size()) ++stats_.errors[index];
}

const RelayInterface* TurnServer::InterfaceOf(IpFamily family) const {
  const std::optional<RelayInterface>& interface =
      family == IpFamily::kIpv6 ? options_.ipv6 : options_.ipv4;
  return interface.has_value() ? &*interface : nullptr;
}

absl::Duration TurnServer::GrantLifetime(const StunMessage& message,
                                         absl::Time credential_expiry,
                                         Now now) const {
  // RFC 8656 section 7.2: never under the default but where the credential
  // ends sooner.
  absl::Duration lifetime = options_.default_lifetime;
  const std::optional<uint32_t> asked = message.FindUint32(attr::kLifetime);
  if (asked.has_value()) {
    lifetime = std::max(lifetime,
                        std::min(absl::Seconds(*asked), options_.max_lifetime));
  }
  lifetime = std::min(lifetime, credential_expiry - now.wall);
  return std::max(absl::Floor(lifetime, absl::Seconds(1)), absl::Seconds(1));
}

PacketAction TurnServer::OnAllocate(const AuthenticatedRequest& request,
                                    const Context& context) {
  const StunMessage& message = request.message.message();
  const VerifiedCredential& credential = request.credential;
  const Now now = context.now;
  const auto refuse = [&](StunError error) {
    return Refuse(request, error, context);
  };

  if (const Allocation* present = table_.Find(context.path, now.mono)) {
    // A repeat whose answer was lost gets the same answer (section 7.2).
    if (present->transaction_id == message.transaction_id() &&
        present->owner().username == credential.username) {
      return AllocateSuccess(*present, request.message.integrity(), request.key,
                             message.has_fingerprint(), context.reply);
    }
    return refuse(StunError::kAllocationMismatch);
  }

  const auto transport = message.Find(attr::kRequestedTransport);
  if (!transport.has_value() || transport->size() != 4) {
    return refuse(StunError::kBadRequest);
  }
  if ((*transport)[0] != kTransportUdp) {
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
  const RelayInterface* interface = InterfaceOf(family);
  if (interface == nullptr) {
    return refuse(StunError::kAddressFamilyNotSupported);
  }
  if (draining_) return refuse(StunError::kInsufficientCapacity);
  switch (quota_->Take(credential.tenant, credential.subject)) {
    case QuotaVerdict::kGranted:
      break;
    case QuotaVerdict::kQuotaReached:
      return refuse(StunError::kAllocationQuotaReached);
    case QuotaVerdict::kCapacityReached:
      return refuse(StunError::kInsufficientCapacity);
  }

  const bool reserve_next = even.has_value() && ((*even)[0] & 0x80) != 0;
  std::optional<uint16_t> port;
  if (token.has_value()) {
    for (size_t i = 0; i < reservations_.size(); ++i) {
      const Reservation& reservation = reservations_[i];
      if (reservation.expiry > now.mono &&
          reservation.username == credential.username &&
          ConstantTimeEquals(reservation.token, *token)) {
        port = reservation.port;
        reservations_.erase(reservations_.begin() + static_cast<ptrdiff_t>(i));
        break;
      }
    }
  } else if (even.has_value()) {
    port = ports_.TakePair(now.mono);
    if (port.has_value() && !reserve_next) {
      ports_.Release(*port + 1, now.mono);
    }
  } else {
    port = ports_.Take(now.mono);
  }
  if (!port.has_value()) {
    quota_->GiveBack(credential.tenant, credential.subject);
    return refuse(StunError::kInsufficientCapacity);
  }

  AllocationOwner owner;
  owner.username = credential.username;
  owner.tenant = credential.tenant;
  owner.subject = credential.subject;
  owner.key_id = credential.key_id;
  owner.credential_expiry = credential.expiry;
  auto allocation = std::make_unique<Allocation>(
      ids_.Next(), context.path, std::move(owner), options_.allocation_limits);
  allocation->relay_port = *port;
  allocation->relayed = {interface->advertised, *port};
  allocation->create_time = now.wall;
  allocation->transaction_id = message.transaction_id();
  allocation->lifetime = GrantLifetime(message, credential.expiry, now);
  allocation->expiry = now.mono + allocation->lifetime;

  Pending pending;
  pending.local = {interface->local, *port};
  pending.integrity = request.message.integrity();
  pending.key = request.key;
  pending.fingerprint = message.has_fingerprint();
  pending.reserve_next = reserve_next;
  context.sockets.push_back(
      OpenSocket{allocation->relay_socket(), pending.local});
  pending.allocation = std::move(allocation);
  pending_ = std::move(pending);
  return PacketAction();  // answered by OnSocketOpened()
}

PacketAction TurnServer::OnSocketOpened(SocketId socket,
                                        const absl::Status& status,
                                        absl::Span<uint8_t> reply, Now now,
                                        SocketActions& sockets) {
  if (!pending_.has_value() || pending_->allocation->relay_socket() != socket) {
    return PacketAction::Drop(DropReason::kUnknownSocket);
  }
  Pending pending = *std::move(pending_);
  pending_.reset();
  const uint16_t port = pending.allocation->relay_port;
  if (status.ok()) {
    if (pending.reserve_next) {
      std::array<uint8_t, 8> token;
      random_.Fill(absl::MakeSpan(token));
      pending.allocation->reservation_token = token;
      reservations_.push_back({token, static_cast<uint16_t>(port + 1),
                               pending.allocation->owner().username,
                               now.mono + kReservationLifetime});
    }
    ++stats_.allocations_made;
    const Allocation& made = table_.Insert(std::move(pending.allocation));
    streams_.Settle(made.path().socket);
    return AllocateSuccess(made, pending.integrity, pending.key,
                           pending.fingerprint, reply);
  }

  // Someone else holds the port (any process may, inside the kernel's own
  // ephemeral range): it rests like a used one, and another is tried.
  ports_.Release(port, now.mono);
  if (pending.reserve_next) ports_.Release(port + 1, now.mono);
  std::optional<uint16_t> next;
  if (status.code() == absl::StatusCode::kAlreadyExists &&
      ++pending.attempts < kBindAttempts) {
    next = pending.reserve_next ? ports_.TakePair(now.mono)
                                : ports_.Take(now.mono);
  }
  if (next.has_value()) {
    pending.allocation->relay_port = *next;
    pending.allocation->relayed.port = *next;
    pending.local.port = *next;
    sockets.push_back(
        OpenSocket{pending.allocation->relay_socket(), pending.local});
    pending_ = std::move(pending);
    return PacketAction();
  }
  quota_->GiveBack(pending.allocation->owner().tenant,
                   pending.allocation->owner().subject);
  const ClientPath& path = pending.allocation->path();
  const StunError error = StunErrorFrom(status) == StunError::kServerError
                              ? StunError::kServerError
                              : StunError::kInsufficientCapacity;
  StunWriter writer(reply, StunClass::kError,
                    static_cast<uint16_t>(StunMethod::kAllocate),
                    pending.allocation->transaction_id);
  writer.AddErrorCode(error);
  CountError(error);
  AddIntegrity(pending.integrity, pending.key, writer);
  if (pending.fingerprint) writer.AddFingerprint();
  return Reply(path, writer);
}

PacketAction TurnServer::AllocateSuccess(const Allocation& allocation,
                                         StunIntegrity integrity,
                                         const LongTermKey& key,
                                         bool fingerprint,
                                         absl::Span<uint8_t> reply) {
  StunWriter writer(reply, StunClass::kSuccess,
                    static_cast<uint16_t>(StunMethod::kAllocate),
                    allocation.transaction_id);
  writer.AddXorAddress(attr::kXorRelayedAddress, allocation.relayed);
  writer.AddUint32(
      attr::kLifetime,
      static_cast<uint32_t>(absl::ToInt64Seconds(allocation.lifetime)));
  if (allocation.reservation_token.has_value()) {
    writer.AddBytes(attr::kReservationToken, *allocation.reservation_token);
  }
  writer.AddXorAddress(attr::kXorMappedAddress, allocation.path().client);
  AddIntegrity(integrity, key, writer);
  if (fingerprint) writer.AddFingerprint();
  return Reply(allocation.path(), writer);
}

PacketAction TurnServer::OnRefresh(const AuthenticatedRequest& request,
                                   const Context& context) {
  const StunMessage& message = request.message.message();
  Allocation* allocation = table_.Find(context.path, context.now.mono);
  if (allocation == nullptr) {
    return Refuse(request, StunError::kAllocationMismatch, context);
  }
  if (allocation->owner().username != request.credential.username) {
    return Refuse(request, StunError::kWrongCredentials, context);
  }
  const auto asked_family = message.Find(attr::kRequestedAddressFamily);
  if (asked_family.has_value()) {
    if (asked_family->size() != 4) {
      return Refuse(request, StunError::kBadRequest, context);
    }
    const uint8_t family = allocation->relayed.ip.is_v6() ? 0x02 : 0x01;
    if ((*asked_family)[0] != family) {
      return Refuse(request, StunError::kPeerAddressFamilyMismatch, context);
    }
  }

  absl::Duration lifetime = absl::ZeroDuration();
  if (message.FindUint32(attr::kLifetime) == 0u) {
    End(table_.Remove(allocation->relay_socket()), context.now,
        context.sockets);
  } else {
    lifetime = GrantLifetime(message, request.credential.expiry, context.now);
    allocation->lifetime = lifetime;
    table_.SetExpiry(*allocation, context.now.mono + lifetime);
    flows_.Put(*allocation, context.now);
  }
  ++stats_.refreshes;
  StunWriter writer(context.reply, StunClass::kSuccess, message.method(),
                    message.transaction_id());
  writer.AddUint32(attr::kLifetime,
                   static_cast<uint32_t>(absl::ToInt64Seconds(lifetime)));
  return Finish(writer, message, request.message.integrity(), request.key,
                context);
}

PacketAction TurnServer::OnCreatePermission(const AuthenticatedRequest& request,
                                            const Context& context) {
  const StunMessage& message = request.message.message();
  Allocation* allocation = table_.Find(context.path, context.now.mono);
  if (allocation == nullptr) {
    return Refuse(request, StunError::kAllocationMismatch, context);
  }
  if (allocation->owner().username != request.credential.username) {
    return Refuse(request, StunError::kWrongCredentials, context);
  }
  // All are checked before one is installed (RFC 8656 section 10.2).
  std::optional<StunError> error;
  size_t count = 0;
  message.ForEach(attr::kXorPeerAddress, [&](absl::Span<const uint8_t> value) {
    ++count;
    if (error.has_value()) return;
    const std::optional<Endpoint> peer = message.DecodeXorAddress(value);
    if (!peer.has_value()) {
      error = StunError::kBadRequest;
    } else if (peer->ip.family() != allocation->relayed.ip.family()) {
      error = StunError::kPeerAddressFamilyMismatch;
    } else if (policy_.CheckAddress(peer->ip) != PeerVerdict::kAllowed) {
      ++allocation->counters.dropped_policy;
      error = StunError::kForbidden;
    }
  });
  if (count == 0) error = StunError::kBadRequest;
  if (error.has_value()) return Refuse(request, *error, context);
  bool all = true;
  message.ForEach(attr::kXorPeerAddress, [&](absl::Span<const uint8_t> value) {
    const std::optional<Endpoint> peer = message.DecodeXorAddress(value);
    all = all && allocation->Permit(peer->ip, context.now.mono);
  });
  flows_.Put(*allocation, context.now);
  if (!all) {
    return Refuse(request, StunError::kInsufficientCapacity, context);
  }
  ++stats_.permissions;
  StunWriter writer(context.reply, StunClass::kSuccess, message.method(),
                    message.transaction_id());
  return Finish(writer, message, request.message.integrity(), request.key,
                context);
}

PacketAction TurnServer::OnChannelBind(const AuthenticatedRequest& request,
                                       const Context& context) {
  const StunMessage& message = request.message.message();
  const auto refuse = [&](StunError error) {
    return Refuse(request, error, context);
  };
  Allocation* allocation = table_.Find(context.path, context.now.mono);
  if (allocation == nullptr) return refuse(StunError::kAllocationMismatch);
  if (allocation->owner().username != request.credential.username) {
    return refuse(StunError::kWrongCredentials);
  }
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
  if (peer->ip.family() != allocation->relayed.ip.family()) {
    return refuse(StunError::kPeerAddressFamilyMismatch);
  }
  if (policy_.Check(*peer) != PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return refuse(StunError::kForbidden);
  }
  // The permission first: without room for it a binding would be of no use.
  if (!allocation->Permit(peer->ip, context.now.mono)) {
    return refuse(StunError::kInsufficientCapacity);
  }
  for (Allocation::Channel& expired :
       allocation->TakeExpiredChannels(context.now.mono)) {
    flows_.Remove(*allocation, expired);
  }
  switch (allocation->BindChannel(channel, *peer, context.now.mono)) {
    case Allocation::Bind::kConflict:
      return refuse(StunError::kBadRequest);
    case Allocation::Bind::kFull:
      return refuse(StunError::kInsufficientCapacity);
    case Allocation::Bind::kBound:
      flows_.Put(*allocation, context.now);
      break;
  }
  ++stats_.channel_binds;
  StunWriter writer(context.reply, StunClass::kSuccess, message.method(),
                    message.transaction_id());
  return Finish(writer, message, request.message.integrity(), request.key,
                context);
}

void TurnServer::End(std::unique_ptr<Allocation> allocation, Now now,
                     SocketActions& sockets) {
  if (allocation == nullptr) return;
  flows_.RemoveAll(*allocation);
  quota_->GiveBack(allocation->owner().tenant, allocation->owner().subject);
  sockets.push_back(CloseSocket{allocation->relay_socket()});
  ports_.Release(allocation->relay_port, now.mono);
  streams_.Unsettle(allocation->path().socket, now.mono);
  ++stats_.allocations_ended;
}

TurnServerStats TurnServer::stats() const {
  TurnServerStats stats = stats_;
  stats.packets_to_peers += flows_.to_peers().packets;
  stats.bytes_to_peers += flows_.to_peers().bytes;
  stats.packets_to_client += flows_.to_client().packets;
  stats.bytes_to_client += flows_.to_client().bytes;
  return stats;
}

void TurnServer::CollectFlows() {
  for (Allocation* allocation : table_.All()) flows_.Collect(*allocation);
}

void TurnServer::OnKeys(std::shared_ptr<const CredentialKeys> keys, Now now,
                        SocketActions& sockets) {
  authenticator_.SetKeys(std::move(keys));
  for (Allocation* allocation : table_.All()) {
    if (authenticator_.IsGood(allocation->owner().username, now.wall)) {
      continue;
    }
    End(table_.Remove(allocation->relay_socket()), now, sockets);
  }
}

bool TurnServer::Delete(SocketId relay_socket, Now now,
                        SocketActions& sockets) {
  std::unique_ptr<Allocation> allocation = table_.Remove(relay_socket);
  if (allocation == nullptr) return false;
  End(std::move(allocation), now, sockets);
  return true;
}

MonoTime TurnServer::deadline() const {
  MonoTime next = std::min(
      {table_.next_expiry(), authenticator_.deadline(), streams_.deadline()});
  for (const Reservation& reservation : reservations_) {
    next = std::min(next, reservation.expiry);
  }
  return next;
}

void TurnServer::OnDeadline(Now now, SocketActions& sockets) {
  while (std::unique_ptr<Allocation> expired = table_.TakeExpired(now.mono)) {
    End(std::move(expired), now, sockets);
  }
  std::erase_if(reservations_, [&](const Reservation& reservation) {
    if (reservation.expiry > now.mono) return false;
    ports_.Release(reservation.port, now.mono);
    return true;
  });
  while (const std::optional<SocketId> idle = streams_.TakeExpired(now.mono)) {
    streams_.Remove(*idle);
    sockets.push_back(CloseSocket{*idle});
  }
  authenticator_.OnDeadline(now.mono);
}

}  // namespace sallyport::media_relay
