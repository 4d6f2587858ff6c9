// The allocations of one loop and all that they hold: ports, quotas, flows,
// clients' connections and connections to peers. What the dialects of TURN
// share.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_ALLOCATOR_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_ALLOCATOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/allocation_flows.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/allocation_table.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/stream_admission.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/turn_answer.h"

namespace sallyport::media_relay {

struct TurnAllocatorOptions {
  // Where relayed sockets are bound; a family without one answers 440.
  std::optional<RelayInterface> ipv4;
  std::optional<RelayInterface> ipv6;
  absl::Duration default_lifetime = absl::Minutes(10);
  absl::Duration max_lifetime = absl::Hours(1);
  // In force unless SetQuota() is called.
  AllocationLimits allocation_quota;
  // In force unless SetBandwidth() is called.
  BandwidthLimits bandwidth;
  Allocation::Limits allocation_limits;
  // Where clients are sent while this relay drains, by their family: 300. A
  // family without one gets 508.
  std::optional<Endpoint> alternate_v4;
  std::optional<Endpoint> alternate_v6;
  // Of this loop among all, for connection ids.
  size_t loop = 0;
};

using ReservationToken = std::array<uint8_t, 8>;

// What an authenticated request asks for.
struct AllocationRequest {
  const VerifiedCredential& credential;
  TurnAnswer answer;
  absl::Duration lifetime;  // as granted
  IpFamily family = IpFamily::kIpv4;
  bool dual = false;  // kIpv4 and then kIpv6 (RFC 8656 section 5)
  bool tcp = false;
  bool even_port = false;
  bool reserve_next = false;              // with even_port
  std::optional<ReservationToken> token;  // of a former reserve_next
};

// Thread-compatible.
class TurnAllocator {
 public:
  // How an opening went.
  struct Opened {
    Allocation* made = nullptr;  // null: `error` says why not
    StunError error = StunError::kServerError;
    TurnAnswer answer;
  };
  struct Stats {
    uint64_t made = 0;
    uint64_t ended = 0;
  };

  // All references must outlive the allocator; `ports` and `ids` are shared
  // with the other cores of the loop.
  TurnAllocator(const TurnAllocatorOptions& options, const PeerPolicy& policy,
                PortPool& ports, SocketIds& ids, RandomSource& random);

  // Takes quota and port and has the socket opened: OnSocketOpened() follows
  // before the next input. Or says why not.
  std::optional<StunError> Begin(const AllocationRequest& request, Now now,
                                 SocketActions& sockets);
  // Nothing if it is not the socket of Begin(), or another port is tried.
  std::optional<Opened> OnSocketOpened(SocketId socket,
                                       const absl::Status& status, Now now,
                                       SocketActions& sockets);

  // 0 < lifetime <= what is asked for, configured and left of the credential;
  // never under the default but where the credential ends sooner (RFC 8656
  // section 7.2).
  absl::Duration GrantLifetime(std::optional<uint32_t> asked_seconds,
                               absl::Time credential_expiry, Now now) const;
  void Refresh(Allocation& allocation, absl::Duration lifetime, Now now);
  // Ends it, and with it its connections to peers.
  void End(Allocation& allocation, Now now, SocketActions& sockets);

  // Permits it, where there is memory for that and the allocation has not got
  // as many as it may.
  bool Permit(Allocation& allocation, const IpAddress& peer, MonoTime now);

  // A client's connection is gone, and with it what it had.
  void OnStreamClosed(SocketId stream, Now now, SocketActions& sockets);
  // One to a peer; the client's joined with it ends too.
  void EndPeer(SocketId peer, SocketActions& sockets);

  MonoTime deadline() const;
  // Allocations, reservations and connections whose time is up.
  void OnDeadline(Now now, SocketActions& sockets);

