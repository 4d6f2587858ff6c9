// Via as a server and as a client (RFC 3261 section 18, RFC 3581).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_VIA_STAMP_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_VIA_STAMP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Notes in the topmost Via where `request` really came from: received and, if
// asked for, rport. What the sender wrote there itself is replaced. Returns
// where the response goes over UDP: back to the source port with rport, else to
// the port of sent-by (section 18.2.2). Who asks whether we take keep-alives
// for a registration or a call learns there how often to send them (RFC 6223).
SocketAddress StampReceived(SipMessage& request, const SocketAddress& source,
                            absl::Duration keep);

// Puts our Via on top of a request of ours; `branch` without the cookie.
// `alias`: the far side may use the connection for what it sends (RFC 5923).
void AddVia(SipMessage& request, const EdgeListener& listener,
            std::string_view branch, bool alias = false);

// The branch of our own Via, as AddVia() takes it; empty if it has none.
std::string BranchOf(const SipMessage& request);

// "host" or "[v6]", and the port unless it is the transport's own.
std::string HostPortText(std::string_view host, uint16_t port,
                         SipTransport transport);

// Our URI at a listener, e.g. "sip:edge@203.0.113.1;transport=tls".
std::string ContactUri(const EdgeListener& listener);

// Where users that came by it send what they ask for (RFC 3608), under a name.
std::string ServiceRouteUri(std::string_view host,
                            const EdgeListener& listener);

// The same resource by the other scheme (RFC 5630 section 3.1.3): transport=tls
// is said by "sips" itself. What is no SIP URI comes back as it is.
std::string AsSips(std::string_view uri);
std::string AsSip(std::string_view uri);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_VIA_STAMP_H_
