// Where a message came from and where one can go: a connection, or a UDP
// address pair.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_FLOW_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_FLOW_H_

#include <cstdint>

#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

// Given by the core to each TCP or TLS connection, never twice. 0 is none.
using ConnectionId = uint64_t;

// Which of the configured listeners, by its place in the configuration.
using ListenerId = uint32_t;

// On TCP and TLS `connection` alone says where; the rest is for display and
// for limits by source.
struct Flow {
  SipTransport transport = SipTransport::kUdp;
  ConnectionId connection = 0;  // 0 on UDP
  ListenerId listener = 0;      // the socket it came in by; on UDP, to send by
  SocketAddress remote;

  bool is_tls() const { return transport == SipTransport::kTls; }

  // The same way back.
  friend bool SameFlow(const Flow& a, const Flow& b) {
    if (a.transport != b.transport) return false;
    if (a.connection != 0 || b.connection != 0) {
      return a.connection == b.connection;
    }
    return a.listener == b.listener && a.remote == b.remote;
  }
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_FLOW_H_
