// One TURN allocation: RFC 8656 sections 3.2, 9 and 12. Its permissions and
// channels expire by comparison with `now`, so they need no timers.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/ms_turn_state.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {

inline constexpr absl::Duration kPermissionLifetime = absl::Seconds(300);
inline constexpr absl::Duration kChannelLifetime = absl::Seconds(600);

// What a client speaks: RFC 8656, or the A/V Edge dialect.
enum class TurnDialect : uint8_t { kTurn, kMsTurn };

// What carries a client's messages.
enum class ClientTransport : uint8_t { kUdp, kTcp, kTls, kPseudoTls, kDtls };

// Where a client is: the socket it talks to and its address there. For TCP the
// socket is the connection, so this is the five-tuple either way.
struct ClientPath {
  SocketId socket = kNoSocket;
  Endpoint client;
  ClientTransport transport = ClientTransport::kUdp;

  // Octets arrive in order or not at all, from an address that is no forgery.
  bool is_stream() const { return IsStreamSocket(socket); }
  // A stream or a DTLS association: the address is no forgery, and what the
  // client has ends with it.
  bool has_connection() const { return is_stream() || IsDtlsSocket(socket); }

  friend bool operator==(const ClientPath& a, const ClientPath& b) {
    return a.socket == b.socket && a.client == b.client;
  }
  template <typename H>
  friend H AbslHashValue(H h, const ClientPath& p) {
    return H::combine(std::move(h), p.socket, p.client);
  }
};

// Who made an allocation, as its credential says.
struct AllocationOwner {
  std::string username;  // compared for 441; never logged
  std::string tenant;
  std::string subject;  // opaque
  uint32_t key_id = 0;
  absl::Time credential_expiry;
};

struct AllocationCounters {
  uint64_t packets_to_peers = 0;
  uint64_t bytes_to_peers = 0;
  uint64_t packets_to_client = 0;
  uint64_t bytes_to_client = 0;
  uint64_t dropped_no_permission = 0;
  uint64_t dropped_policy = 0;
};

// Thread-compatible.
class Allocation {
 public:
  struct Limits {
    size_t max_permissions = 32;
    size_t max_channels = 32;
  };
  struct Channel {
    uint16_t number;
    Endpoint peer;
    MonoTime expiry;
    // Towards the peer; the next one leads back. 0: none has been handed over.
    FlowId flow = 0;
  };
  enum class Bind : uint8_t { kBound, kConflict, kFull };

  Allocation(SocketId relay_socket, const ClientPath& path,
             AllocationOwner owner, const Limits& limits)
      : relay_socket_(relay_socket),
        path_(path),
        owner_(std::move(owner)),
        limits_(limits) {}

  SocketId relay_socket() const { return relay_socket_; }
  const ClientPath& path() const { return path_; }
  const AllocationOwner& owner() const { return owner_; }

  // Installs or refreshes; false when the limit is reached.
  bool Permit(const IpAddress& peer, MonoTime now);
  bool IsPermitted(const IpAddress& peer, MonoTime now) const;
  // Until when; the past when it is not.
  MonoTime PermittedUntil(const IpAddress& peer) const;

  // A number stays with its peer and a peer with its number for as long as
  // the binding lives (RFC 8656 section 12.1): anything else is a conflict.
  Bind BindChannel(uint16_t number, const Endpoint& peer, MonoTime now);
  // Takes out what has expired, and those alone.
  std::vector<Channel> TakeExpiredChannels(MonoTime now);
  std::vector<Channel>& channels() { return channels_; }
  const Channel* FindChannel(uint16_t number, MonoTime now) const;
  const Channel* FindChannelTo(const Endpoint& peer, MonoTime now) const;

  size_t permission_count(MonoTime now) const;
  size_t channel_count(MonoTime now) const;

  // Set by turn_server.
  uint16_t relay_port = 0;
  Endpoint relayed;  // as advertised
  Endpoint local;    // where the socket is bound
  bool tcp = false;  // RFC 6062: a listener
  TurnDialect dialect = TurnDialect::kTurn;
  std::shared_ptr<MsTurnState> ms;  // of that dialect alone
  MonoTime expiry;
  absl::Time create_time;
  StunTransactionId transaction_id = {};  // of the Allocate, for repeats
  absl::Duration lifetime;                // as answered
  // Given out with it for the odd port after it (RFC 8656 section 7.2).
  std::optional<std::array<uint8_t, 8>> reservation_token;
  AllocationCounters counters;
  // When the ICMP errors that its client was told of are forgotten (GCRA).
  MonoTime peer_errors = MonoTime::InfinitePast();
  // Null: it may carry as much as there is room for.
  std::unique_ptr<BandwidthShare> bandwidth;
  // kNone: `bytes` of payload may pass.
  DropReason TakeBandwidth(TrafficDirection direction, size_t bytes,
                           MonoTime now) {
    return bandwidth == nullptr ? DropReason::kNone
                                : bandwidth->Take(direction, bytes, now);
  }

  // A dual allocation (RFC 8656 section 5) is two of these on one path: the
  // other half, or null. Kept by the table.
  Allocation* twin = nullptr;
  // Why the client has no half of the other family that it asked for.
  StunError twin_error = StunError::kNone;

 private:
  struct Permission {
    IpAddress peer;
    MonoTime expiry;
  };

  SocketId relay_socket_;
  ClientPath path_;
  AllocationOwner owner_;
  Limits limits_;
  std::vector<Permission> permissions_;
  std::vector<Channel> channels_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_H_
