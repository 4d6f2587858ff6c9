// What is asked of a check of a peer, and what it finds.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_CHECK_RESULT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_CHECK_RESULT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

struct PeerCheckRequest {
  uint64_t id = 0;   // the caller's; not 0, not in use
  std::string peer;  // tenants/{t}/peers/{p}
  bool secured = false;
  bool media_secured = false;
  // A member of its server group to ask instead of the peer itself.
  std::string host;  // empty: the peer's own
  uint16_t port = 0;
  std::string phone;  // that the INVITE calls; empty: none in particular
};

struct PeerCheckStep {
  std::string step;  // "resolve", "connect", "handshake", "identity", ...
  bool succeeded = false;
  std::string detail;  // for operators only

  bool operator==(const PeerCheckStep&) const = default;
};

struct PeerCheckResult {
  uint64_t id = 0;
  std::string peer;
  std::string server;  // "host:port" of the member that was asked
  bool succeeded = false;
  std::string reason;  // stable; empty when it succeeded
  std::vector<PeerCheckStep> steps;
  SocketAddress address;  // that was tried last; port 0: none was
  SipTransport transport = SipTransport::kUdp;
  bool secured = false;  // mutual TLS stood and its identity was proven
  int sip_status = 0;    // of OPTIONS; 0: no answer
  absl::Duration round_trip_time;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_CHECK_RESULT_H_
