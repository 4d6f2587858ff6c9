#include "services/media_relay/io/relay_fleet.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/bytes/string_view.h"
#include "services/common/log/log.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/rolling_keys.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/io/allowed_processors.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_loop.h"
#include "services/media_relay/io/session_placement.h"

namespace sallyport::media_relay {
namespace {

// Counts down the loops of one PostToAll(). Thread-safe.
class Countdown {
 public:
  Countdown(size_t count, std::function<void(const absl::Status&)> done)
      : left_(count), done_(std::move(done)) {}

  void Down(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::Status outcome;
    {
      absl::MutexLock lock(&mutex_);
      status_.Update(status);
      if (--left_ != 0) return;
      outcome = status_;
    }
    done_(outcome);
  }

 private:
  absl::Mutex mutex_;
  size_t left_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  const std::function<void(const absl::Status&)> done_;
};

// A channel is two flows; most allocations have one, few have many.
constexpr size_t kFlowsPerAllocation = 4;
constexpr size_t kMostKernelFlows = 1 << 17;

// The local addresses on which the cores open ports.
std::vector<IpAddress> RelayAddresses(const RelayCoreOptions& core) {
  std::vector<IpAddress> addresses;
  const RelayInterfaces& interfaces = core.sessions.interfaces;
  for (const std::optional<RelayInterface>& interface :
       {core.turn.ipv4, core.turn.ipv6, interfaces.external_v4,
        interfaces.external_v6, interfaces.internal_v4,
        interfaces.internal_v6}) {
    if (interface.has_value() &&
        std::find(addresses.begin(), addresses.end(), interface->local) ==
            addresses.end()) {
      addresses.push_back(interface->local);
    }
  }
  return addresses;
}

}  // namespace

std::optional<RelaySockets> RelaySocketsFrom(std::string_view name) {
  if (name.empty()) return RelaySockets::kBest;
  for (const RelaySockets sockets :
       {RelaySockets::kFrames, RelaySockets::kRaw, RelaySockets::kPerPort}) {
    if (name == RelaySocketsName(sockets)) return sockets;
  }
  return std::nullopt;
}

std::string_view RelaySocketsName(RelaySockets sockets) {
  switch (sockets) {
    case RelaySockets::kBest:
      return "";
    case RelaySockets::kFrames:
      return "frames";
    case RelaySockets::kRaw:
      return "raw";
    case RelaySockets::kPerPort:
      return "per_port";
  }
  return "";
}

std::optional<FastPathTier> FastPathTierFrom(std::string_view name) {
  if (name.empty()) return FastPathTier::kBest;
  for (const FastPathTier tier : {FastPathTier::kSockets, FastPathTier::kTc,
                                  FastPathTier::kXdp, FastPathTier::kAfXdp}) {
    if (name == FastPathTierName(tier)) return tier;
  }
  return std::nullopt;
}

std::string_view FastPathTierName(FastPathTier tier) {
  switch (tier) {
    case FastPathTier::kBest:
      return "";
    case FastPathTier::kSockets:
      return "sockets";
    case FastPathTier::kTc:
      return "tc";
    case FastPathTier::kXdp:
      return "xdp";
    case FastPathTier::kAfXdp:
      return "af_xdp";
  }
  return "";
}

absl::Status RelayFleet::StartSteering(const RelayFleetOptions& options,
                                       const std::vector<IpAddress>& addresses,
                                       size_t loops, RandomSource& random) {
  if (options.sockets == RelaySockets::kPerPort) {
    sockets_reason_ = "asked for";
    return absl::OkStatus();
  }
  SP_ASSIGN_OR_RETURN(
      steering_,
      PortSteering::Create(
          options.core.ports.first, options.core.ports.last, addresses,
          // Not pinned, the kernel spreads clients.
          options.pin ? static_cast<uint32_t>(loops) : 1, random));
  // Sending needs CAP_NET_RAW: told before the first loop stands.
  const UniqueFd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!raw.valid()) {
    steering_.reset();
    return absl::PermissionDeniedError("raw sockets need CAP_NET_RAW");
  }
  if (options.sockets == RelaySockets::kRaw) {
    sockets_ = RelaySockets::kRaw;
    sockets_reason_ = "asked for";
  } else {
    sockets_ = RelaySockets::kFrames;
  }
  return absl::OkStatus();
}

