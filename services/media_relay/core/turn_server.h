// STUN Binding and TURN over datagrams: RFC 8489 and RFC 8656, with long-term
// credentials whose password is derived from the user name.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_SERVER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_SERVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/allocation_table.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/client_homes.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/ms_turn_server.h"
#include "services/media_relay/core/own_ports.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_allocator.h"
#include "services/media_relay/core/turn_answer.h"
#include "services/media_relay/core/turn_authenticator.h"
#include "services/media_relay/core/turn_tcp.h"

namespace sallyport::media_relay {

struct TurnServerOptions : TurnAllocatorOptions {
  TurnAuthenticatorOptions authenticator;
};

struct TurnServerStats {
  uint64_t binding_answers = 0;
  uint64_t allocations_made = 0;
  uint64_t allocations_ended = 0;
  uint64_t refreshes = 0;
  uint64_t permissions = 0;
  uint64_t channel_binds = 0;
  uint64_t challenges = 0;  // 401 without credentials
  uint64_t packets_to_peers = 0;
  uint64_t bytes_to_peers = 0;
  uint64_t packets_to_client = 0;
  uint64_t bytes_to_client = 0;
  uint64_t peer_errors = 0;  // ICMP errors told to clients
  // Error answers by code - 300; challenges included.
  std::array<uint64_t, 300> errors = {};
};

// The TURN server of one loop. For each input it says what to send and which
// sockets to open or close; the loop performs that before the next input.
//
// Nothing is stored for a source that has not authenticated (see
// turn_authenticator), and peers are checked by peer_policy at
// CreatePermission, at ChannelBind and again for each packet. Ends an
// allocation when its credential expires (AVE-18, AVE-20 as design section 7
// decides) or is revoked. Thread-compatible.
class TurnServer {
 public:
  // All references must outlive the server; `ports` and `ids` are shared with
  // the other cores of the loop.
  TurnServer(const TurnServerOptions& options, const PeerPolicy& policy,
             PortPool& ports, SocketIds& ids, RandomSource& random);

  // A datagram from a client. `packet` is lent and may be changed; `reply` is
  // lent for an answer, kReplySize bytes.
  PacketAction OnClientPacket(const ClientPath& path, Packet& packet,
                              absl::Span<uint8_t> reply, Now now,
                              SocketActions& sockets);
  bool MayAnswer(const IpAddress& client, MonoTime now) {
    return authenticator_.MayAnswer(client, now);
  }
  // A connection of a client; false when it is one too many, to be closed.
  bool OnStreamOpened(SocketId stream, const IpAddress& client, Now now) {
    return allocator_.memory().Take(MemoryUse::kConnection) &&
           allocator_.streams().Admit(stream, client, now.mono);
  }
  // One unit of a connection: a STUN message or a padded ChannelData. `broken`
  // becomes true when it is neither, so that what follows cannot be trusted.
  PacketAction OnStreamUnit(const ClientPath& path,
                            absl::Span<const uint8_t> unit,
                            absl::Span<uint8_t> reply, Now now,
                            SocketActions& sockets, bool& broken);
  // One frame of a connection that speaks MS-TURN: kMsTurnControl or
  // kMsTurnData.
  PacketAction OnMsTurnUnit(const ClientPath& path, uint8_t type,
                            absl::Span<const uint8_t> unit,
                            absl::Span<uint8_t> reply, Now now,
                            SocketActions& sockets, bool& broken);
  // One unit of a framed connection to a peer.
  PacketAction OnPeerUnit(SocketId peer, Packet& packet, Now now);
  // It is gone, and with it what it had (RFC 8656 section 7.3).
  void OnStreamClosed(SocketId stream, Now now, SocketActions& sockets) {
    allocator_.OnStreamClosed(stream, now, sockets);
  }

  // Connections to peers: see TurnTcp.
  std::optional<BindTicket> TakeTicket(SocketId stream) {
    return tcp_.TakeTicket(stream);
  }
  PacketAction OnMovedBind(const BindTicket& ticket, const ClientPath& path,
                           absl::Span<uint8_t> reply, Now now,
                           SocketActions& sockets);
  SocketId OnPeerAccepted(SocketId relay_socket, const Endpoint& peer,
                          absl::Span<uint8_t> reply, Now now,
                          PacketAction& indication, bool& framed) {
    return tcp_.OnPeerAccepted(relay_socket, peer, reply, now, indication,
                               framed);
  }
  bool IsHeld(SocketId peer) { return tcp_.IsHeld(peer); }
  PacketAction OnPeerConnected(SocketId peer, const absl::Status& status,
                               absl::Span<uint8_t> reply, Now now,
                               SocketActions& sockets);
  void OnPeerClosed(SocketId peer, SocketActions& sockets) {
    tcp_.OnPeerClosed(peer, sockets);
  }

