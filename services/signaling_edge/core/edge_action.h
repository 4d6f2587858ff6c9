// What an EdgeCore asks of the io ring. All actions of one input are performed
// in order, before the next input. What is said to be answered is answered,
// once, within seconds, if only by an error: calls wait for it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_ACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_ACTION_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/loop_news.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/peer_check_result.h"

namespace sallyport::signaling_edge {

struct SendDatagram {
  ListenerId listener = 0;
  SocketAddress to;
  std::string bytes;
};
// The connection is open.
struct SendBytes {
  ConnectionId connection = 0;
  std::string bytes;
};
// Answered by OnConnectionOpened or OnConnectionClosed with this id.
struct Connect {
  ConnectionId connection = 0;
  SipTransport transport = SipTransport::kTcp;
  SocketAddress to;
  std::string server_name;  // SNI, for TLS
  TlsSettings tls;          // of the peer's TLS context (IMP-40)
  ListenerId listener = 0;  // by whose address, if it has one, it goes
};
// Sends what waits, then closes. Not answered.
struct CloseConnection {
  ConnectionId connection = 0;
};
// Answered by OnHostResolved: addresses in the order in which to try them, with
// port 0 where SRV records did not give one. Of a name with IPv4 and IPv6 they
// are of `family`, of one with one family alone of that.
struct ResolveHost {
  uint64_t query = 0;
  std::string host;
  std::string service;  // "_sips._tcp": SRV first; empty: addresses alone
  AddressFamily family = AddressFamily::kIpv4Only;
};
// Answered by OnMediaReply, as is UpdateMediaSession.
struct CreateMediaSession {
  uint64_t request = 0;
  std::string tenant;  // tenants/{t}
  uint64_t call = 0;
  RelayLegs legs;
};
struct UpdateMediaSession {
  uint64_t request = 0;
  std::string session;
  std::string relay;
  RelayLegs legs;
};
// Answered by OnMediaDeleted when statistics came, or never.
struct DeleteMediaSession {
  uint64_t call = 0;
  std::string session;
  std::string relay;
  std::string reason;
};
// Answered by OnCredentials.
struct IssueCredentials {
  uint64_t request = 0;
  std::string tenant;   // tenants/{t}
  std::string subject;  // user@domain
  std::string body;     // of the MRAS request
};
// What a registry that several edges share holds of a user. Answered by
// OnRegistryReply, as is StoreBindings.
struct FetchBindings {
  uint64_t request = 0;
  std::string user;
};
// Makes it `bindings`, if it still is `expected`: a version that an answer had
// given, empty for none.
struct StoreBindings {
  uint64_t request = 0;
  std::string user;
  std::string expected;
  uint64_t epoch = 0;
  uint64_t generation = 0;
  std::vector<Binding> bindings;
};
// A check that OnCheckPeer had begun is over.
struct PeerChecked {
  PeerCheckResult result;
};
struct Report {
  EdgeEvent event;
};

// The answer to FetchBindings, and to StoreBindings: stored, or else what is
// there.
struct RegistryReply {
  bool stored = false;
  std::string version;  // opaque; empty: nothing is known of the user
  uint64_t epoch = 0;
  uint64_t generation = 0;
  std::vector<Binding> bindings;  // unless `stored`
};
// To another loop or edge; its `from` is this one. Answered by OnHandOverFailed
// when it could not even be queued.
struct HandOver {
  ClusterMessage message;
};
// To all other loops of this edge: their OnLoopNews.
struct TellLoops {
  LoopNews news;
};

using EdgeAction =
    std::variant<SendDatagram, SendBytes, Connect, CloseConnection, ResolveHost,
                 CreateMediaSession, UpdateMediaSession, DeleteMediaSession,
                 IssueCredentials, FetchBindings, StoreBindings, PeerChecked,
                 HandOver, TellLoops, Report>;
using EdgeActions = std::vector<EdgeAction>;

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_ACTION_H_
