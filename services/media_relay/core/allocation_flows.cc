#include "services/media_relay/core/allocation_flows.h"

#include <algorithm>

#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"

namespace sallyport::media_relay {

void AllocationFlows::Put(Allocation& allocation, Now now) {
  // Connections are no flows, and every datagram of an allocation whose
  // bandwidth is limited is the core's to count.
  if (fast_path_ == nullptr || allocation.path().has_connection() ||
      allocation.bandwidth != nullptr) {
    return;
  }
  for (Allocation::Channel& channel : allocation.channels()) {
    Flow flow;
    flow.expiry = std::min({channel.expiry, allocation.expiry,
                            allocation.PermittedUntil(channel.peer.ip)});
    // What the core would refuse is not handed over. The policy changes while
    // the process lives by addresses of our own alone.
    if (flow.expiry <= now.mono ||
        policy_.Check(channel.peer) != PeerVerdict::kAllowed) {
      continue;
    }
    if (channel.flow == 0) {
      channel.flow = next_flow_;
      next_flow_ += 2;
    }
    const ClientPath& path = allocation.path();
    const Endpoint peer = own_.Local(channel.peer);
    flow.match = {path.socket, path.client, channel.number};
    flow.rewrite = {allocation.relay_socket(), peer, 0};
    fast_path_->Put(channel.flow, flow);
    flow.match = {allocation.relay_socket(), peer, 0};
    flow.rewrite = {path.socket, path.client, channel.number};
    fast_path_->Put(channel.flow + 1, flow);
  }
}

void AllocationFlows::Collect(Allocation& allocation,
                              const Allocation::Channel& channel) {
  if (fast_path_ == nullptr || channel.flow == 0) return;
  const FlowCounters out = fast_path_->Take(channel.flow);
  const FlowCounters back = fast_path_->Take(channel.flow + 1);
  allocation.counters.packets_to_peers += out.packets;
  allocation.counters.bytes_to_peers += out.bytes;
  allocation.counters.packets_to_client += back.packets;
  allocation.counters.bytes_to_client += back.bytes;
  to_peers_.packets += out.packets;
  to_peers_.bytes += out.bytes;
  to_client_.packets += back.packets;
  to_client_.bytes += back.bytes;
}

void AllocationFlows::Collect(Allocation& allocation) {
  for (const Allocation::Channel& channel : allocation.channels()) {
    Collect(allocation, channel);
  }
}

void AllocationFlows::Remove(Allocation& allocation,
                             Allocation::Channel& channel) {
  if (fast_path_ == nullptr || channel.flow == 0) return;
  Collect(allocation, channel);
  fast_path_->Remove(channel.flow);
  fast_path_->Remove(channel.flow + 1);
  channel.flow = 0;
}

void AllocationFlows::RemoveAll(Allocation& allocation) {
  for (Allocation::Channel& channel : allocation.channels()) {
    Remove(allocation, channel);
  }
}

}  // namespace sallyport::media_relay
