// One relay loop: a thread, its sockets and its RelayCore. Nothing is shared
// with other loops but immutable snapshots and the mailbox.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_LOOP_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_LOOP_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/random/random_source.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/foreseen_tags.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/tag_batch.h"
#include "services/media_relay/io/flow_table.h"
#include "services/media_relay/io/peer_streams.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/session_placement.h"
#include "services/media_relay/io/shared_bandwidth.h"
#include "services/media_relay/io/steered_ports.h"
#include "services/media_relay/io/turn_dtls_front.h"
#include "services/media_relay/io/turn_stream_front.h"
#include "services/media_relay/io/turn_tls_files.h"

namespace sallyport::media_relay {

// The counters of all loops; made once, each loop adds to them every second.
struct RelayMetrics {
  explicit RelayMetrics(MetricsRegistry& registry);

  CounterFamily packets_received;
  CounterFamily packets_sent;
  CounterFamily sent_bytes;
  CounterFamily send_refused;
  CounterFamily receive_overrun;
  CounterFamily drops;
  CounterFamily turn_errors;
  CounterFamily allocations_made;
  CounterFamily peer_errors;
  GaugeFamily allocations;
  GaugeFamily sessions;
  GaugeFamily playbacks;
  CounterFamily session_events;
  GaugeFamily ports_used;
  GaugeFamily ports_resting;
  GaugeFamily ports;
  CounterFamily busy_seconds;
  GaugeFamily connections;
  CounterFamily connections_ended;
};

struct RelayLoopContext;

struct RelayLoopOptions {
  RelayCoreOptions core;
  // Bound with SO_REUSEPORT, so that the kernel spreads clients over loops and
  // keeps each on one. Port 0 is legal for a single loop only.
  std::vector<Endpoint> listeners;
  // The same for connections. `tls` must outlive the loop; null: no TLS.
  std::vector<StreamListener> stream_listeners;
  const TurnTlsFiles* tls = nullptr;
  // DTLS is taken on `listeners`, with the certificate of `tls`.
  bool dtls = false;
  // The processor to stay on; negative: any.
  int processor = -1;
  // Counts allocations together with other loops; null: its own.
  AllocationQuota* quota = nullptr;
  AllocationQuota* connection_quota = nullptr;
  // The same for what allocations carry; and what all loops carry, by which new
  // allocations are refused.
  BandwidthLedger* bandwidth = nullptr;
  // Asked before anything new is made; null: everything is.
  MemoryGate* memory = nullptr;
  RelayThroughput* throughput = nullptr;
  // How relay ports are served. Null: a socket for each.
  PortSteering* steering = nullptr;
  // With steering: the addresses of relay ports, and whether frames are sent.
  SteeredPorts::Options steered;
  // The kernel's fast path, and who this loop is there. Null: none.
  KernelFlows* kernel = nullptr;
  uint32_t index = 0;
  // Without steering: another relay steers ports of our addresses.
  bool contested = false;
  // Told on the loop's thread what happens to its sessions; may be null.
  std::function<void(const SessionNotice&)> on_notice;
  // Runs a command on another loop of `loops`.
  size_t loops = 1;
  std::function<absl::Status(size_t loop,
                             std::function<void(RelayLoopContext&)>&&)>
      post;
};

// What a loop did, for GetStatus and load.
struct RelayLoopReport {
  size_t sessions = 0;
  size_t allocations = 0;
  size_t ports_used = 0;
  size_t ports_resting = 0;  // given back, and not free yet
  size_t ports_total = 0;
  uint64_t packets_per_second = 0;
  uint64_t bits_per_second = 0;
  double load = 0;  // share of one processor, 0 to 1, in the last second
  bool draining = false;
  RelayCoreStats stats;
};

// What a command may touch. Valid during the command.
struct RelayLoopContext {
  RelayCore& core;
  Now now;
  // To be filled by the core; `perform` opens and closes what is asked for and
  // reports it, so that a command can wait for that within itself.
  SocketActions& sockets;
  const std::function<void()>& perform;
  RelayLoopReport report;
  // Where connections of clients go that another loop gave away.
  TurnStreamFront& streams;
  // Outlives the command: for what else is to be served on its thread, and is
  // gone before the relay loop is.
  EventLoop& events;
};

// Made and destroyed by main; Run() is its own thread's. Post(), use() and
// IsHere() are Thread-safe, everything else main's.
class RelayLoop final : private TurnStreamFront::Owner {
 public:
  using Command = std::function<void(RelayLoopContext&)>;

