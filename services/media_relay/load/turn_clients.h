// Many TURN clients at once, from sources of their own.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_TURN_CLIENTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_TURN_CLIENTS_H_

#include <cstddef>

#include "services/common/random/random_source.h"
#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {

struct TurnClientsOptions {
  size_t clients = 1000;  // in all
  size_t first = 0;       // their flows: this one, and each `step` after it
  size_t step = 1;
  size_t in_flight = 64;  // at once
  double per_second = 0;  // started at most; 0: as fast as they end
  bool bind_channel = false;
  bool end = false;  // a Refresh to 0 at the end of each
};

struct TurnClientsResult {
  size_t succeeded = 0;
  size_t failed = 0;    // refused, or without an answer
  size_t repeated = 0;  // requests sent again after 500 ms (RFC 8489 6.2.1)
  double seconds = 0;
  double median_ms = 0;  // from the first request to the last answer
  double p99_ms = 0;
};

// Each asks, is challenged, allocates with a credential, and goes on as the
// options say. Client `i` is flow `(first + i * step) % 30000` of the testbed.
// Call inside its load namespace.
TurnClientsResult RunTurnClients(const Testbed& testbed,
                                 const TurnClientsOptions& options,
                                 RandomSource& random);

// Sends `count` datagrams to the TURN port from addresses and ports that are
// nobody's, as fast as one thread can: Binding requests, Allocates without and
// with made-up credentials, and octets. Call inside the load namespace.
void SendSpoofed(const Testbed& testbed, size_t count, RandomSource& random);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_TURN_CLIENTS_H_
