// Calls from one side of the server to the other: INVITE, 180, 200, ACK, BYE,
// 200.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_CALL_LOAD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_CALL_LOAD_H_

#include "services/signaling_edge/load/load_settings.h"

namespace sallyport::signaling_edge {

// `window` calls open at once, or `rate` begun a second. With `flood` and
// `flood_handshakes` what SendFlood() and BeginHandshakes() do comes beside
// them.
LoadResult LoadCalls(const LoadSettings& settings);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_CALL_LOAD_H_
