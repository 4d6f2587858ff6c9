// The transport by which a peer is reached, as the wire names it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_TRANSPORT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_TRANSPORT_H_

#include <cstdint>
#include <string_view>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

// Of a peer whose defaults are resolved.
inline SipTransport TransportOf(const PeerEntry& peer) {
  switch (peer.transport) {
    case sallyport::SipTransport::kTls:
      return SipTransport::kTls;
    case sallyport::SipTransport::kTcp:
      return SipTransport::kTcp;
    default:
      return SipTransport::kUdp;
  }
}

// The SRV name prefix under which a peer is looked up (RFC 3263 section 4.2);
// empty where a port of its own was configured, as then there is none.
inline std::string_view ServiceOf(SipTransport transport, uint32_t port) {
  if (port != (transport == SipTransport::kTls ? 5061u : 5060u)) return {};
  return transport == SipTransport::kTls   ? "_sips._tcp"
         : transport == SipTransport::kTcp ? "_sip._tcp"
                                           : "_sip._udp";
}

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_TRANSPORT_H_
