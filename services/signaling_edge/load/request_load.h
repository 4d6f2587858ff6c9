// Loads of requests that are answered one by one: OPTIONS, registrations with
// their challenge, connections that are made anew, and connections that are
// held.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_REQUEST_LOAD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_REQUEST_LOAD_H_

#include "services/signaling_edge/load/load_settings.h"

namespace sallyport::signaling_edge {

// OPTIONS over connections that stay, `window` open at once.
LoadResult LoadOptions(const LoadSettings& settings);
// REGISTER, 401, REGISTER with SHA-256 digest, 200: one registration.
LoadResult LoadRegister(const LoadSettings& settings);
// Connect, full handshake with our certificate, OPTIONS, close.
LoadResult LoadHandshakes(const LoadSettings& settings);
// `window` connections with one OPTIONS each, then silence: octets of memory
// for each.
LoadResult LoadIdle(const LoadSettings& settings);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_REQUEST_LOAD_H_
