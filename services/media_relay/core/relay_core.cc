#include "services/media_relay/core/relay_core.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"

namespace sallyport::media_relay {

RelayCore::RelayCore(const RelayCoreOptions& options,
                     const SrtpLibrary& library, RandomSource& random)
    : port_options_(options.ports),
      policy_(options.policy),
      ports_(random, options.ports),
      turn_(options.turn, policy_, ports_, ids_, random),
      sessions_(options.sessions,
                RelayResources{library, policy_, ports_, ids_, random}) {
  interfaces_ = options.sessions.interfaces;
  interfaces_.external_v4 = options.turn.ipv4;
  interfaces_.external_v6 = options.turn.ipv6;
  SetOwnPorts();
}

void RelayCore::SetOwnPorts() {
  std::vector<Endpoint> former;
  for (const auto& [loop, ports] : former_ports_) {
    former.insert(former.end(), ports.begin(), ports.end());
  }
  own_ = OwnPorts(interfaces_, port_options_.first, port_options_.last, former);
  turn_.SetOwnPorts(own_);
}

std::vector<Endpoint> RelayCore::FormerPorts() const {
  std::vector<Endpoint> ports;
  const auto add = [&](const Endpoint& told) {
    const RelayInterface* const own =
        interfaces_.Find(/*internal=*/false, told.ip.is_v6());
    if (own != nullptr && told.ip != own->advertised) ports.push_back(told);
  };
  for (const Allocation* allocation : turn_.allocations().All()) {
    add(allocation->relayed);
  }
  for (const Endpoint& told : sessions_.ExternalPorts()) add(told);
  std::sort(ports.begin(), ports.end(),
            [](const Endpoint& a, const Endpoint& b) {
              return std::make_pair(a.ip.is_v6(), a.port) <
                     std::make_pair(b.ip.is_v6(), b.port);
            });
  return ports;
}

void RelayCore::SetFormerPorts(size_t loop, std::vector<Endpoint> ports) {
  if (ports.empty()) {
    former_ports_.erase(loop);
  } else {
    former_ports_[loop] = std::move(ports);
  }
  SetOwnPorts();
}

PacketAction RelayCore::Count(PacketAction action) {
  if (action.sends()) {
    ++stats_.packets_sent;
    stats_.bytes_sent += action.bytes.size();
    if (action.socket >= kFirstCoreSocket) action.to = own_.Local(action.to);
  } else if (action.drop != DropReason::kNone) {
    ++stats_.drops[static_cast<size_t>(action.drop)];
  }
  return action;
}

PacketAction RelayCore::OnPacket(SocketId socket, const Endpoint& from,
                                 Packet& packet, absl::Span<uint8_t> reply,
                                 Now now, SocketActions& sockets) {
  ++stats_.packets_received;
  if (socket < kFirstCoreSocket) {
    return Count(turn_.OnClientPacket(ClientPath{socket, from}, packet, reply,
                                      now, sockets));
  }
  const Endpoint peer = own_.Advertised(from);
  PacketAction action;
  if (sessions_.OnPacket(socket, peer, packet, reply, now, sockets, action)) {
    return Count(action);
  }
  return Count(turn_.OnPeerPacket(socket, peer, packet, now));
}

PacketAction RelayCore::OnStreamUnit(const ClientPath& path,
                                     absl::Span<const uint8_t> unit,
                                     absl::Span<uint8_t> reply, Now now,
                                     SocketActions& sockets, bool& broken) {
  ++stats_.packets_received;
  return Count(turn_.OnStreamUnit(path, unit, reply, now, sockets, broken));
}

PacketAction RelayCore::OnMsTurnUnit(const ClientPath& path, uint8_t type,
                                     absl::Span<const uint8_t> unit,
                                     absl::Span<uint8_t> reply, Now now,
                                     SocketActions& sockets, bool& broken) {
  ++stats_.packets_received;
  return Count(
      turn_.OnMsTurnUnit(path, type, unit, reply, now, sockets, broken));
}

PacketAction RelayCore::OnPeerUnit(SocketId peer, Packet& packet, Now now) {
  ++stats_.packets_received;
  return Count(turn_.OnPeerUnit(peer, packet, now));
}

SocketId RelayCore::OnPeerAccepted(SocketId relay_socket, const Endpoint& peer,
                                   absl::Span<uint8_t> reply, Now now,
                                   PacketAction& indication, bool& framed) {
  const SocketId socket = turn_.OnPeerAccepted(
      relay_socket, own_.Advertised(peer), reply, now, indication, framed);
  Count(indication);
  return socket;
}

PacketAction RelayCore::OnSocketOpened(SocketId socket,
                                       const absl::Status& status,
                                       absl::Span<uint8_t> reply, Now now,
                                       SocketActions& sockets) {
  if (sessions_.IsOpening(socket)) {
    sessions_.OnSocketOpened(socket, status, now, sockets);
    return PacketAction();
  }
  return Count(turn_.OnSocketOpened(socket, status, reply, now, sockets));
}

void RelayCore::OnKeys(std::shared_ptr<const CredentialKeys> keys, Now now,
                       SocketActions& sockets) {
  turn_.OnKeys(std::move(keys), now, sockets);
}

MonoTime RelayCore::deadline() const {
  return std::min(turn_.deadline(), sessions_.deadline());
}

void RelayCore::OnDeadline(Now now, SocketActions& sockets) {
  turn_.OnDeadline(now, sockets);
  sessions_.OnDeadline(now, sockets);
}

void RelayCore::StartDrain() {
  draining_ = true;
  turn_.StartDrain();
}

}  // namespace sallyport::media_relay
