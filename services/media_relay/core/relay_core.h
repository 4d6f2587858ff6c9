// All that one relay loop knows: the one type that io talks to.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RELAY_CORE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RELAY_CORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/client_homes.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/own_ports.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_tcp.h"

namespace sallyport::media_relay {

struct RelayCoreOptions {
  TurnServerOptions turn;
  SessionTableOptions sessions;
  PortPoolOptions ports;
  PeerPolicyOptions policy;
};

struct RelayCoreStats {
  uint64_t packets_received = 0;
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;
  std::array<uint64_t, kDropReasonCount> drops = {};
};

// The TURN server and the media sessions of one loop, over one set of ports
// and one policy. After each call the loop performs the socket actions,
// reporting each OpenSocket by OnSocketOpened() before it does anything else.
// Loop thread only.
class RelayCore {
 public:
  // `library` and `random` must outlive the core.
  RelayCore(const RelayCoreOptions& options, const SrtpLibrary& library,
            RandomSource& random);
  RelayCore(const RelayCore&) = delete;
  RelayCore& operator=(const RelayCore&) = delete;

  // A datagram from `from` on `socket`: a listener's (below kFirstCoreSocket)
  // or one that this core asked for. `packet` and `reply` are lent.
  PacketAction OnPacket(SocketId socket, const Endpoint& from, Packet& packet,
                        absl::Span<uint8_t> reply, Now now,
                        SocketActions& sockets);
  // The same from a client's DTLS association.
  PacketAction OnDtlsPacket(const ClientPath& path, Packet& packet,
                            absl::Span<uint8_t> reply, Now now,
                            SocketActions& sockets) {
    ++stats_.packets_received;
    return Count(turn_.OnClientPacket(path, packet, reply, now, sockets));
  }
  // The network did not deliver what `socket` sent to `peer`.
  PacketAction OnPeerError(SocketId socket, const Endpoint& peer,
                           const IcmpError& error, absl::Span<uint8_t> reply,
                           Now now) {
    return Count(turn_.OnPeerError(socket, own_.Advertised(peer), error, reply,
                                   now.mono));
  }
  // One more answer to a stranger at this address?
  bool MayAnswer(const IpAddress& client, MonoTime now) {
    return turn_.MayAnswer(client, now);
  }
  // What never became a packet of the core's.
  void OnDropped(DropReason reason) {
    ++stats_.packets_received;
    ++stats_.drops[static_cast<size_t>(reason)];
  }
  // A connection of a client, accepted: false when it is one too many.
  bool OnStreamOpened(SocketId stream, const IpAddress& client, Now now) {
    return turn_.OnStreamOpened(stream, client, now);
  }
  // See TurnServer::OnStreamUnit().
  PacketAction OnStreamUnit(const ClientPath& path,
                            absl::Span<const uint8_t> unit,
                            absl::Span<uint8_t> reply, Now now,
                            SocketActions& sockets, bool& broken);
  PacketAction OnMsTurnUnit(const ClientPath& path, uint8_t type,
                            absl::Span<const uint8_t> unit,
                            absl::Span<uint8_t> reply, Now now,
                            SocketActions& sockets, bool& broken);
  // One unit of a framed connection to a peer, its length before it.
  PacketAction OnPeerUnit(SocketId peer, Packet& packet, Now now);
  // Ended by the client or an error, not by a CloseSocket.
  void OnStreamClosed(SocketId stream, Now now, SocketActions& sockets) {
    turn_.OnStreamClosed(stream, now, sockets);
  }
  // Connections to peers and those handed over: see TurnTcp.
  std::optional<BindTicket> TakeTicket(SocketId stream) {
    return turn_.TakeTicket(stream);
  }
  PacketAction OnMovedBind(const BindTicket& ticket, const ClientPath& path,
                           absl::Span<uint8_t> reply, Now now,
                           SocketActions& sockets) {
    return Count(turn_.OnMovedBind(ticket, path, reply, now, sockets));
  }
  SocketId OnPeerAccepted(SocketId relay_socket, const Endpoint& peer,
                          absl::Span<uint8_t> reply, Now now,
                          PacketAction& indication, bool& framed);
  bool IsHeld(SocketId peer) { return turn_.IsHeld(peer); }
  PacketAction OnPeerConnected(SocketId peer, const absl::Status& status,
                               absl::Span<uint8_t> reply, Now now,
                               SocketActions& sockets) {
    return Count(turn_.OnPeerConnected(peer, status, reply, now, sockets));
  }
  void OnPeerClosed(SocketId peer, SocketActions& sockets) {
    turn_.OnPeerClosed(peer, sockets);
  }
  // What was to be sent, but could not be.
  void OnSendDropped(DropReason reason) {
    --stats_.packets_sent;
    ++stats_.drops[static_cast<size_t>(reason)];
  }
  // Ahead of OnPacket() for each of these, in this turn: see
  // SessionTable::Prefetch().
  bool Prefetch(absl::Span<const SocketId> sockets,
                SessionTable::Step step) const {
    return sessions_.Prefetch(sockets, step);
  }
  // See SessionTable::Foresee().
  bool Foresee(SocketId socket, const Endpoint& from, const Packet& packet,
               HmacSha1Job& job) const {
    return sessions_.Foresee(socket, from, packet, job);
  }
  // See SessionTable::NextPlayed(): to be asked at each deadline, until it says
  // no.
  bool NextPlayed(Now now, Packet& packet, PacketAction& action) {
    if (!sessions_.NextPlayed(now, packet, action)) return false;
    action = Count(action);
    return true;
  }
  // The answer to an OpenSocket.
  PacketAction OnSocketOpened(SocketId socket, const absl::Status& status,
                              absl::Span<uint8_t> reply, Now now,
                              SocketActions& sockets);

