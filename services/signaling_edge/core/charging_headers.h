// By what a call is charged: P-Charging-Vector and
// P-Charging-Function-Addresses (RFC 7315 sections 4.5 and 4.6). They are of
// one trust domain, which those trunks are whose security profile says "allow
// charging header" (CUC trunk profile): from one of them they go to another
// one, and nowhere else (section 6). Those of others are left where they came,
// and nobody is told.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CHARGING_HEADERS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CHARGING_HEADERS_H_

#include <string>
#include <utility>
#include <vector>

#include "services/signaling_edge/core/sip_header_id.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

using ChargingHeaders = std::vector<std::pair<HeaderId, std::string>>;

// Those of a message, as they came, to be sent on. A second P-Charging-Vector
// leaves open which one counts: then there is none.
ChargingHeaders ChargingHeadersOf(const SipMessage& message);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CHARGING_HEADERS_H_
