// Via as a server and as a client (RFC 3261 section 18, RFC 3581).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_VIA_STAMP_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_VIA_STAMP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Notes in the topmost Via where `request` really came from: received and, if
// asked for, rport. What the sender wrote there itself is replaced. Returns
// where the response goes over UDP: back to the source port with rport, else to
// the port of sent-by (section 18.2.2).
SocketAddress StampReceived(SipMessage& request, const SocketAddress& source);

// Puts our Via on top of a request of ours; `branch` without the cookie.
void AddVia(SipMessage& request, const EdgeListener& listener,
            std::string_view branch);

// "host" or "[v6]", and the port unless it is the transport's own.
std::string HostPortText(std::string_view host, uint16_t port,
                         SipTransport transport);

// Our URI at a listener, e.g. "sip:edge@203.0.113.1;transport=tls".
std::string ContactUri(const EdgeListener& listener);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_VIA_STAMP_H_
