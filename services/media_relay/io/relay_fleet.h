// All relay loops of the process, and how a command finds the right one.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_FLEET_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_FLEET_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/clock.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stream_admission.h"
#include "services/media_relay/core/tenant_limits.h"
#include "services/media_relay/io/frame_rings.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_loop.h"
#include "services/media_relay/io/shared_bandwidth.h"
#include "services/media_relay/io/shared_quota.h"
#include "services/media_relay/io/turn_stream_front.h"
#include "services/media_relay/io/turn_tls_files.h"

namespace sallyport::media_relay {

// How the sockets of relay ports are made.
enum class RelaySockets : uint8_t {
  kBest,     // the first of these that works here
  kFrames,   // one socket for all ports, frames sent past the IP layer
  kRaw,      // one socket for all ports, sent through raw sockets
  kPerPort,  // a socket for each port: no capability needed
};

// "frames", "raw", "per_port"; empty: kBest.
std::optional<RelaySockets> RelaySocketsFrom(std::string_view name);
std::string_view RelaySocketsName(RelaySockets sockets);

// Who forwards settled flows.
enum class FastPathTier : uint8_t {
  kBest,     // the best that works here and is fit for its devices
  kSockets,  // the loops
  kTc,       // a program behind the driver of the device
  kXdp,      // a program in the driver of the device, on any device
  kAfXdp,    // the same, and relay ports past the sockets
};

// "sockets", "tc", "xdp", "af_xdp"; empty: kBest.
std::optional<FastPathTier> FastPathTierFrom(std::string_view name);
std::string_view FastPathTierName(FastPathTier tier);

struct RelayFleetOptions {
  // Of the whole process; counts and ports are divided among the loops.
  RelayCoreOptions core;
  std::vector<Endpoint> listeners;
  std::vector<StreamListener> stream_listeners;
  // Must outlive the fleet; null: TLS is refused.
  const TurnTlsFiles* tls = nullptr;
  // DTLS on `listeners`; needs `tls`.
  bool dtls = false;
  // Connections of clients: of all and of one source prefix.
  AllocationLimits connections = ConnectionLimits(10'000, 100);
  // While the relay sends as much, no allocation begins; 0: no bound.
  uint64_t max_bytes_per_second = 0;
  // Asked before anything new is made, by every loop; must outlive the fleet.
  // Null: everything is.
  MemoryGate* memory = nullptr;
  size_t loops = 1;
  // One loop on each processor that the process may use.
  bool pin = false;
  // All but kBest: that one or none.
  RelaySockets sockets = RelaySockets::kBest;
  // Told on each loop's thread what happens to its sessions; may be null.
  std::function<void(size_t loop, const SessionNotice&)> on_notice;
  FastPathTier fast_path = FastPathTier::kBest;
};

// Thread-safe once started.
class RelayFleet {
 public:
  // All references must outlive the fleet; `random` must be thread-safe.
  static absl::StatusOr<std::unique_ptr<RelayFleet>> Create(
      const RelayFleetOptions& options, const SrtpLibrary& library,
      RandomSource& random, RelayMetrics& metrics, const Clock& clock);

  void Start();

  size_t size() const { return loops_.size(); }
  // What is in use, and why nothing better is; empty for the best.
  RelaySockets sockets() const { return sockets_; }
  const std::string& sockets_reason() const { return sockets_reason_; }
  FastPathTier fast_path() const {
    return kernel_ == nullptr ? FastPathTier::kSockets
           : tc_              ? FastPathTier::kTc
           : rings_.empty()   ? FastPathTier::kXdp
                              : FastPathTier::kAfXdp;
  }
  const std::string& fast_path_reason() const { return fast_path_reason_; }
  const std::vector<Endpoint>& listeners() const {
    return loops_.front()->listeners();
  }

  const std::vector<StreamListener>& stream_listeners() const {
    return loops_.front()->stream_listeners();
  }

  // The loop that holds, or will hold, this session.
  size_t LoopOf(std::string_view tenant, std::string_view session) const;
  absl::Status Post(size_t loop, RelayLoop::Command&& command);
  // The same, but at once on the thread of that loop, where it must not be
  // called within a command.
  absl::Status Do(size_t loop, RelayLoop::Command&& command);
  // The loop on whose thread this is called; none on all other threads.
  std::optional<size_t> Here() const;
  // Where a session of which a request was read here is made best; none on
  // threads that are no loop's, as then all are alike.
  std::optional<size_t> PlaceForSession() const;

  // What holds for allocations of single tenants from now on, those that are
  // there included.
  void SetTenantLimits(const std::shared_ptr<const TenantLimits>& limits);

  // Of the loop that came round longest ago.
  absl::Duration SinceTurn() const;

  // Runs `command` on every loop and then `done`, once, on the last of them.
  // A loop whose mailbox is full counts as done with its status in `done`.
  void PostToAll(std::function<void(size_t loop, RelayLoopContext&)> command,
                 std::function<void(const absl::Status&)> done);

 private:
  explicit RelayFleet(const RelayFleetOptions& options)
      : quota_(options.core.turn.allocation_quota),
        connection_quota_(options.connections),
        bandwidth_(options.core.turn.bandwidth),
        throughput_(options.max_bytes_per_second) {}
  absl::Status StartSteering(const RelayFleetOptions& options,
                             const std::vector<IpAddress>& addresses,
                             size_t loops, RandomSource& random);
  absl::Status StartKernel(const RelayFleetOptions& options,
                           const std::vector<IpAddress>& addresses,
                           size_t loops, uint64_t seed);
  absl::Status StartRings(size_t loops);

  RelaySockets sockets_ = RelaySockets::kPerPort;
  std::string sockets_reason_;
  std::string fast_path_reason_;
  // Outlive the loops.
  SharedQuota quota_;
  SharedQuota connection_quota_;
  SharedBandwidth bandwidth_;
  RelayThroughput throughput_;
  std::unique_ptr<PortSteering> steering_;
  bool tc_ = false;  // of the kernel's
  std::unique_ptr<KernelFlows> kernel_;
  std::vector<std::unique_ptr<FrameRings>> rings_;  // by loop
  std::vector<std::unique_ptr<RelayLoop>> loops_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_FLEET_H_