  void SetQuota(AllocationQuota& quota) { quota_ = &quota; }
  void SetBandwidth(BandwidthLedger& ledger) { bandwidth_ = &ledger; }
  void SetMemory(MemoryGate& memory) { memory_ = &memory; }
  MemoryGate& memory() { return *memory_; }
  // While the relay carries as much as it may, nothing new begins.
  void SetFull(bool full) { full_ = full; }
  // Of octets on a connection joined with `peer`: how long to wait before more.
  absl::Duration ChargeStream(SocketId peer, TrafficDirection direction,
                              size_t bytes, MonoTime now);

  // While it drains nothing new begins: where such a client is sent, or null.
  void StartDrain() { draining_ = true; }
  bool draining() const { return draining_; }
  const Endpoint* AlternateFor(const ClientPath& path) const;

  const RelayInterface* InterfaceOf(IpFamily family) const;
  // What new allocations are told; what is there keeps its address.
  void SetInterfaces(const RelayInterfaces& interfaces) {
    options_.ipv4 = interfaces.external_v4;
    options_.ipv6 = interfaces.external_v6;
  }
  const PeerPolicy& policy() const { return policy_; }
  BandwidthLimits BandwidthOf(std::string_view tenant) {
    return bandwidth_->LimitsOf(tenant);
  }
  // The ledger's limits of single tenants have changed: what is there is held
  // to them.
  void OnTenantLimits(Now now);
  RandomSource& random() { return random_; }
  SocketIds& ids() { return ids_; }
  AllocationTable& table() { return table_; }
  const AllocationTable& table() const { return table_; }
  AllocationFlows& flows() { return flows_; }
  const AllocationFlows& flows() const { return flows_; }
  StreamAdmission& streams() { return streams_; }
  const StreamAdmission& streams() const { return streams_; }
  PeerConnections& peers() { return peers_; }
  // Allocations of MS-TURN: while there are none, nobody looks for them.
  size_t ms_allocations() const { return ms_allocations_; }
  const Stats& stats() const { return stats_; }

 private:
  // An allocation whose socket is being opened. The loop answers before the
  // next input, so there is at most one.
  struct Pending {
    AllocationOwner owner;
    TurnAnswer answer;
    absl::Duration lifetime;
    bool tcp = false;
    bool even_port = false;
    bool reserve_next = false;
    std::optional<ReservationToken> token;
    std::unique_ptr<Allocation> allocation;
    int attempts = 0;
    // Dual: the half that comes after, and how the one before it went.
    bool second_follows = false;
    Allocation* first = nullptr;
    StunError first_error = StunError::kNone;
  };
  // The odd port that an EVEN-PORT request left for a second allocation.
  struct Reservation {
    ReservationToken token;
    uint16_t port;
    std::string username;
    MonoTime expiry;
  };

  void EndRemoved(std::unique_ptr<Allocation> allocation, Now now,
                  SocketActions& sockets);
  std::optional<uint16_t> TakePort(Now now);
  // Takes quota and port for what is pending, in `family`.
  std::optional<StunError> OpenHalf(IpFamily family, Now now,
                                    SocketActions& sockets);
  void Open(SocketActions& sockets) const;
  // The half in `family` stands, or does not: goes on to the other one, or
  // says what has become of both.
  std::optional<Opened> FinishHalf(IpFamily family, StunError error,
                                   Allocation* made, Now now,
                                   SocketActions& sockets);

  TurnAllocatorOptions options_;
  const PeerPolicy& policy_;
  PortPool& ports_;
  SocketIds& ids_;
  RandomSource& random_;
  AllocationTable table_;
  AllocationFlows flows_;
  LocalQuota own_quota_;
  AllocationQuota* quota_ = &own_quota_;
  LocalBandwidth own_bandwidth_;
  BandwidthLedger* bandwidth_ = &own_bandwidth_;
  NoMemoryGate no_memory_gate_;
  MemoryGate* memory_ = &no_memory_gate_;
  bool full_ = false;
  std::optional<Pending> pending_;
  std::vector<Reservation> reservations_;
  StreamAdmission streams_;
  PeerConnections peers_;
  bool draining_ = false;
  size_t ms_allocations_ = 0;
  Stats stats_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_ALLOCATOR_H_
