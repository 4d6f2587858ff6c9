#include "services/media_relay/core/turn_allocator.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/turn_answer.h"

namespace sallyport::media_relay {
namespace {

constexpr absl::Duration kReservationLifetime = absl::Seconds(30);
constexpr int kBindAttempts = 8;

}  // namespace

bool TurnAllocator::Permit(Allocation& allocation, const IpAddress& peer,
                           MonoTime now) {
  return (allocation.IsPermitted(peer, now) ||
          memory_->Take(MemoryUse::kPermission)) &&
         allocation.Permit(peer, now);
}

TurnAllocator::TurnAllocator(const TurnAllocatorOptions& options,
                             const PeerPolicy& policy, PortPool& ports,
                             SocketIds& ids, RandomSource& random)
    : options_(options),
      policy_(policy),
      ports_(ports),
      ids_(ids),
      random_(random),
      flows_(policy),
      own_quota_(options.allocation_quota),
      own_bandwidth_(options.bandwidth),
      peers_(random, options.loop) {}

const RelayInterface* TurnAllocator::InterfaceOf(IpFamily family) const {
  const std::optional<RelayInterface>& interface =
      family == IpFamily::kIpv6 ? options_.ipv6 : options_.ipv4;
  return interface.has_value() ? &*interface : nullptr;
}

const Endpoint* TurnAllocator::AlternateFor(const ClientPath& path) const {
  const std::optional<Endpoint>& alternate =
      path.client.ip.is_v6() ? options_.alternate_v6 : options_.alternate_v4;
  return alternate.has_value() ? &*alternate : nullptr;
}

absl::Duration TurnAllocator::GrantLifetime(
    std::optional<uint32_t> asked_seconds, absl::Time credential_expiry,
    Now now) const {
  absl::Duration lifetime = options_.default_lifetime;
  if (asked_seconds.has_value()) {
    lifetime = std::max(lifetime, std::min(absl::Seconds(*asked_seconds),
                                           options_.max_lifetime));
  }
  lifetime = std::min(lifetime, credential_expiry - now.wall);
  return std::max(absl::Floor(lifetime, absl::Seconds(1)), absl::Seconds(1));
}

std::optional<uint16_t> TurnAllocator::TakePort(Now now) {
  const Pending& pending = *pending_;
  if (pending.token.has_value()) {
    for (auto it = reservations_.begin(); it != reservations_.end(); ++it) {
      if (it->expiry > now.mono && it->username == pending.owner.username &&
          ConstantTimeEquals(it->token, *pending.token)) {
        const uint16_t port = it->port;
        reservations_.erase(it);
        return port;
      }
    }
    return std::nullopt;
  }
  if (!pending.even_port) return ports_.Take(now.mono);
  const std::optional<uint16_t> port = ports_.TakePair(now.mono);
  if (port.has_value() && !pending.reserve_next) {
    ports_.Release(static_cast<uint16_t>(*port + 1), now.mono);
  }
  return port;
}

void TurnAllocator::Open(SocketActions& sockets) const {
  const Allocation& allocation = *pending_->allocation;
  if (allocation.tcp) {
    sockets.push_back(OpenTcp{allocation.relay_socket(), allocation.local});
  } else {
    sockets.push_back(
        OpenSocket{allocation.relay_socket(), allocation.local,
                   /*peer_errors=*/allocation.dialect == TurnDialect::kTurn});
  }
}

std::optional<StunError> TurnAllocator::OpenHalf(IpFamily family, Now now,
                                                 SocketActions& sockets) {
  Pending& pending = *pending_;
  const RelayInterface* interface = InterfaceOf(family);
  if (interface == nullptr) return StunError::kAddressFamilyNotSupported;
  switch (quota_->Take(pending.owner.tenant, pending.owner.subject)) {
    case QuotaVerdict::kGranted:
      break;
    case QuotaVerdict::kQuotaReached:
      return StunError::kAllocationQuotaReached;
    case QuotaVerdict::kCapacityReached:
      return StunError::kInsufficientCapacity;
  }
  const auto refuse = [&](StunError error) {
    quota_->GiveBack(pending.owner.tenant, pending.owner.subject);
    return error;
  };
  // Who has used up a share of bandwidth gets no more to share it with.
  std::unique_ptr<BandwidthShare> bandwidth = bandwidth_->ShareOf(
      pending.owner.tenant, pending.owner.subject, now.mono);
  if (bandwidth != nullptr && bandwidth->IsExhausted(now.mono)) {
    return refuse(StunError::kAllocationQuotaReached);
  }
  if (full_ || !memory_->Take(MemoryUse::kAllocation)) {
    return refuse(StunError::kInsufficientCapacity);
  }
  const std::optional<uint16_t> port = TakePort(now);
  if (!port.has_value()) return refuse(StunError::kInsufficientCapacity);
  auto allocation =
      std::make_unique<Allocation>(ids_.Next(), pending.answer.path,
                                   pending.owner, options_.allocation_limits);
  allocation->bandwidth = std::move(bandwidth);
  allocation->tcp = pending.tcp;
  allocation->dialect = pending.answer.dialect;
  allocation->relay_port = *port;
  allocation->relayed = {interface->advertised, *port};
  allocation->local = {interface->local, *port};
  allocation->create_time = now.wall;
  allocation->transaction_id = pending.answer.transaction_id;
  allocation->lifetime = pending.lifetime;
  allocation->expiry = now.mono + pending.lifetime;
  pending.allocation = std::move(allocation);
  pending.attempts = 0;
  Open(sockets);
  return std::nullopt;
}

std::optional<StunError> TurnAllocator::Begin(const AllocationRequest& request,
                                              Now now, SocketActions& sockets) {
  const VerifiedCredential& credential = request.credential;
  Pending& pending = pending_.emplace(Pending{});
  pending.owner.username = credential.username;
  pending.owner.tenant = credential.tenant;
  pending.owner.subject = credential.subject;
  pending.owner.key_id = credential.key_id;
  pending.owner.credential_expiry = credential.expiry;
  pending.answer = request.answer;
  pending.lifetime = request.lifetime;
  pending.tcp = request.tcp;
  pending.even_port = request.even_port;
  pending.reserve_next = request.even_port && request.reserve_next;
  pending.token = request.token;
  std::optional<StunError> error = OpenHalf(request.family, now, sockets);
  if (!error.has_value()) {
    pending.second_follows = request.dual;
    return std::nullopt;
  }
  if (request.dual) {
    pending.first_error = *error;
    error = OpenHalf(IpFamily::kIpv6, now, sockets);
    if (!error.has_value()) return std::nullopt;
  }
  pending_.reset();
  return error;
}

std::optional<TurnAllocator::Opened> TurnAllocator::OnSocketOpened(
    SocketId socket, const absl::Status& status, Now now,
    SocketActions& sockets) {
  if (!pending_.has_value() || pending_->allocation->relay_socket() != socket) {
    return std::nullopt;
  }
  Allocation& allocation = *pending_->allocation;
  const IpFamily family = allocation.local.ip.family();
  const uint16_t port = allocation.relay_port;
  if (status.ok()) {
    if (pending_->reserve_next) {
      ReservationToken token;
      random_.Fill(absl::MakeSpan(token));
      allocation.reservation_token = token;
      reservations_.push_back({token, static_cast<uint16_t>(port + 1),
                               allocation.owner().username,
                               now.mono + kReservationLifetime});
    }
    ++stats_.made;
    if (allocation.dialect == TurnDialect::kMsTurn) ++ms_allocations_;
    streams_.Settle(allocation.path().socket);
    Allocation& made = pending_->first == nullptr
                           ? table_.Insert(std::move(pending_->allocation))
                           : table_.InsertTwin(std::move(pending_->allocation),
                                               *pending_->first);
    return FinishHalf(family, StunError::kNone, &made, now, sockets);
  }

  // Someone else holds the port (any process may, inside the kernel's own
  // ephemeral range): it rests like a used one, and another is tried.
  ports_.Release(port, now.mono);
  if (pending_->reserve_next) {
    ports_.Release(static_cast<uint16_t>(port + 1), now.mono);
  }
  std::optional<uint16_t> next;
  // A token is good for its port alone.
  if (status.code() == absl::StatusCode::kAlreadyExists &&
      !pending_->token.has_value() && ++pending_->attempts < kBindAttempts) {
    next = TakePort(now);
  }
  if (next.has_value()) {
    allocation.relay_port = *next;
    allocation.relayed.port = *next;
    allocation.local.port = *next;
    Open(sockets);
    return std::nullopt;
  }
  quota_->GiveBack(allocation.owner().tenant, allocation.owner().subject);
  const StunError error = StunErrorFrom(status) == StunError::kServerError
                              ? StunError::kServerError
                              : StunError::kInsufficientCapacity;
  return FinishHalf(family, error, nullptr, now, sockets);
}

std::optional<TurnAllocator::Opened> TurnAllocator::FinishHalf(
    IpFamily family, StunError error, Allocation* made, Now now,
    SocketActions& sockets) {
  Pending& pending = *pending_;
  if (std::exchange(pending.second_follows, false)) {
    pending.first = made;
    pending.first_error = error;
    const std::optional<StunError> second =
        OpenHalf(IpFamily::kIpv6, now, sockets);
    if (!second.has_value()) return std::nullopt;
    if (made != nullptr) made->twin_error = *second;
    if (error == StunError::kNone) error = *second;
  } else if (family == IpFamily::kIpv6 && made != nullptr) {
    made->twin_error = pending.first_error;
  } else if (pending.first != nullptr) {
    pending.first->twin_error = error;
    made = pending.first;
  }
  Opened opened;
  opened.error = error;
  opened.made = made;
  opened.answer = std::move(pending.answer);
  pending_.reset();
  return opened;
}

void TurnAllocator::Refresh(Allocation& allocation, absl::Duration lifetime,
                            Now now) {
  allocation.lifetime = lifetime;
  table_.SetExpiry(allocation, now.mono + lifetime);
  flows_.Put(allocation, now);
}

void TurnAllocator::End(Allocation& allocation, Now now,
                        SocketActions& sockets) {
  EndRemoved(table_.Remove(allocation.relay_socket()), now, sockets);
}

void TurnAllocator::EndRemoved(std::unique_ptr<Allocation> allocation, Now now,
                               SocketActions& sockets) {
  if (allocation == nullptr) return;
  flows_.RemoveAll(*allocation);
  for (const SocketId peer : peers_.OfAllocation(allocation->relay_socket())) {
    EndPeer(peer, sockets);
  }
  quota_->GiveBack(allocation->owner().tenant, allocation->owner().subject);
  sockets.push_back(CloseSocket{allocation->relay_socket()});
  ports_.Release(allocation->relay_port, now.mono);
  if (table_.Find(allocation->path(), now.mono) == nullptr) {
    streams_.Unsettle(allocation->path().socket, now.mono);
  }
  ++stats_.ended;
  if (allocation->dialect == TurnDialect::kMsTurn) --ms_allocations_;
}

void TurnAllocator::EndPeer(SocketId peer, SocketActions& sockets) {
  const PeerConnection* connection = peers_.Find(peer);
  if (connection == nullptr) return;
  const SocketId client = connection->client;
  peers_.Remove(peer);
  sockets.push_back(CloseSocket{peer});
  if (client != kNoSocket) {
    streams_.Remove(client);
    sockets.push_back(CloseSocket{client});
  }
}

void TurnAllocator::OnTenantLimits(Now now) {
  for (Allocation* allocation : table_.All()) {
    const AllocationOwner& owner = allocation->owner();
    std::unique_ptr<BandwidthShare> share =
        bandwidth_->ShareOf(owner.tenant, owner.subject, now.mono);
    const auto limits = [](const std::unique_ptr<BandwidthShare>& one) {
      return one == nullptr ? BandwidthLimits() : one->limits();
    };
    // What has not changed keeps what it has used up.
    if (limits(share) == limits(allocation->bandwidth)) continue;
    allocation->bandwidth = std::move(share);
    // Limited ones are forwarded by the core.
    flows_.RemoveAll(*allocation);
    flows_.Put(*allocation, now);
  }
}

absl::Duration TurnAllocator::ChargeStream(SocketId peer,
                                           TrafficDirection direction,
                                           size_t bytes, MonoTime now) {
  const PeerConnection* connection = peers_.Find(peer);
  Allocation* allocation =
      connection == nullptr ? nullptr
                            : table_.FindByRelay(connection->allocation, now);
  if (allocation == nullptr || allocation->bandwidth == nullptr) {
    return absl::ZeroDuration();
  }
  return allocation->bandwidth->Charge(direction, bytes, now);
}

void TurnAllocator::OnStreamClosed(SocketId stream, Now now,
                                   SocketActions& sockets) {
  streams_.Remove(stream);
  if (const PeerConnection* peer = peers_.FindByClient(stream)) {
    const SocketId socket = peer->socket;
    peers_.Remove(socket);
    sockets.push_back(CloseSocket{socket});
  }
  while (std::unique_ptr<Allocation> half = table_.RemoveStream(stream)) {
    EndRemoved(std::move(half), now, sockets);
  }
}

MonoTime TurnAllocator::deadline() const {
  MonoTime next =
      std::min({table_.next_expiry(), streams_.deadline(), peers_.deadline()});
  for (const Reservation& reservation : reservations_) {
    next = std::min(next, reservation.expiry);
  }
  return next;
}

void TurnAllocator::OnDeadline(Now now, SocketActions& sockets) {
  while (std::unique_ptr<Allocation> expired = table_.TakeExpired(now.mono)) {
    EndRemoved(std::move(expired), now, sockets);
  }
  std::erase_if(reservations_, [&](const Reservation& reservation) {
    if (reservation.expiry > now.mono) return false;
    ports_.Release(reservation.port, now.mono);
    return true;
  });
  while (const std::optional<SocketId> unbound = peers_.TakeExpired(now.mono)) {
    EndPeer(*unbound, sockets);
  }
  while (const std::optional<SocketId> idle = streams_.TakeExpired(now.mono)) {
    streams_.Remove(*idle);
    sockets.push_back(CloseSocket{*idle});
  }
}

}  // namespace sallyport::media_relay
