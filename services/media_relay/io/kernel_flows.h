// The fast path in the kernel: a program on the devices of the relay's
// addresses forwards the datagrams of settled flows, in the driver (XDP, which
// also steers those of open relay ports to AF_XDP rings) or behind it (tc).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_FLOWS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_FLOWS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/net/unique_fd.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/io/shared_map.h"
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
// does, but for tc: there it forwards nothing more after kBeat, and the next
// relay on the device takes its place. Needs CAP_BPF, CAP_PERFMON and
// CAP_NET_ADMIN.
//
// A flow's datagrams still reach the sockets when they are fragments, padded,
// too long, or late, when their route has changed, and once in two seconds;
// with tc also when their sender has left the checksum to a device.
// Thread-safe.
class KernelFlows {
 public:
  // Loops that may put flows.
  static constexpr uint32_t kMaxLoops = 64;
  // Those whose queues may have rings.
  static constexpr size_t kMaxRingDevices = 4;
  static constexpr uint32_t kMaxRingQueues = 64;
  // So long may a loop be silent; see Beat().
  static constexpr absl::Duration kBeat = absl::Seconds(5);

  struct Options {
    // Of the relay: those that datagrams of flows are sent to.
    std::vector<IpAddress> addresses;
    size_t max_flows = 0;
    // Secret, so that nobody chooses addresses that collide.
    uint64_t seed = 0;
    // Also devices that hand over datagrams of this host with checksums not
    // yet computed (veth): what such senders send through it arrives wrong,
    // unless they compute them (`ethtool -K DEVICE tx off` on their side).
    bool any_device = false;
    // In front of the kernel's protocols instead of in the driver: any device
    // but a loopback one is fit for that.
    bool tc = false;
    // Ports of these addresses that rings may take; none: no rings.
    std::vector<IpAddress> ring_addresses;
    uint16_t first_port = 0;
    uint16_t last_port = 0;
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
  // Costs a store.
  void SetExpiry(uint32_t slot, MonoTime expiry);
  // Not forwarded from now on, but for what is under way; its counters stand
  // still after a second at the latest, until which the slot is nobody's.
  void Remove(uint32_t slot);

  // Since it was put.
  FlowCounters Read(uint32_t slot) const;

  // From now on flows of `loop` are forwarded only if they are of this
  // generation. Costs a store.
  void SetGeneration(uint32_t loop, uint32_t generation);
  // The loop is there: every second.
  void Beat(uint32_t loop);

  // The devices that the program is on, by name and number.
  const std::vector<std::pair<std::string, int>>& devices() const {
    return devices_;
  }
  // What comes for the open ports of `loop` on this queue of a device goes to
  // an AF_XDP socket.
  absl::Status AddRing(int interface, uint32_t queue, int fd, uint32_t loop);
  // From the next datagram on. Both cost a store; an address or port that is
  // not of the options stays with the sockets.
  void OpenRingPort(const Endpoint& local, uint32_t loop);
  void CloseRingPort(uint16_t port);
  // Whether rings of `loop` are told when datagrams arrived: as two words
  // before the frame, nanoseconds of CLOCK_MONOTONIC and their complement.
  // Costs a store.
  void SetRingStamps(uint32_t loop, bool on);

 private:
  // Those of one family. What the program searches is `index`.
  struct Table {
    bool v6 = false;
    SharedMap index;
    SharedMap entries;
    uint32_t mask = 0;
    std::vector<uint32_t> free;
    // Ended, but perhaps still in the hands of the program.
    std::deque<std::pair<MonoTime, uint32_t>> resting;
  };

  KernelFlows() = default;
  absl::Status FindDevices(const Options& options);
  absl::Status Load(const Options& options);
  absl::Status MapTable(Table& table, bool v6, uint32_t room);
  absl::Status Attach();
  absl::Status AttachTc();
  // The upper half of a loop's word of generations.
  uint64_t GoodUntil() const;
  // One more flow to this port of ours, or one less.
  void CountPort(uint16_t port, int change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TellDevice(const KernelFlow& flow) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t HashOf(const Table& table, uint32_t number) const;
  bool InsertIndex(Table& table, uint32_t number);
  void EraseIndex(Table& table, uint32_t number);
  int Map(const char* name) const;

  bpf_object* object_ = nullptr;
  std::vector<std::pair<std::string, int>> devices_;
  bool tc_ = false;
  std::vector<UniqueFd> links_;
  // With tc: devices that it is on, and names that keep other relays off.
  std::vector<int> filtered_;
  std::vector<UniqueFd> holds_;
  uint64_t seed_ = 0;
  SharedMap generations_;
  SharedMap flow_ports_;
  SharedMap ring_ports_;
  SharedMap ring_stamps_;
  std::vector<IpAddress> ring_addresses_;
  uint16_t first_port_ = 0;
  uint16_t last_port_ = 0;

  absl::Mutex mutex_;
  Table v4_;  // its memory is shared; the rest under the mutex
  Table v6_;
  std::vector<uint32_t> flows_to_ ABSL_GUARDED_BY(mutex_) =
      std::vector<uint32_t>(65536);
  // Devices that the program knows, by whose routes and of which generation.
  absl::flat_hash_map<std::pair<int, uint32_t>, uint32_t> told_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_FLOWS_H_
