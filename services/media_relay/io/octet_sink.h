// One side of joined connections, as the other side sees it.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_OCTET_SINK_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_OCTET_SINK_H_

#include <cstddef>

#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// Octets that may wait on one side before the other one is not read from any
// more, and so its sender is slowed down.
inline constexpr size_t kJoinedHighWater = 64 * 1024;
// What one turn may add to that at most.
inline constexpr size_t kJoinedBuffer = 512 * 1024;

// Calls for sockets that are gone do nothing. Loop thread only.
class OctetSink {
 public:
  virtual ~OctetSink() = default;

  // Sends now or later; false when it cannot any more.
  virtual bool WriteOctets(SocketId socket, ByteSpan octets) = 0;
  // What waits to go out.
  virtual size_t Waiting(SocketId socket) const = 0;
  // No more octets will come: what waits goes out, then the end is told.
  virtual void FinishOctets(SocketId socket) = 0;
  // The other side has room again.
  virtual void ResumeReading(SocketId socket) = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_OCTET_SINK_H_
