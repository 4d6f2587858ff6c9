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
#include "services/common/crypto/x509_name.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/sip_framer.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

// What io knows of a TLS connection once its handshake is over, or failed.
struct TlsFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // IANA name
  std::string server_name;
  bool resumed = false;
  std::optional<CertificateInfo> certificate;  // of the peer, if it has one
  TrustedFor trusted;                          // what its chain is good for
  std::string trust_store;                     // which holds its anchor
  std::string alert;        // the fatal one that ended it: "unknown_ca"
  bool alert_sent = false;  // by us; else received
};

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
  uint64_t check = 0;  // the check that it was opened for; 0: none
  std::optional<TlsFacts> tls;
  std::optional<ConnectionIdentity> identity;
  bool proved = false;  // a request by it was of a known party
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

// Ids start at 1 and never come again. Thread-compatible.
class ConnectionTable {
 public:
  // Outgoing ones do not count for CountFrom().
  Connection& Add(SocketAddress remote, bool incoming,
                  const ParsePolicy& policy);
  void Remove(ConnectionId id);

  // nullptr when it is gone. A pointer lives until Remove().
  Connection* Find(ConnectionId id);
  const Connection* Find(ConnectionId id) const;

  // The connection that we opened to a peer, open or not.
  Connection* DialledTo(std::string_view peer);
  void NoteDialled(Connection& connection, std::string_view peer);

  size_t size() const { return connections_.size(); }
  // Incoming ones from one source: an IPv4 address or an IPv6 /64.
  size_t CountFrom(const SocketAddress& remote) const;
  std::vector<const Connection*> All() const;  // by id

 private:
  ConnectionId last_id_ = 0;
  absl::flat_hash_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  absl::flat_hash_map<std::string, ConnectionId> dialled_;
  absl::flat_hash_map<SocketAddress, size_t> by_source_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CONNECTION_TABLE_H_
