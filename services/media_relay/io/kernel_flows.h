// The fast path in the kernel: an XDP program on the devices of the relay's
// addresses forwards the datagrams of settled flows in the driver.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_FLOWS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_FLOWS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/net/unique_fd.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/io/wire_header.h"

struct bpf_object;

namespace sallyport::media_relay {

// One flow as the kernel takes it: resolved to addresses, device and next hop.
struct KernelFlow {
  Endpoint from;
  Endpoint to;
  uint16_t channel = 0;  // of its ChannelData; 0: all is payload
  // How it leaves: heads with the link's, of the family it came in.
  WireHeader header;
  Endpoint next_from;
  Endpoint next_to;
  uint16_t head_channel = 0;
  int interface = 0;
  uint32_t mtu = 0;
  // Of the clock of the system, CLOCK_MONOTONIC.
  MonoTime expiry;
  // Whose routes it was made of, and of which generation.
  uint32_t loop = 0;
  uint32_t generation = 0;
};

// The program of one process, in the network namespace that Create() is called
// in; the kernel takes it off the devices when the process ends, however it
// does. Needs CAP_BPF and CAP_NET_ADMIN.
//
// A flow's datagrams still reach the sockets when they are fragments, padded,
// too long, or late, when their route has changed, and once in two seconds.
// Thread-safe.
class KernelFlows {
 public:
  // Loops that may put flows.
  static constexpr uint32_t kMaxLoops = 64;

  struct Options {
    // Of the relay: those that datagrams of flows are sent to.
    std::vector<IpAddress> addresses;
    size_t max_flows = 0;
    // Also devices that hand over datagrams of this host with checksums not
    // yet computed (veth): what such senders send through it arrives wrong,
    // unless they compute them (`ethtool -K DEVICE tx off` on their side).
    bool any_device = false;
  };
  // FAILED_PRECONDITION when a device is not fit, PERMISSION_DENIED or
  // UNAVAILABLE when the kernel does not let us.
  static absl::StatusOr<std::unique_ptr<KernelFlows>> Create(
      const Options& options);
  ~KernelFlows();
  KernelFlows(const KernelFlows&) = delete;
  KernelFlows& operator=(const KernelFlows&) = delete;

  // Forwarded from now on; gives its slot. None when there is no room, or when
  // the flow changes between IPv4 and IPv6.
  std::optional<uint32_t> Put(const KernelFlow& flow);
  // The same flow, in its slot, as it is now. False: it is not forwarded.
  bool Replace(uint32_t slot, const KernelFlow& flow);
  // Not forwarded from now on; the slot is another's.
  void Remove(uint32_t slot, const KernelFlow& flow);

  // Since it was put.
  FlowCounters Read(uint32_t slot) const;

  // From now on flows of `loop` are forwarded only if they are of this
  // generation. Costs a store.
  void SetGeneration(uint32_t loop, uint32_t generation);

 private:
  KernelFlows() = default;
  absl::Status Load(const Options& options);
  absl::Status Attach(const Options& options);
  bool Write(uint32_t slot, const KernelFlow& flow);
  int Map(const char* name) const;

  bpf_object* object_ = nullptr;
  std::vector<UniqueFd> links_;
  int flows_v4_ = -1;
  int flows_v6_ = -1;
  // Shared with the program.
  void* counted_ = nullptr;
  size_t counted_size_ = 0;
  void* generations_ = nullptr;

  absl::Mutex mutex_;
  std::deque<uint32_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_FLOWS_H_