  // `library`, `random`, `metrics` and `clock` must outlive the loop; `random`
  // must be thread-safe.
  static absl::StatusOr<std::unique_ptr<RelayLoop>> Create(
      const RelayLoopOptions& options, const SrtpLibrary& library,
      RandomSource& random, RelayMetrics& metrics, const Clock& clock);
  // Stops the thread and closes all sockets.
  ~RelayLoop() override;
  RelayLoop(const RelayLoop&) = delete;
  RelayLoop& operator=(const RelayLoop&) = delete;

  void Start();

  // How long ago the loop last came round, which it does every second. Zero
  // before it has started. Thread-safe.
  absl::Duration SinceTurn() const;

  // Runs `command` on the loop. RESOURCE_EXHAUSTED when too many wait;
  // `command` is then untouched.
  absl::Status Post(Command&& command);
  // The same at once, on the loop's own thread and not within a command.
  void Run(const Command& command);
  // Whether this is the loop's own thread.
  bool IsHere() const;

  // How busy it was in the last second, and how full it is since its last
  // command.
  LoopUse use() const { return {busy_, full_}; }

  // As bound.
  const std::vector<Endpoint>& listeners() const { return bound_; }
  const std::vector<StreamListener>& stream_listeners() const {
    return bound_streams_;
  }

 private:
  RelayLoop(const RelayLoopOptions& options, const SrtpLibrary& library,
            RandomSource& random, RelayMetrics& metrics, const Clock& clock);
  absl::Status Bind();
  void OnReadable(int fd, SocketId id);
  // The network did not deliver what a relayed socket sent.
  void OnPeerError(SocketId id, const Endpoint& peer, const IcmpError& error);
  void Perform();
  void PerformOne(const SocketAction& action);
  // The answer to what the core wanted opened.
  void ReportOpened(SocketId socket, const absl::Status& status);
  void MoveAway(const MoveStream& move);
  void Rearm();
  void OnTimer();
  // Sends what playbacks owe.
  void SendPlayed();
  void TellNotices();
  // Tells all loops which ports of ours have a former address, if that is
  // another than they know.
  void TellFormerPorts();
  void OnSecond();
  // From a relayed socket or a listener, or on a connection.
  void Send(const PacketAction& action, const SendContext& context, bool media);
  RelayLoopReport Report() const;
  double Full() const;

  Now ReadNow() const override;
  void SendFromPort(const PacketAction& action, size_t room) override;
  void FlushPorts() override { ports_->Flush(); }
  void AfterInput() override;

  RelayLoopOptions options_;
  RandomSource& random_;
  RelayMetrics& metrics_;
  const Clock& clock_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Mailbox<Command>> mailbox_;
  const uint64_t seed_;
  RelayCore core_;
  TagBatch tags_;
  ForeseenTags foreseen_;
  std::unique_ptr<RelayPorts> ports_;
  std::unique_ptr<FlowTable> flows_;
  std::unique_ptr<TurnStreamFront> streams_;
  std::unique_ptr<PeerStreams> peers_;
  std::unique_ptr<TurnDtlsFront> dtls_;  // null: none
  std::vector<Endpoint> bound_;
  std::vector<StreamListener> bound_streams_;
  SocketActions actions_;
  // Of packets that the core makes, lent for a batch.
  struct PlayedBuffer {
    std::array<uint8_t, kPacketHeadroom + SessionTable::kMaxPlayedSize> octets;
  };
  std::unique_ptr<std::array<PlayedBuffer, kMaxBatch>> played_;
  EventLoop::TimerId timer_ = 0;
  EventLoop::TimerId second_ = 0;
  // As of the last OnSecond().
  RelayCoreStats exported_;
  TurnServerStats exported_turn_;
  uint64_t exported_refused_ = 0;
  uint64_t exported_overrun_ = 0;
  double exported_connections_ = 0;
  std::array<uint64_t, kStreamEndCount> exported_ended_ = {};
  double exported_allocations_ = 0;
  double exported_sessions_ = 0;
  double exported_playbacks_ = 0;
  double exported_ports_used_ = 0;
  double exported_ports_resting_ = 0;
  absl::Duration exported_cpu_;
  MonoTime exported_time_ = MonoTime::InfinitePast();
  uint64_t packets_per_second_ = 0;
  uint64_t bits_per_second_ = 0;
  double load_ = 0;
  // As told to all loops, but for those that had too much to do.
  std::vector<Endpoint> former_ports_;
  bool former_ports_told_ = true;
  bool former_ports_due_ = false;  // to be looked at every second
  std::atomic<double> busy_ = 0;
  std::atomic<double> full_ = 0;
  std::atomic<int64_t> turned_ = 0;  // nanoseconds since the origin; 0: not yet
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_LOOP_H_