  // A datagram from `peer` at a relayed address.
  PacketAction OnPeerPacket(SocketId relay_socket, const Endpoint& peer,
                            Packet& packet, Now now);
  // The network did not deliver a datagram from there to `peer`: a Data
  // indication, where the client may hear of that peer (RFC 8656 section 11.5).
  PacketAction OnPeerError(SocketId relay_socket, const Endpoint& peer,
                           const IcmpError& error, absl::Span<uint8_t> reply,
                           MonoTime now);
  // The answer to an OpenSocket of this server: sends the Allocate response,
  // or asks for another port, or answers 508.
  PacketAction OnSocketOpened(SocketId socket, const absl::Status& status,
                              absl::Span<uint8_t> reply, Now now,
                              SocketActions& sockets);

  // New verification keys or revocations: ends what is no longer good.
  void OnKeys(std::shared_ptr<const CredentialKeys> keys, Now now,
              SocketActions& sockets);

  // The ledger's limits of single tenants have changed.
  void OnTenantLimits(Now now) { allocator_.OnTenantLimits(now); }
  // See AllocationFlows.
  void SetOwnPorts(const OwnPorts& own) { allocator_.flows().SetOwnPorts(own); }
  // See TurnAllocator::SetInterfaces().
  void SetInterfaces(const RelayInterfaces& interfaces) {
    allocator_.SetInterfaces(interfaces);
  }

  MonoTime deadline() const;
  void OnDeadline(Now now, SocketActions& sockets);

  // Bound channels are handed to `fast_path`, which must outlive the server,
  // from now on. Without one every datagram comes here.
  void SetFastPath(FastPath* fast_path) {
    allocator_.flows().SetFastPath(fast_path);
  }
  // See AllocationTable::SetHomes().
  void SetHomes(ClientHomes& homes) { allocator_.table().SetHomes(homes); }
  // Count together with other loops; before the first allocation and the first
  // connection. The quotas must outlive the server.
  void SetQuota(AllocationQuota& quota) { allocator_.SetQuota(quota); }
  void SetBandwidth(BandwidthLedger& ledger) {
    allocator_.SetBandwidth(ledger);
  }
  void SetFull(bool full) { allocator_.SetFull(full); }
  // Asked before anything new is made; must outlive the server.
  void SetMemory(MemoryGate& memory) { allocator_.SetMemory(memory); }
  absl::Duration ChargeStream(SocketId peer, TrafficDirection direction,
                              size_t bytes, MonoTime now) {
    return allocator_.ChargeStream(peer, direction, bytes, now);
  }
  void SetConnectionQuota(AllocationQuota& quota) {
    allocator_.streams().SetQuota(quota);
  }
  // Adds to the counters of allocations what flows have forwarded: before they
  // are shown.
  void CollectFlows();

  // From now on new allocations get 300 or 508; live ones go on.
  void StartDrain() { allocator_.StartDrain(); }

  // Ends one allocation; false if there is none.
  bool Delete(SocketId relay_socket, Now now, SocketActions& sockets);

  // An allocation of this server's sockets?
  bool Owns(SocketId relay_socket, MonoTime now) {
    return allocator_.table().FindByRelay(relay_socket, now) != nullptr;
  }
  const AllocationTable& allocations() const { return allocator_.table(); }
  // Connections of clients.
  size_t streams() const { return allocator_.streams().size(); }
  TurnServerStats stats() const;

 private:
  struct Context {
    const ClientPath& path;
    absl::Span<uint8_t> reply;
    Now now;
    SocketActions& sockets;
  };

  PacketAction OnStun(const StunMessage& message, const Context& context);
  PacketAction OnChannelData(const ClientPath& path,
                             absl::Span<const uint8_t> bytes, Now now);
  PacketAction OnMsTurn(const MsTurnMessage& message, const Context& context);
  // Bare data of an MS-TURN client that has an active destination.
  Allocation* FindActive(const ClientPath& path, Now now);
  PacketAction OnBinding(const StunMessage& message, const Context& context);
  PacketAction OnSend(const StunMessage& message, const Context& context);

  PacketAction OnAllocate(const AuthenticatedRequest& request,
                          const Context& context);
  PacketAction OnRefresh(const AuthenticatedRequest& request,
                         const Context& context);
  PacketAction OnCreatePermission(const AuthenticatedRequest& request,
                                  const Context& context);
  PacketAction OnChannelBind(const AuthenticatedRequest& request,
                             const Context& context);
  // The allocation that `request` is about, or null and `refused` is the
  // answer: 437, 441.
  Allocation* FindOwn(const AuthenticatedRequest& request,
                      const Context& context, PacketAction& refused);

  PacketAction Refuse(const AuthenticatedRequest& request, StunError error,
                      const Context& context);
  // Protected as `request` was.
  PacketAction Finish(StunWriter& writer, const AuthenticatedRequest& request,
                      const Context& context);
  PacketAction AllocateSuccess(const Allocation& allocation,
                               const TurnAnswer& answer,
                               absl::Span<uint8_t> reply);
  PacketAction Count(PacketAction action, StunError error);
  void CountError(StunError error);

  RandomSource& random_;
  TurnAuthenticator authenticator_;
  TurnAllocator allocator_;
  TurnTcp tcp_;
  MsTurnServer ms_;
  TurnServerStats stats_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_SERVER_H_
