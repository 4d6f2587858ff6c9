// Which extensions a request cannot do without and we do not have (RFC 3261
// section 8.2.2.3).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UNSUPPORTED_EXTENSIONS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UNSUPPORTED_EXTENSIONS_H_

#include <string>

#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// The option tags of Require and Proxy-Require that are to be named in
// Unsupported, as a list; empty: the request may go on. Pure.
std::string UnsupportedExtensions(const SipMessage& request);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UNSUPPORTED_EXTENSIONS_H_
