// A way to a phone or peer that another loop, or another edge, holds.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REMOTE_FLOW_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REMOTE_FLOW_H_

#include <cstdint>
#include <utility>

#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

// One loop of one edge: what owns connections and calls.
struct NodeId {
  uint64_t edge = 0;  // of its cluster.edge_id (EdgeNumber); 0: none
  uint32_t loop = 0;

  friend bool operator==(const NodeId&, const NodeId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const NodeId& node) {
    return H::combine(std::move(h), node.edge, node.loop);
  }
};

// What a Flow is to others than its owner, for registries and for the wire.
// Connection ids are drawn at random at each start, so that one of a process
// that is gone means nothing to the next. EdgeCore::Export() and Import() turn
// one into the other.
struct RemoteFlow {
  NodeId node;
  ConnectionId connection = 0;  // 0 on UDP
  SipTransport transport = SipTransport::kUdp;
  uint32_t logical_port = 0;  // of the listener; edges number theirs alike
  SocketAddress remote;

  friend bool operator==(const RemoteFlow&, const RemoteFlow&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RemoteFlow& f) {
    return H::combine(std::move(h), f.node, f.connection, f.transport,
                      f.logical_port, f.remote);
  }
};

// One edge of the cluster, as its links tell.
struct EdgePresence {
  uint64_t edge = 0;
  uint32_t loops = 1;
  bool up = false;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REMOTE_FLOW_H_
