#include "services/media_relay/core/ms_turn_server.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/time/mono_time.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_table.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/ms_turn_state.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/turn_allocator.h"
#include "services/media_relay/core/turn_answer.h"
#include "services/media_relay/core/turn_authenticator.h"
#include "services/media_relay/core/turn_nonce.h"

namespace sallyport::media_relay {
namespace {

namespace attr = ms_turn_attribute;

// MS-Version of SHA-256 and of IPv6 beside IPv4.
constexpr uint32_t kVersionIpv6 = 4;
// Longest USERNAME that can be ours: base64url of it still fits.
constexpr size_t kMaxRawUsername = 3 * kMaxTurnUsername / 4;

size_t FrameOf(const ClientPath& path) {
  return path.is_stream() ? kMsTurnFrameHeader : 0;
}

void WriteFrame(uint8_t type, size_t size, uint8_t* frame) {
  frame[0] = type;
  frame[1] = 0;
  frame[2] = static_cast<uint8_t>(size >> 8);
  frame[3] = static_cast<uint8_t>(size);
}

MsTurnId IdOf(const TurnAnswer& answer) {
  MsTurnId id;
  std::copy(answer.ms_id.begin(), answer.ms_id.end(), id.begin());
  std::copy(answer.transaction_id.begin(), answer.transaction_id.end(),
            id.begin() + 4);
  return id;
}

PeerTransport TransportOf(const Allocation& allocation) {
  return allocation.tcp ? PeerTransport::kTcp : PeerTransport::kUdp;
}

}  // namespace

uint32_t MsTurnServer::Told(uint32_t version) const {
  // 2, MS-ICE2, is what the rest of this is.
  return std::max(2u, std::min(version, authenticator_.ms_turn_version()));
}

Allocation& MsTurnServer::HalfFor(Allocation& allocation, const Endpoint& peer,
                                  MonoTime now) const {
  Allocation* const twin = allocation.twin;
  const bool other = twin != nullptr && twin->expiry > now &&
                     twin->relayed.ip.family() == peer.ip.family();
  return other ? *twin : allocation;
}

std::optional<MsTurnServer::Protection> MsTurnServer::FindProtection(
    const MsTurnMessage& message, std::string_view raw_username,
    const VerifiedCredential& credential) const {
  struct Way {
    PasswordAlgorithm key;
    MsTurnIntegrity integrity;
  };
  constexpr std::array<Way, 5> kWays = {
      {{PasswordAlgorithm::kMd5, MsTurnIntegrity::kSha1},
       {PasswordAlgorithm::kMd5, MsTurnIntegrity::kSha256Filled},
       {PasswordAlgorithm::kSha256, MsTurnIntegrity::kSha256Filled},
       {PasswordAlgorithm::kMd5, MsTurnIntegrity::kSha256},
       {PasswordAlgorithm::kSha256, MsTurnIntegrity::kSha256}}};
  // The octets of the password are what base64url spells elsewhere.
  std::string password;
  if (!absl::WebSafeBase64Unescape(
          AbslView(credential.password.DangerousText()), &password)) {
    return std::nullopt;
  }
  std::optional<Protection> found;
  for (const Way& way : kWays) {
    if ((way.integrity == MsTurnIntegrity::kSha1) == message.has_sha256()) {
      continue;
    }
    const LongTermKey key = LongTermKey::Derive(
        way.key, raw_username, authenticator_.realm(), password);
    if (message.VerifyIntegrity(key.bytes(), way.integrity)) {
      found = Protection{key, way.integrity};
      break;
    }
  }
  std::fill(password.begin(), password.end(), '\0');
  return found;
}

bool MsTurnServer::Proves(const Context& context,
                          const Allocation& allocation) const {
  MsTurnState& state = *allocation.ms;
  if (context.message.VerifyIntegrity(state.key.bytes(), state.integrity)) {
    return true;
  }
  if (state.integrity != MsTurnIntegrity::kSha1 ||
      !context.message.has_sha256()) {
    return false;
  }
  const absl::StatusOr<VerifiedCredential> credential =
      authenticator_.Verify(allocation.owner().username, context.now.wall);
  if (!credential.ok()) return false;
  const std::optional<Protection> protection =
      FindProtection(context.message, state.username, *credential);
  if (!protection.has_value()) return false;
  state.key = protection->key;
  state.integrity = protection->integrity;
  return true;
}

TurnAnswer MsTurnServer::AnswerTo(const Context& context) const {
  const MsTurnId id = context.message.id();
  TurnAnswer answer;
  answer.path = context.path;
  answer.method = static_cast<uint16_t>(context.message.type());
  answer.dialect = TurnDialect::kMsTurn;
  std::copy_n(id.begin(), 4, answer.ms_id.begin());
  std::copy_n(id.begin() + 4, kStunTransactionIdSize,
              answer.transaction_id.begin());
  answer.ms_version = context.message.FindUint32(attr::kVersion).value_or(0);
  return answer;
}

MsTurnWriter MsTurnServer::Begin(const TurnAnswer& answer, MsTurnType type,
                                 absl::Span<uint8_t> reply) const {
  return MsTurnWriter(reply.subspan(FrameOf(answer.path)), type, IdOf(answer));
}

PacketAction MsTurnServer::Finish(const MsTurnWriter& writer,
                                  const ClientPath& path,
                                  absl::Span<uint8_t> reply) const {
  const size_t size = writer.finished().size();
  if (size == 0) return PacketAction::Drop(DropReason::kTooLarge);
  if (path.is_stream()) WriteFrame(kMsTurnControl, size, reply.data());
  return PacketAction::Send(path.socket, path.client,
                            reply.first(FrameOf(path) + size));
}

PacketAction MsTurnServer::OnMessage(const MsTurnMessage& message,
                                     const ClientPath& path,
                                     absl::Span<uint8_t> reply, Now now,
                                     SocketActions& sockets, Outcome& outcome) {
  const Context context{message, path, reply, now, sockets, outcome};
  switch (message.type()) {
    case MsTurnType::kAllocate:
      return OnAllocate(context);
    case MsTurnType::kSend:
      return OnSend(context);
    default:
      return OnSetActive(context);
  }
}

PacketAction MsTurnServer::Challenge(const Context& context, StunError error) {
  if (!authenticator_.MayAnswer(context.path.client.ip, context.now.mono)) {
    return PacketAction::Drop(DropReason::kRateLimited);
  }
  context.outcome.error = error;
  const TurnAnswer answer = AnswerTo(context);
  MsTurnWriter writer =
      Begin(answer, MsTurnType::kAllocateError, context.reply);
  writer.AddErrorCode(error);
  if (error == StunError::kUnauthenticated || error == StunError::kStaleNonce) {
    context.outcome.challenged = true;
    const TurnNonce::Text nonce =
        authenticator_.MakeNonce(context.path.client, context.now.mono);
    writer.AddBytes(attr::kRealm, AsBytes(authenticator_.realm()));
    writer.AddBytes(attr::kNonce,
                    AsBytes(std::string_view(nonce.data(), nonce.size())));
  }
  if (answer.ms_version != 0) {
    writer.AddUint32(attr::kVersion, Told(answer.ms_version));
  }
  const PacketAction action = Finish(writer, context.path, context.reply);
  if (!context.path.has_connection() &&
      action.bytes.size() * 10 > context.message.bytes().size() * 26) {
    return PacketAction::Drop(DropReason::kAnswerTooLarge);
  }
  return action;
}

PacketAction MsTurnServer::WrongIntegrity(const Context& context) {
  if (!authenticator_.answers_wrong_integrity()) {
    return PacketAction::Drop(DropReason::kWrongIntegrity);
  }
  return Challenge(context, StunError::kIntegrityCheckFailure);
}

uint32_t MsTurnServer::GrantBandwidth(uint32_t asked,
                                      std::string_view tenant) const {
  const uint64_t limit =
      allocator_.BandwidthOf(tenant).per_allocation * 8 / 1000;
  if (limit == 0) return asked;
  return static_cast<uint32_t>(
      std::min<uint64_t>(limit, asked == 0 ? UINT32_MAX : asked));
}

PacketAction MsTurnServer::OnAllocate(const Context& context) {
  const MsTurnMessage& message = context.message;
  const Now now = context.now;
  const std::optional<ByteSpan> raw_username = message.Find(attr::kUsername);
  const std::optional<ByteSpan> nonce = message.Find(attr::kNonce);
  if (!message.has_integrity() || !raw_username.has_value()) {
    return Challenge(context, StunError::kUnauthenticated);
  }
  if (!nonce.has_value() || !message.Find(attr::kRealm).has_value() ||
      raw_username->size() > kMaxRawUsername) {
    return Challenge(context, StunError::kBadRequest);
  }
  if (!authenticator_.IsNonceValid(AsText(*nonce), context.path.client,
                                   now.mono)) {
    return Challenge(context, StunError::kStaleNonce);
  }
  // Its octets are what base64url spells elsewhere.
  const std::string username =
      absl::WebSafeBase64Escape(AbslView(AsText(*raw_username)));
  const absl::StatusOr<VerifiedCredential> credential =
      authenticator_.Verify(username, now.wall);
  if (!credential.ok()) {
    return Challenge(context, StunError::kUnauthenticated);
  }
  const std::optional<Protection> protection =
      FindProtection(message, AsText(*raw_username), *credential);
  if (!protection.has_value()) return WrongIntegrity(context);
  TurnAnswer answer = AnswerTo(context);
  answer.key = protection->key;
  answer.ms_integrity = protection->integrity;

  const auto refuse = [&](StunError error) {
    context.outcome.error = error;
    return Refuse(answer, error, context.reply);
  };
  if (const auto unknown = message.FirstUnknown()) {
    context.outcome.error = StunError::kUnknownAttribute;
    return Refuse(answer, StunError::kUnknownAttribute, context.reply, unknown);
  }
  answer.ms_bandwidth = GrantBandwidth(
      message.FindUint32(attr::kBandwidth).value_or(0), credential->tenant);
  const std::optional<uint32_t> lifetime = message.FindUint32(attr::kLifetime);
  const absl::Duration granted =
      allocator_.GrantLifetime(lifetime, credential->expiry, now);
  if (Allocation* present = allocator_.table().Find(context.path, now.mono)) {
    if (present->owner().username != username) {
      return refuse(StunError::kWrongCredentials);
    }
    if (present->ms == nullptr) return refuse(StunError::kAllocationMismatch);
    // Who has shown SHA-256 is not led back.
    if (present->ms->integrity != MsTurnIntegrity::kSha1 &&
        answer.ms_integrity == MsTurnIntegrity::kSha1) {
      return WrongIntegrity(context);
    }
    present->ms->key = answer.key;
    present->ms->integrity = answer.ms_integrity;
    Allocation* const twin = present->twin;
    if (lifetime == 0u) {
      present->lifetime = absl::ZeroDuration();
      const PacketAction action =
          AllocateSuccess(*present, answer, context.reply);
      allocator_.End(*present, now, context.sockets);
      if (twin != nullptr) allocator_.End(*twin, now, context.sockets);
      return action;
    }
    allocator_.Refresh(*present, granted, now);
    if (twin != nullptr) allocator_.Refresh(*twin, granted, now);
    return AllocateSuccess(*present, answer, context.reply);
  }
  if (lifetime == 0u) return refuse(StunError::kAllocationMismatch);
  // IPv4 unless it asks otherwise, or whatever there is where it understands
  // that; its own address may be of either family.
  IpFamily family = IpFamily::kIpv4;
  bool dual = false;
  const auto asked_family = message.Find(attr::kRequestedAddressFamily);
  if (asked_family.has_value()) {
    if (asked_family->size() != 4 ||
        ((*asked_family)[0] != 0x01 && (*asked_family)[0] != 0x02)) {
      return refuse(StunError::kBadRequest);
    }
    if ((*asked_family)[0] == 0x02) family = IpFamily::kIpv6;
  } else if (Told(answer.ms_version) >= kVersionIpv6 &&
             allocator_.InterfaceOf(IpFamily::kIpv6) != nullptr) {
    dual = allocator_.InterfaceOf(IpFamily::kIpv4) != nullptr;
    if (!dual) family = IpFamily::kIpv6;
  }
  // The dialect's 440 says something else.
  if (allocator_.InterfaceOf(family) == nullptr) {
    return refuse(StunError::kServerError);
  }
  if (allocator_.draining()) {
    const Endpoint* const alternate = allocator_.AlternateFor(context.path);
    return refuse(alternate == nullptr ? StunError::kInsufficientCapacity
                                       : StunError::kTryAlternate);
  }

  AllocationRequest asked{*credential, answer, granted};
  asked.family = family;
  asked.dual = dual;
  asked.tcp = context.path.is_stream();
  const std::optional<StunError> error =
      allocator_.Begin(asked, now, context.sockets);
  if (error.has_value()) return refuse(*error);
  return PacketAction();
}

PacketAction MsTurnServer::Refuse(const TurnAnswer& answer, StunError error,
                                  absl::Span<uint8_t> reply,
                                  std::optional<uint16_t> unknown) {
  const bool active =
      answer.method == static_cast<uint16_t>(MsTurnType::kSetActive);
  MsTurnWriter writer = Begin(
      answer, active ? MsTurnType::kSetActiveError : MsTurnType::kAllocateError,
      reply);
  writer.AddErrorCode(error);
  if (error == StunError::kTryAlternate) {
    writer.AddAddress(attr::kAlternateServer,
                      *allocator_.AlternateFor(answer.path));
  }
  if (unknown.has_value()) {
    // Twice, as the list fills whole words (STUN draft 02 section 10.2.10).
    writer.AddUint32(attr::kUnknownAttributes,
                     static_cast<uint32_t>(*unknown) << 16 | *unknown);
  }
  writer.AddUint32(attr::kVersion, Told(answer.ms_version));
  writer.AddIntegrity(answer.key.bytes(), answer.ms_integrity);
  return Finish(writer, answer.path, reply);
}

PacketAction MsTurnServer::AllocateSuccess(Allocation& allocation,
                                           const TurnAnswer& answer,
                                           absl::Span<uint8_t> reply) {
  if (allocation.ms == nullptr) {
    allocation.ms = std::make_shared<MsTurnState>();
    allocation.ms->key = answer.key;
    allocation.ms->integrity = answer.ms_integrity;
    absl::WebSafeBase64Unescape(allocation.owner().username,
                                &allocation.ms->username);
    allocator_.random().Fill(absl::MakeSpan(allocation.ms->connection_id));
    allocation.ms->version = answer.ms_version;
    if (allocation.twin != nullptr) allocation.twin->ms = allocation.ms;
  }
  const Allocation* first = &allocation;
  const Allocation* second = allocation.twin;
  if (second != nullptr && first->relayed.ip.is_v6()) std::swap(first, second);
  MsTurnWriter writer = Begin(answer, MsTurnType::kAllocateSuccess, reply);
  writer.AddAddress(attr::kMappedAddress, first->relayed);
  if (second != nullptr) {
    writer.AddAddress(attr::kAlternateMappedAddress, second->relayed);
  }
  writer.AddXorAddress(attr::kXorMappedAddress, allocation.path().client);
  writer.AddUint32(
      attr::kLifetime,
      static_cast<uint32_t>(absl::ToInt64Seconds(allocation.lifetime)));
  if (answer.ms_bandwidth != 0) {
    writer.AddUint32(attr::kBandwidth, answer.ms_bandwidth);
  }
  writer.AddUint32(attr::kVersion, Told(answer.ms_version));
  // The client's numbers follow this one.
  std::array<uint8_t, 24> sequence = {};
  std::copy(allocation.ms->connection_id.begin(),
            allocation.ms->connection_id.end(), sequence.begin());
  writer.AddBytes(attr::kSequenceNumber, sequence);
  writer.AddIntegrity(answer.key.bytes(), answer.ms_integrity);
  return Finish(writer, answer.path, reply);
}

Allocation* MsTurnServer::Authenticate(const Context& context,
                                       DropReason& refused) {
  Allocation* allocation =
      allocator_.table().Find(context.path, context.now.mono);
  if (allocation == nullptr || allocation->ms == nullptr) {
    refused = DropReason::kUnknownClient;
    return nullptr;
  }
  MsTurnState& state = *allocation->ms;
  const std::optional<ByteSpan> username =
      context.message.Find(attr::kUsername);
  if (!username.has_value() || AsText(*username) != state.username ||
      !Proves(context, *allocation)) {
    refused = DropReason::kWrongIntegrity;
    return nullptr;
  }
  const std::optional<ByteSpan> sequence =
      context.message.Find(attr::kSequenceNumber);
  if (!sequence.has_value() || sequence->size() != 24 ||
      !std::equal(state.connection_id.begin(), state.connection_id.end(),
                  sequence->begin())) {
    refused = DropReason::kMalformedSend;
    return nullptr;
  }
  const uint8_t* p = sequence->data() + 20;
  const uint32_t number = static_cast<uint32_t>(p[0]) << 24 |
                          static_cast<uint32_t>(p[1]) << 16 |
                          static_cast<uint32_t>(p[2]) << 8 | p[3];
  if (!state.window.Take(number)) {
    refused = DropReason::kReplayed;
    // A Set Active Destination whose answer was lost is answered again.
    const bool repeat = context.message.type() == MsTurnType::kSetActive &&
                        state.active.has_value() &&
                        context.message.id() == state.active_id;
    return repeat ? allocation : nullptr;
  }
  refused = DropReason::kNone;
  return allocation;
}

PacketAction MsTurnServer::OnSend(const Context& context) {
  DropReason refused = DropReason::kNone;
  Allocation* allocation = Authenticate(context, refused);
  if (allocation == nullptr) return PacketAction::Drop(refused);
  const std::optional<Endpoint> peer =
      context.message.FindAddress(attr::kDestinationAddress);
  const std::optional<ByteSpan> data = context.message.Find(attr::kData);
  if (!peer.has_value() || !data.has_value() ||
      context.message.FirstUnknown().has_value()) {
    return PacketAction::Drop(DropReason::kMalformedSend);
  }
  allocation = &HalfFor(*allocation, *peer, context.now.mono);
  if (peer->ip.family() != allocation->relayed.ip.family()) {
    return PacketAction::Drop(DropReason::kMalformedSend);
  }
  if (allocator_.policy().Check(*peer, TransportOf(*allocation)) !=
      PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  // A Send is the consent (AVE-46): the peer may answer.
  if (!allocator_.Permit(*allocation, peer->ip, context.now.mono)) {
    ++allocation->counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  ReadHeld(*allocation, peer->ip, context.sockets);
  return SendToPeer(*allocation, *peer, *data, context.now, context.sockets);
}

PacketAction MsTurnServer::OnSetActive(const Context& context) {
  DropReason refused = DropReason::kNone;
  Allocation* allocation = Authenticate(context, refused);
  if (allocation == nullptr) return PacketAction::Drop(refused);
  MsTurnState& state = *allocation->ms;
  TurnAnswer answer = AnswerTo(context);
  answer.key = state.key;
  answer.ms_integrity = state.integrity;
  const auto refuse = [&](StunError error) {
    context.outcome.error = error;
    return Refuse(answer, error, context.reply);
  };
  const std::optional<Endpoint> peer =
      context.message.FindAddress(attr::kDestinationAddress);
  if (const auto unknown = context.message.FirstUnknown()) {
    context.outcome.error = StunError::kUnknownAttribute;
    return Refuse(answer, StunError::kUnknownAttribute, context.reply, unknown);
  }
  if (!peer.has_value()) return refuse(StunError::kBadRequest);
  allocation = &HalfFor(*allocation, *peer, context.now.mono);
  if (peer->ip.family() != allocation->relayed.ip.family()) {
    return refuse(StunError::kBadRequest);
  }
  if (allocator_.policy().Check(*peer, TransportOf(*allocation)) !=
      PeerVerdict::kAllowed) {
    ++allocation->counters.dropped_policy;
    return refuse(StunError::kForbidden);
  }
  if (!allocator_.Permit(*allocation, peer->ip, context.now.mono)) {
    return refuse(StunError::kInsufficientCapacity);
  }
  ReadHeld(*allocation, peer->ip, context.sockets);
  state.active = *peer;
  state.active_id = context.message.id();
  MsTurnWriter writer =
      Begin(answer, MsTurnType::kSetActiveSuccess, context.reply);
  writer.AddUint32(attr::kVersion, Told(answer.ms_version));
  writer.AddIntegrity(state.key.bytes(), state.integrity);
  return Finish(writer, context.path, context.reply);
}

void MsTurnServer::ReadHeld(const Allocation& allocation, const IpAddress& peer,
                            SocketActions& sockets) {
  if (!allocation.tcp) return;
  for (const SocketId socket :
       allocator_.peers().Release(allocation.relay_socket(), peer)) {
    sockets.push_back(ReadPeer{socket});
  }
}

PacketAction MsTurnServer::SendToPeer(Allocation& allocation,
                                      const Endpoint& peer, ByteSpan data,
                                      Now now, SocketActions& sockets) {
  if (const DropReason over = allocation.TakeBandwidth(
          TrafficDirection::kToPeers, data.size(), now.mono);
      over != DropReason::kNone) {
    return PacketAction::Drop(over);
  }
  SocketId from = allocation.relay_socket();
  if (allocation.tcp) {
    PeerConnections& peers = allocator_.peers();
    PeerConnection* connection = peers.FindTo(from, peer);
    if (connection == nullptr) {
      connection =
          peers.Add(allocator_.ids().Next(), from, peer,
                    PeerConnection::State::kFramed, MonoTime::InfiniteFuture());
      if (connection == nullptr) {
        return PacketAction::Drop(DropReason::kTooManySources);
      }
      sockets.push_back(ConnectPeer{connection->socket, allocation.local, peer,
                                    /*framed=*/true});
    }
    from = connection->socket;
  }
  ++allocation.counters.packets_to_peers;
  allocation.counters.bytes_to_peers += data.size();
  return PacketAction::Send(from, peer, data);
}

PacketAction MsTurnServer::OnData(Allocation& either, ByteSpan data, Now now) {
  if (either.ms == nullptr || !either.ms->active.has_value()) {
    return PacketAction::Drop(DropReason::kUnboundChannel);
  }
  const Endpoint& peer = *either.ms->active;
  Allocation& allocation = HalfFor(either, peer, now.mono);
  if (peer.ip.family() != allocation.relayed.ip.family()) {
    return PacketAction::Drop(DropReason::kUnknownSocket);
  }
  if (allocator_.policy().Check(peer, TransportOf(allocation)) !=
      PeerVerdict::kAllowed) {
    ++allocation.counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  // Data keeps it open, as a Send would.
  if (!allocator_.Permit(allocation, peer.ip, now.mono)) {
    ++allocation.counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  SocketActions none;
  const PacketAction action = SendToPeer(allocation, peer, data, now, none);
  if (none.empty()) return action;
  // A connection that has ended is made anew by a Send alone.
  allocator_.peers().Remove(action.socket);
  return PacketAction::Drop(DropReason::kUnknownSocket);
}

PacketAction MsTurnServer::OnPeerPacket(Allocation& allocation,
                                        const Endpoint& peer, Packet& packet,
                                        Now now) {
  if (!allocation.tcp && !allocator_.policy().MaySend(peer)) {
    ++allocation.counters.dropped_policy;
    return PacketAction::Drop(DropReason::kPeerRefused);
  }
  if (!allocation.IsPermitted(peer.ip, now.mono)) {
    ++allocation.counters.dropped_no_permission;
    return PacketAction::Drop(DropReason::kNoPermission);
  }
  const ClientPath& path = allocation.path();
  const size_t payload = packet.size;
  if (const DropReason over = allocation.TakeBandwidth(
          TrafficDirection::kToClient, payload, now.mono);
      over != DropReason::kNone) {
    return PacketAction::Drop(over);
  }
  uint8_t type = kMsTurnData;
  if (allocation.ms == nullptr || allocation.ms->active != peer) {
    type = kMsTurnControl;
    // Header, magic cookie, version, remote address, head of DATA.
    const size_t head =
        kMsTurnHeaderSize + 8 + 8 + 8 + peer.ip.bytes().size() + 4;
    if (!packet.Prepend(head)) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
    MsTurnId id;
    allocator_.random().Fill(absl::MakeSpan(id));
    MsTurnWriter writer(absl::MakeSpan(packet.data, packet.size),
                        MsTurnType::kDataIndication, id);
    writer.AddUint32(
        attr::kVersion,
        Told(allocation.ms == nullptr ? 0 : allocation.ms->version));
    writer.AddAddress(attr::kRemoteAddress, peer);
    // The payload stands where the value goes: copied onto itself.
    writer.AddBytes(attr::kData, ByteSpan(packet.data + head, payload));
    if (writer.finished().empty()) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
  }
  if (path.is_stream()) {
    const size_t size = packet.size;
    if (size > 0xFFFF || !packet.Prepend(kMsTurnFrameHeader)) {
      return PacketAction::Drop(DropReason::kTooLarge);
    }
    WriteFrame(type, size, packet.data);
  }
  ++allocation.counters.packets_to_client;
  allocation.counters.bytes_to_client += payload;
  return PacketAction::Send(path.socket, path.client, packet.bytes());
}

}  // namespace sallyport::media_relay
