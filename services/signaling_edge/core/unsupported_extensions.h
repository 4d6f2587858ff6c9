// What a request cannot do without and we do not have: the scheme of its
// Request-URI, and extensions (RFC 3261 section 8.2.2).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UNSUPPORTED_EXTENSIONS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UNSUPPORTED_EXTENSIONS_H_

#include <string>

#include "absl/status/status.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// The option tags of Require and Proxy-Require that are to be named in
// Unsupported, as a list; empty: the request may go on. Pure.
std::string UnsupportedExtensions(const SipMessage& request);

// OK, URI_SCHEME_UNSUPPORTED or EXTENSION_UNSUPPORTED, which are inspected in
// this order. Pure.
absl::Status CheckUnderstood(const SipMessage& request);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UNSUPPORTED_EXTENSIONS_H_
