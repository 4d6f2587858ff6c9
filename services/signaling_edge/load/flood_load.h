// What nobody who is anybody sends: messages of every kind from very many
// addresses, or from one, and handshakes that are begun and left.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_FLOOD_LOAD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_FLOOD_LOAD_H_

#include <atomic>
#include <cstdint>

#include "services/signaling_edge/load/load_settings.h"

namespace sallyport::signaling_edge {

struct FloodResult {
  uint64_t sent = 0;
  // Of what came back, as far as it was read.
  uint64_t answers = 0;
  uint64_t busy = 0;  // 503 with Retry-After

  uint64_t handshakes = 0;           // begun
  uint64_t handshakes_answered = 0;  // got our side's certificate
};

// OPTIONS, INVITE and REGISTER of strangers, of scanners that say so, with
// wrong passwords, for users that do and do not exist, requests and responses
// of no dialog, STUN, text and octets that are no SIP: `flood` a second by UDP
// from `flood_sources` addresses of 127.0.0.0/8 in turns, until `stop`. The
// calling thread is kept to `flood_cpu`, here and below.
void SendFlood(const LoadSettings& settings, const std::atomic<bool>& stop,
               FloodResult& result);

// TLS connections that send a ClientHello, wait for the answer and are gone:
// all of the work is the server's. `flood_handshakes` a second from as many
// addresses, until `stop`.
void BeginHandshakes(const LoadSettings& settings,
                     const std::atomic<bool>& stop, FloodResult& result);

// Both for `seconds`, without calls beside.
LoadResult LoadFlood(const LoadSettings& settings);

void AddFlood(const FloodResult& flood, double seconds, LoadResult& out);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_FLOOD_LOAD_H_
