// Forwarding that needs no decision any more: the core hands each settled one
// over as a small value, and whatever lies behind this port carries it out.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_FAST_PATH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_FAST_PATH_H_

#include <cstdint>

#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// Which datagrams.
struct FlowMatch {
  SocketId socket = kNoSocket;  // a client listener or a relayed socket
  Endpoint from;
  uint16_t channel = 0;  // of its ChannelData; 0: all that comes is payload
};

// What becomes of their payload.
struct FlowRewrite {
  SocketId socket = kNoSocket;
  Endpoint to;
  uint16_t channel = 0;  // of the ChannelData head before it; 0: none
};

struct Flow {
  FlowMatch match;
  FlowRewrite rewrite;
  // From then on its datagrams are the core's again. All that a flow needs to
  // be allowed (allocation, permission, channel) lasts at least until then.
  MonoTime expiry;
};

// Chosen by the core, never used again.
using FlowId = uint64_t;

struct FlowCounters {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // of payload
};

// A tier. All of them pass fast_path_conformance_test. Every datagram that a
// tier does not forward, for whatever reason, reaches the core unchanged.
// Thread-compatible.
class FastPath {
 public:
  virtual ~FastPath() = default;

  // In force for datagrams that arrive after it; an id again replaces. A tier
  // that cannot take it leaves its datagrams to the core.
  virtual void Put(FlowId id, const Flow& flow) = 0;
  // Not in force for datagrams that arrive after it. Unknown ids are ignored.
  virtual void Remove(FlowId id) = 0;
  // What it has forwarded since the last call; nothing for unknown ids.
  virtual FlowCounters Take(FlowId id) = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_FAST_PATH_H_
