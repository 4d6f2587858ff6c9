// What an EdgeCore is told at its making.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_OPTIONS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/call_ladder.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/long_requests.h"
#include "services/signaling_edge/core/overload_gate.h"
#include "services/signaling_edge/core/parse_policy.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/core/session_timer.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/transaction_action.h"

namespace sallyport::signaling_edge {

// A ListenerId is the index in EdgeOptions::listeners. Those without a socket
// of their own still say what to call ourselves on that transport.
struct EdgeListener {
  SipTransport transport = SipTransport::kUdp;
  std::string host;           // put into Via and Contact: address or name
  uint16_t port = 0;          // likewise
  uint32_t logical_port = 0;  // by which peers know it (incoming_port)
  bool sccp = false;          // voicemail ports connect here, not SIP
  bool v6 = false;            // the family of its socket
  std::string user = "edge";  // of our Contact: a token of its owner
};

class LoopShare;

struct EdgeOptions {
  // Our instance id, by which dial plans name us. Empty: we serve them all.
  std::string instance;
  // Certificates of peers must be for SIP domains and not merely for TLS.
  bool require_sip_domain_usage = false;
  // FIPS mode: no digest is made with MD5.
  bool approved_only = false;
  // What a wall clock showed at a moment, for the clocks of voicemail ports.
  absl::Time wall_time;
  MonoTime wall_time_at;
  std::vector<EdgeListener> listeners;
  std::string server_header;       // empty: none is sent
  std::string service_route_host;  // empty: no Service-Route is told
  // Which loop of which edge this is, and the keys of what says so to others.
  // No keys: this loop is alone, and its tags are mere random.
  NodeId node;
  std::shared_ptr<const TokenKeys> token_keys;
  ConnectionId last_connection = 0;  // ids follow on this
  uint64_t last_id = 0;              // those of calls and registrations too
  // What limits of all loops are held by. Null: this loop is alone.
  std::shared_ptr<LoopShare> share;
  // Another loop asks peers whether they are there, and tells.
  bool told_health = false;
  // What is added to a MonoTime for a time that other edges have alike.
  absl::Duration to_shared_time;
  ParsePolicy parse;
  TransactionTimers sip;
  LongRequests::Options long_requests;
  // Within which a connection is there for what is too long for UDP.
  absl::Duration long_request_connect_timeout = absl::Milliseconds(1500);
  absl::Duration ring_timeout = absl::Seconds(180);
  SessionTimer::Options session;
  // Registrations are shared with other edges: FetchBindings and StoreBindings
  // are answered.
  bool shared_registry = false;
  absl::Duration handshake_timeout = absl::Seconds(5);
  // An accepted connection that proves nothing and registers nobody.
  absl::Duration first_request_timeout = absl::Seconds(10);
  absl::Duration idle_timeout = absl::Minutes(15);
  absl::Duration min_registration = absl::Seconds(60);
  absl::Duration max_registration = absl::Hours(1);
  absl::Duration nonce_lifetime = absl::Minutes(5);
  // Clients with flows (RFC 5626) give a sign of life within this, over UDP
  // within udp_flow_timer.
  absl::Duration flow_timer = absl::Seconds(120);
  absl::Duration udp_flow_timer = absl::Seconds(30);
  // How long the core itself takes names for resolved; io remembers them for as
  // long as their servers say.
  absl::Duration host_lifetime = absl::Seconds(1);
  absl::Duration history_retention = absl::Hours(1);
  CallLadder::Options ladder;
  // See Call::Timers; what a dial plan says goes before.
  absl::Duration media_silence;

  size_t max_connections = 10'000;
  size_t max_connections_per_source = 100;
  size_t max_calls = 10'000;
  size_t max_registrations = 100'000;
  size_t max_transactions = 100'000;
  double requests_per_second_per_source = 100;
  double connections_per_second_per_source = 50;
  // Of sources that have proven nothing. Zero: as requests.
  double invites_per_second_per_source = 0;
  double registrations_per_second_per_source = 0;
  // Of all who are proven to be of one tenant. Zero: any number.
  double invites_per_second_per_tenant = 0;
  double registrations_per_second_per_tenant = 0;
  // Of sources that have proven nothing, taken together, for one user.
  double wrong_passwords_per_minute_per_user = 30;
  // Sources that are told apart; of more, those that did least are forgotten.
  size_t tracked_sources = 65'536;
  // Connections that are not ready yet; sources that have proven something
  // lately may go to twice as many.
  size_t max_handshakes = 2'000;
  OverloadGate::Options overload;
  // Octets that may wait for a connection to open.
  size_t max_queue = 256 * 1024;
  size_t history_entries = 10'000;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_OPTIONS_H_
