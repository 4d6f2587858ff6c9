// The bound channels of allocations as flows of a fast path.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_FLOWS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_FLOWS_H_

#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/own_ports.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"

namespace sallyport::media_relay {

// Hands over what is settled and counts what came of it. Without a fast path it
// does nothing. Thread-compatible.
class AllocationFlows {
 public:
  // `policy` must outlive this object.
  explicit AllocationFlows(const PeerPolicy& policy) : policy_(policy) {}

  // `fast_path` must outlive this object, or be null.
  void SetFastPath(FastPath* fast_path) { fast_path_ = fast_path; }
  // Of the relay, as they are from now on.
  void SetOwnPorts(const OwnPorts& own) { own_ = own; }

  // Hands over the channels of `allocation` as they are now.
  void Put(Allocation& allocation, Now now);
  // Adds to the counters of `allocation` what its flows have forwarded.
  void Collect(Allocation& allocation);
  // Collects, and takes one channel or all of them back.
  void Remove(Allocation& allocation, Allocation::Channel& channel);
  void RemoveAll(Allocation& allocation);

  // All that was collected so far.
  const FlowCounters& to_peers() const { return to_peers_; }
  const FlowCounters& to_client() const { return to_client_; }

 private:
  void Collect(Allocation& allocation, const Allocation::Channel& channel);

  const PeerPolicy& policy_;
  OwnPorts own_;
  FastPath* fast_path_ = nullptr;
  FlowId next_flow_ = 1;
  FlowCounters to_peers_;
  FlowCounters to_client_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_FLOWS_H_
