// The TCP and TLS connections of one loop: who is at the other end, what waits
// to be sent, and how much came and went.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CONNECTION_TABLE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CONNECTION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/core/sip_framer.h"
#include "services/signaling_edge/core/tls_facts.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

struct Connection {
  enum class State { kConnecting, kOpen };

  explicit Connection(const ParsePolicy& policy) : framer(policy) {}

  ConnectionId id = 0;
  State state = State::kConnecting;
  SipTransport transport = SipTransport::kTcp;
  ListenerId listener = 0;  // it came in by, or whose names it goes out with
  bool incoming = true;
  SocketAddress remote;
  // The peer that was dialled; empty on incoming ones.
  std::string dialled;
  std::vector<SocketAddress> addresses;  // still to be tried
  // Of an incoming one whose peer wants it used for what goes to it: the
  // address that it stands for, and the peer (RFC 5923).
  std::optional<SocketAddress> alias;
  std::string alias_of;
  // Dialled for what is too long for this flow over UDP (LongRequests).
  std::optional<Flow> instead_of;
  // A mirror: another loop or edge holds it, and what is sent by it goes there.
  std::optional<RemoteFlow> held_by;
  bool told = false;  // of a mirror: its holder has said whose it is
  // Who has a mirror of this one.
  absl::flat_hash_set<NodeId> mirrored_at;
  bool kept = false;   // of those that DialledTo() knows
  uint64_t check = 0;  // the check that hears what becomes of it; 0: none
  std::optional<TlsFacts> tls;
  std::optional<ConnectionIdentity> identity;
  std::string proven;   // the resource of the last identity that it had
  bool proved = false;  // a request by it was of a known party
  bool send_failed = false;
  PeerScope scope = 0;
  SipFramer framer;
  std::string queue;  // octets that wait for it to open
  // Client transactions that were sent by it.
  absl::flat_hash_set<TransactionId> transactions;
  MonoTime created;
  MonoTime last_activity;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t messages_received = 0;
  uint64_t messages_sent = 0;

  Flow flow() const {
    return {.transport = transport,
            .connection = id,
            .listener = listener,
            .remote = remote};
  }
};

// Ids follow on `last_id` and never come again. Thread-compatible.
class ConnectionTable {
 public:
  explicit ConnectionTable(ConnectionId last_id = 0) : last_id_(last_id) {}

  // Outgoing ones do not count for CountFrom().
  Connection& Add(SocketAddress remote, bool incoming,
                  const ParsePolicy& policy);
  // Counts for neither CountFrom() nor size().
  Connection& AddMirror(const RemoteFlow& of, const ParsePolicy& policy);
  Connection* MirrorOf(const RemoteFlow& of);  // nullptr: none
  void Remove(ConnectionId id);

  // nullptr when it is gone. A pointer lives until Remove().
  Connection* Find(ConnectionId id);
  const Connection* Find(ConnectionId id) const;

  // The connection that is kept for requests to a peer at one of `addresses`,
  // open or not; the newest if there are several.
  Connection* DialledTo(std::string_view peer,
                        const std::vector<SocketAddress>& addresses);
  void NoteDialled(Connection& connection, std::string_view peer);
  // An incoming connection of this peer, which has proven that it is, that
  // stands for one of `addresses`; the newest.
  Connection* AliasOf(std::string_view peer,
                      const std::vector<SocketAddress>& addresses);
  void NoteAlias(Connection& connection, std::string_view peer,
                 const SocketAddress& address);

  size_t size() const { return connections_.size() - mirrors_.size(); }
  size_t mirrors() const { return mirrors_.size(); }
  // Incoming ones from one source: an IPv4 address or an IPv6 /64.
  size_t CountFrom(const SocketAddress& remote) const;
  std::vector<const Connection*> All() const;  // by id, without mirrors
  std::vector<const Connection*> Mirrors() const;

 private:
  static void Forget(
      absl::flat_hash_map<std::string, std::vector<ConnectionId>>& by_peer,
      const std::string& peer, ConnectionId id);
  // What names the flow: of a connection its number alone.
  static RemoteFlow KeyOf(const RemoteFlow& flow);

  ConnectionId last_id_;
  absl::flat_hash_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  absl::flat_hash_map<RemoteFlow, ConnectionId> mirrors_;
  // By peer: one for each of its servers.
  absl::flat_hash_map<std::string, std::vector<ConnectionId>> dialled_;
  absl::flat_hash_map<std::string, std::vector<ConnectionId>> aliases_;
  absl::flat_hash_map<SocketAddress, size_t> by_source_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CONNECTION_TABLE_H_