  void OnKeys(std::shared_ptr<const CredentialKeys> keys, Now now,
              SocketActions& sockets);

  // See TurnServer::OnTenantLimits().
  void OnTenantLimits(Now now) { turn_.OnTenantLimits(now); }

  MonoTime deadline() const;
  void OnDeadline(Now now, SocketActions& sockets);

  // A SendDatagram of this many bytes was performed.
  void OnSent(size_t size) {
    ++stats_.packets_sent;
    stats_.bytes_sent += size;
  }

  // See TurnServer::SetFastPath().
  void SetFastPath(FastPath* fast_path) { turn_.SetFastPath(fast_path); }
  // See AllocationTable::SetHomes(). Others that keep clients tell it too.
  void SetHomes(ClientHomes& homes) {
    homes_ = &homes;
    turn_.SetHomes(homes);
  }
  ClientHomes& homes() { return *homes_; }
  // See TurnServer::SetQuota().
  void SetQuota(AllocationQuota& quota) { turn_.SetQuota(quota); }
  // See TurnAllocator: what is shared with other loops, whether the whole relay
  // carries all that it may, and what a joined connection has said.
  void SetBandwidth(BandwidthLedger& ledger) { turn_.SetBandwidth(ledger); }
  void SetFull(bool full) { turn_.SetFull(full); }
  // See TurnServer::SetMemory(). Whoever makes a session asks it too.
  void SetMemory(MemoryGate& memory) {
    memory_ = &memory;
    turn_.SetMemory(memory);
  }
  MemoryGate& memory() { return *memory_; }
  absl::Duration ChargeStream(SocketId peer, TrafficDirection direction,
                              size_t bytes, Now now) {
    return turn_.ChargeStream(peer, direction, bytes, now.mono);
  }
  void SetConnectionQuota(AllocationQuota& quota) {
    turn_.SetConnectionQuota(quota);
  }
  // What flows have forwarded since this was last told.
  void OnForwarded(const FlowCounters& forwarded) {
    stats_.packets_received += forwarded.packets;
    stats_.packets_sent += forwarded.packets;
    stats_.bytes_sent += forwarded.bytes;
  }

  // The advertised addresses have changed: what is new is told of these, and
  // our own listeners are refused there too. The local ones are as before.
  void SetInterfaces(const RelayInterfaces& interfaces,
                     const PeerPolicyOptions& policy) {
    policy_ = PeerPolicy(policy);
    turn_.SetInterfaces(interfaces);
    sessions_.SetInterfaces(interfaces);
    interfaces_ = interfaces;
    readdressed_ = true;
    SetOwnPorts();
  }
  // Whether that was done since this was last asked.
  bool TakeReaddressed() { return std::exchange(readdressed_, false); }
  // Ports of ours that are in use and known to their clients by an address that
  // is not advertised any more; sorted. Those of every loop are told to all.
  std::vector<Endpoint> FormerPorts() const;
  void SetFormerPorts(size_t loop, std::vector<Endpoint> ports);
  // Where a SendDatagram or ConnectPeer goes that names `peer`.
  Endpoint LocalOf(const Endpoint& peer) const { return own_.Local(peer); }
  // New allocations get 508, new sessions UNAVAILABLE; what is live goes on.
  void StartDrain();
  bool draining() const { return draining_; }

  SessionTable& sessions() { return sessions_; }
  const SessionTable& sessions() const { return sessions_; }
  TurnServer& turn() { return turn_; }
  const TurnServer& turn() const { return turn_; }
  const RelayCoreStats& stats() const { return stats_; }
  size_t ports_out() const { return ports_.out_count(); }
  size_t ports_resting(MonoTime now) { return ports_.resting_count(now); }
  size_t ports_total() const { return ports_.size(); }

 private:
  // What becomes of a packet, counted, and its destination as it is here.
  PacketAction Count(PacketAction action);
  void SetOwnPorts();

  const PortPoolOptions port_options_;
  RelayInterfaces interfaces_;  // external ones as TURN has them
  std::map<size_t, std::vector<Endpoint>> former_ports_;  // by loop
  PeerPolicy policy_;
  OwnPorts own_;
  PortPool ports_;
  SocketIds ids_;
  TurnServer turn_;
  SessionTable sessions_;
  OnlyHome only_home_;
  ClientHomes* homes_ = &only_home_;
  NoMemoryGate no_memory_gate_;
  MemoryGate* memory_ = &no_memory_gate_;
  bool draining_ = false;
  bool readdressed_ = false;
  RelayCoreStats stats_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RELAY_CORE_H_