absl::Status RelayFleet::StartKernel(const RelayFleetOptions& options,
                                     const std::vector<IpAddress>& addresses,
                                     size_t loops, uint64_t seed) {
  if (options.fast_path == FastPathTier::kSockets) {
    fast_path_reason_ = "asked for";
    return absl::OkStatus();
  }
  if (sockets_ != RelaySockets::kFrames) {
    return absl::FailedPreconditionError(
        "forwarding in the kernel needs relay_sockets frames");
  }
  if (loops > KernelFlows::kMaxLoops) {
    return absl::FailedPreconditionError("more loops than the kernel takes");
  }
  KernelFlows::Options kernel;
  kernel.addresses = addresses;
  for (const Endpoint& listener : options.listeners) {
    kernel.addresses.push_back(listener.ip);
  }
  kernel.max_flows =
      std::min(kMostKernelFlows,
               kFlowsPerAllocation * options.core.turn.allocation_quota.all);
  kernel.seed = seed;
  kernel.any_device = options.fast_path != FastPathTier::kBest;
  const auto start_tc = [&]() -> absl::Status {
    kernel.tc = true;
    kernel.ring_addresses.clear();
    SP_ASSIGN_OR_RETURN(kernel_, KernelFlows::Create(kernel));
    tc_ = true;
    return absl::OkStatus();
  };
  if (options.fast_path == FastPathTier::kTc) {
    fast_path_reason_ = "asked for";
    return start_tc();
  }
  if (options.fast_path != FastPathTier::kXdp) {
    kernel.ring_addresses = addresses;
    kernel.first_port = options.core.ports.first;
    kernel.last_port = options.core.ports.last;
  }
  absl::StatusOr<std::unique_ptr<KernelFlows>> xdp =
      KernelFlows::Create(kernel);
  if (!xdp.ok()) {
    // tc is for devices that XDP is not to be had on.
    if (options.fast_path != FastPathTier::kBest || !start_tc().ok()) {
      return xdp.status();
    }
    fast_path_reason_ = std::string(xdp.status().message());
    return absl::OkStatus();
  }
  kernel_ = *std::move(xdp);
  if (options.fast_path == FastPathTier::kXdp) {
    fast_path_reason_ = "asked for";
    return absl::OkStatus();
  }
  const absl::Status rings = StartRings(loops);
  if (rings.ok()) return rings;
  rings_.clear();
  if (options.fast_path == FastPathTier::kAfXdp) return rings;
  fast_path_reason_ = std::string(rings.message());
  return absl::OkStatus();
}

