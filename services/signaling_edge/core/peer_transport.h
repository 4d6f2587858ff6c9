// The transport by which a peer is reached, as the wire names it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_TRANSPORT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_TRANSPORT_H_

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

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_TRANSPORT_H_
