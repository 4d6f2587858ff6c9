// On which loop a new session is made.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_SESSION_PLACEMENT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_SESSION_PLACEMENT_H_

#include <cstddef>

#include "absl/types/span.h"

namespace sallyport::media_relay {

// What a loop has to do and to hold, each 0 to 1.
struct LoopUse {
  double busy = 0;  // share of a processor, in the last second
  double full = 0;  // of its sessions or of its ports, whichever is more
};

// On `reader`, whose thread has read the request, as any other has to be woken
// first; but on the loop with the least use if `reader` is fuller than that by
// an eighth of what it has left, or more than half busy and busier by a
// quarter. `loops` has `reader`. Pure.
size_t PlaceSession(size_t reader, absl::Span<const LoopUse> loops);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_SESSION_PLACEMENT_H_