absl::Status RelayFleet::StartRings(size_t loops) {
  for (size_t i = 0; i < loops; ++i) {
    std::unique_ptr<FrameRings> rings;
    SP_ASSIGN_OR_RETURN(rings,
                        FrameRings::Create(*kernel_, static_cast<uint32_t>(i),
                                           static_cast<uint32_t>(loops)));
    rings_.push_back(std::move(rings));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RelayFleet>> RelayFleet::Create(
    const RelayFleetOptions& options, const SrtpLibrary& library,
    RandomSource& random, RelayMetrics& metrics, const Clock& clock) {
  std::unique_ptr<RelayFleet> fleet(new RelayFleet(options));
  const size_t count = std::max<size_t>(1, options.loops);
  const std::vector<int> processors = AllowedProcessors();
  const auto share = [count](size_t whole) {
    return std::max<size_t>(1, (whole + count - 1) / count);
  };
  const std::vector<IpAddress> addresses = RelayAddresses(options.core);
  const absl::Status steering =
      fleet->StartSteering(options, addresses, count, random);
  if (!steering.ok()) {
    if (options.sockets != RelaySockets::kBest) return steering;
    fleet->sockets_reason_ = std::string(steering.message());
  }
  const absl::Status kernel = fleet->StartKernel(
      options, addresses, count, random.Uniform(uint64_t{1} << 62));
  if (!kernel.ok()) {
    if (options.fast_path != FastPathTier::kBest) return kernel;
    fleet->fast_path_reason_ = std::string(kernel.message());
  }
  const RollingKeys::Key secret = RollingKeys::NewSecret(random);
  std::vector<Endpoint> listeners = options.listeners;
  std::vector<StreamListener> streams = options.stream_listeners;
  for (size_t i = 0; i < count; ++i) {
    RelayLoopOptions loop;
    loop.core = options.core;
    loop.core.turn.authenticator.secret = secret;
    loop.core.ports.shard = static_cast<uint32_t>(i);
    loop.core.ports.shards = static_cast<uint32_t>(count);
    loop.quota = &fleet->quota_;
    if (options.on_notice) {
      loop.on_notice = [i, tell = options.on_notice](
                           const SessionNotice& notice) { tell(i, notice); };
    }
    loop.core.sessions.max_sessions = share(options.core.sessions.max_sessions);
    loop.core.sessions.max_playbacks =
        share(options.core.sessions.max_playbacks);
    loop.connection_quota = &fleet->connection_quota_;
    loop.bandwidth = &fleet->bandwidth_;
    loop.memory = options.memory;
    loop.throughput = &fleet->throughput_;
    loop.listeners = listeners;
    loop.stream_listeners = streams;
    loop.tls = options.tls;
    loop.dtls = options.dtls;
    loop.core.turn.loop = i;
    loop.loops = count;
    loop.post = [f = fleet.get()](size_t to, RelayLoop::Command&& command) {
      return f->Post(to, std::move(command));
    };
    loop.steering = fleet->steering_.get();
    loop.steered.addresses = addresses;
    loop.steered.frames = fleet->sockets_ == RelaySockets::kFrames;
    loop.kernel = fleet->kernel_.get();
    if (!fleet->rings_.empty()) loop.steered.rings = fleet->rings_[i].get();
    loop.index = static_cast<uint32_t>(i);
    loop.contested = absl::IsAlreadyExists(steering);
    if (options.pin && !processors.empty()) {
      loop.processor = processors[i % processors.size()];
    }
    std::unique_ptr<RelayLoop> made;
    SP_ASSIGN_OR_RETURN(
        made, RelayLoop::Create(loop, library, random, metrics, clock));
    // Port 0 is chosen by the first loop for all.
    listeners = made->listeners();
    streams = made->stream_listeners();
    fleet->loops_.push_back(std::move(made));
  }
  return fleet;
}

void RelayFleet::Start() {
  for (const std::unique_ptr<RelayLoop>& loop : loops_) loop->Start();
}

size_t RelayFleet::LoopOf(std::string_view tenant,
                          std::string_view session) const {
  return absl::HashOf(AbslView(tenant), AbslView(session)) % loops_.size();
}

std::optional<size_t> RelayFleet::Here() const {
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (loops_[i]->IsHere()) return i;
  }
  return std::nullopt;
}

std::optional<size_t> RelayFleet::PlaceForSession() const {
  const std::optional<size_t> here = Here();
  if (!here.has_value()) return std::nullopt;
  absl::InlinedVector<LoopUse, 64> uses;
  for (const std::unique_ptr<RelayLoop>& loop : loops_) {
    uses.push_back(loop->use());
  }
  return PlaceSession(*here, uses);
}

absl::Status RelayFleet::Post(size_t loop, RelayLoop::Command&& command) {
  return loops_[loop]->Post(std::move(command));
}

absl::Status RelayFleet::Do(size_t loop, RelayLoop::Command&& command) {
  if (!loops_[loop]->IsHere()) return Post(loop, std::move(command));
  loops_[loop]->Run(command);
  return absl::OkStatus();
}

void RelayFleet::SetTenantLimits(
    const std::shared_ptr<const TenantLimits>& limits) {
  quota_.SetTenants(limits);
  bandwidth_.SetTenants(limits);
  PostToAll(
      [](size_t, RelayLoopContext& context) {
        context.core.OnTenantLimits(context.now);
      },
      [](const absl::Status& status) {
        if (!status.ok()) {
          LogError("a loop did not take the limits of tenants",
                   {{"error", status}});
        }
      });
}

absl::Duration RelayFleet::SinceTurn() const {
  absl::Duration longest;
  for (const std::unique_ptr<RelayLoop>& loop : loops_) {
    longest = std::max(longest, loop->SinceTurn());
  }
  return longest;
}

void RelayFleet::PostToAll(
    std::function<void(size_t loop, RelayLoopContext&)> command,
    std::function<void(const absl::Status&)> done) {
  auto countdown = std::make_shared<Countdown>(loops_.size(), std::move(done));
  auto shared =
      std::make_shared<std::function<void(size_t loop, RelayLoopContext&)>>(
          std::move(command));
  for (size_t i = 0; i < loops_.size(); ++i) {
    const absl::Status posted =
        loops_[i]->Post([countdown, shared, i](RelayLoopContext& context) {
          (*shared)(i, context);
          countdown->Down(absl::OkStatus());
        });
    if (!posted.ok()) countdown->Down(posted);
  }
}

}  // namespace sallyport::media_relay
