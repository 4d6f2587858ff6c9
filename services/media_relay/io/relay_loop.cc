#include "services/media_relay/io/relay_loop.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/log/log.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/random/random_source.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/rolling_keys.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/io/flow_table.h"
#include "services/media_relay/io/metrics_table.h"
#include "services/media_relay/io/peer_streams.h"
#include "services/media_relay/io/per_port_sockets.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/session_record.h"
#include "services/media_relay/io/steered_ports.h"
#include "services/media_relay/io/turn_stream_front.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMailboxCapacity = 4096;
// Batches taken from one socket before others have their turn.
constexpr int kBatchesPerTurn = 4;
// Datagrams whose memory is fetched together, while those before are worked on.
constexpr size_t kGroup = 8;
// Groups whose tags are computed together.
constexpr size_t kTagGroups = 2;

// The one whose thread this is; null on all other threads.
thread_local const RelayLoop* running_here = nullptr;

absl::Duration ThreadCpu() {
  timespec used;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0) return {};
  return absl::DurationFromTimespec(used);
}

}  // namespace

RelayMetrics::RelayMetrics(MetricsRegistry& registry)
    : packets_received(registry.Counter(kPacketsReceivedTotal)),
      packets_sent(registry.Counter(kPacketsSentTotal)),
      sent_bytes(registry.Counter(kSentBytesTotal)),
      send_refused(registry.Counter(kSendRefusedTotal)),
      receive_overrun(registry.Counter(kReceiveOverrunTotal)),
      drops(registry.Counter(kDropsTotal)),
      turn_errors(registry.Counter(kTurnErrorsTotal)),
      allocations_made(registry.Counter(kAllocationsMadeTotal)),
      peer_errors(registry.Counter(kPeerErrorsTotal)),
      allocations(registry.Gauge(kAllocations)),
      sessions(registry.Gauge(kSessions)),
      playbacks(registry.Gauge(kPlaybacks)),
      session_events(registry.Counter(kSessionEventsTotal)),
      ports_used(registry.Gauge(kPortsUsed)),
      ports_resting(registry.Gauge(kPortsResting)),
      ports(registry.Gauge(kPorts)),
      busy_seconds(registry.Counter(kLoopBusySeconds)),
      connections(registry.Gauge(kConnections)),
      connections_ended(registry.Counter(kConnectionsEndedTotal)) {}

RelayLoop::RelayLoop(const RelayLoopOptions& options,
                     const SrtpLibrary& library, RandomSource& random,
                     RelayMetrics& metrics, const Clock& clock)
    : options_(options),
      random_(random),
      metrics_(metrics),
      clock_(clock),
      seed_(random.Uniform(uint64_t{1} << 62)),
      core_(options.core, library, random) {}

absl::StatusOr<std::unique_ptr<RelayLoop>> RelayLoop::Create(
    const RelayLoopOptions& options, const SrtpLibrary& library,
    RandomSource& random, RelayMetrics& metrics, const Clock& clock) {
  std::unique_ptr<RelayLoop> relay(
      new RelayLoop(options, library, random, metrics, clock));
  SP_ASSIGN_OR_RETURN(relay->loop_, EventLoop::Create(clock));
  SP_RETURN_IF_ERROR(relay->Bind());
  return relay;
}

absl::Status RelayLoop::Bind() {
  SP_ASSIGN_OR_RETURN(mailbox_,
                      Mailbox<Command>::Create(
                          *loop_, kMailboxCapacity,
                          [this](const Command& command) { Run(command); }));
  RelayPorts::Ready ready = [this](int fd, SocketId id) { OnReadable(fd, id); };
  if (options_.steering != nullptr) {
    if (options_.kernel != nullptr) {
      options_.steered.routes_changed = [this](uint32_t generation) {
        options_.kernel->SetGeneration(options_.index, generation);
      };
    }
    options_.steered.loop = options_.index;
    options_.steered.processor = options_.processor;
    SP_ASSIGN_OR_RETURN(
        ports_, SteeredPorts::Create(options_.steered, *loop_,
                                     *options_.steering, std::move(ready)));
  } else {
    ports_ = std::make_unique<PerPortSockets>(*loop_, std::move(ready),
                                              options_.contested);
  }
  ports_->TellPeerErrors(
      [this](SocketId id, const Endpoint& peer, const IcmpError& error) {
        OnPeerError(id, peer, error);
      });
  ports_->FinishFirst(tags_);
  flows_ = std::make_unique<FlowTable>(*ports_, seed_, options_.kernel,
                                       options_.index);
  core_.SetFastPath(flows_.get());
  core_.SetHomes(*ports_);
  if (options_.quota != nullptr) core_.SetQuota(*options_.quota);
  if (options_.connection_quota != nullptr) {
    core_.SetConnectionQuota(*options_.connection_quota);
  }
  if (options_.bandwidth != nullptr) core_.SetBandwidth(*options_.bandwidth);
  if (options_.memory != nullptr) core_.SetMemory(*options_.memory);
  for (const Endpoint& listener : options_.listeners) {
    const SocketId id = bound_.size() + 1;
    uint16_t port;
    SP_ASSIGN_OR_RETURN(port, ports_->Listen(id, listener));
    bound_.push_back({listener.ip, port});
  }
  TurnStreamFront::Owner& owner = *this;
  streams_ = std::make_unique<TurnStreamFront>(*loop_, core_, actions_, random_,
                                               options_.tls, owner);
  peers_ =
      std::make_unique<PeerStreams>(*loop_, core_, actions_, *streams_, owner);
  streams_->SetPeers(*peers_);
  if (options_.dtls) {
    const std::optional<RollingKeys::Key>& secret =
        options_.core.turn.authenticator.secret;
    dtls_ = std::make_unique<TurnDtlsFront>(
        *loop_, core_, actions_,
        secret.has_value() ? *secret : RollingKeys::NewSecret(random_),
        *options_.tls, owner);
  }
  for (const StreamListener& listener : options_.stream_listeners) {
    uint16_t port;
    SP_ASSIGN_OR_RETURN(port, streams_->Listen(listener.local));
    bound_streams_.push_back({{listener.local.ip, port}, listener.tls});
  }
  timer_ = loop_->AddTimer([this](MonoTime) { OnTimer(); });
  second_ = loop_->AddTimer([this](MonoTime) { OnSecond(); });
  metrics_.ports.Add(static_cast<double>(core_.ports_total()));
  return absl::OkStatus();
}

RelayLoop::~RelayLoop() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
  core_.SetFastPath(nullptr);
  dtls_.reset();
  peers_.reset();
  streams_.reset();
  flows_.reset();
  ports_.reset();
  mailbox_.reset();
  if (timer_ != 0) loop_->RemoveTimer(timer_);
  if (second_ != 0) loop_->RemoveTimer(second_);
}

void RelayLoop::Start() {
  thread_ = std::thread([this] {
    if (options_.processor >= 0) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(options_.processor, &set);
      // Not being allowed to pin costs speed, nothing else.
      (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
    (void)pthread_setname_np(pthread_self(), "relay_loop");
    running_here = this;
    OnTimer();
    OnSecond();
    loop_->Run();
  });
}

absl::Status RelayLoop::Post(Command&& command) {
  return mailbox_->Send(std::move(command));
}

void RelayLoop::Run(const Command& command) {
  loop_->CheckOnLoopThread();
  const std::function<void()> perform = [this] { Perform(); };
  RelayLoopContext context{core_,    ReadNow(), actions_, perform,
                           Report(), *streams_, *loop_};
  command(context);
  Perform();
  TellNotices();
  if (core_.TakeReaddressed()) TellFormerPorts();
  Rearm();
  full_.store(Full(), std::memory_order_relaxed);
}

bool RelayLoop::IsHere() const { return running_here == this; }

Now RelayLoop::ReadNow() const { return {clock_.MonoNow(), clock_.Now()}; }

void RelayLoop::OnReadable(int fd, SocketId id) {
  for (int turn = 0; turn < kBatchesPerTurn; ++turn) {
    const RelayPorts::Received received = ports_->Receive(fd);
    ReceiveBatch& batch = received.batch;
    const size_t count = received.count;
    if (count == 0) break;
    const Now now = ReadNow();
    FlowCounters forwarded;
    const uint64_t done =
        flows_->Forward(batch, count, fd, id, now.mono, forwarded);
    core_.OnForwarded(forwarded);
    std::array<SocketId, kBatchSize> sockets;
    std::array<size_t, kBatchSize> places;
    size_t left = 0;
    for (size_t i = 0; i < count; ++i) {
      if ((done >> i & 1) != 0) continue;
      places[left] = i;
      sockets[left++] =
          id != kNoSocket ? id : ports_->IdOf(fd, batch.local_port(i));
    }
    const auto prefetch = [&](size_t first, SessionTable::Step step) {
      if (id != kNoSocket || first >= left) return false;
      return core_.Prefetch(absl::MakeConstSpan(sockets.data() + first,
                                                std::min(kGroup, left - first)),
                            step);
    };
    const auto foresee = [&](size_t first) {
      const size_t end = std::min(first + kTagGroups * kGroup, left);
      for (size_t place = first; place < end; ++place) {
        const size_t i = places[place];
        foreseen_.Add(batch.packet(i), [&](HmacSha1Job& job) {
          return core_.Foresee(sockets[place], batch.from(i), batch.packet(i),
                               job);
        });
      }
      foreseen_.Compute();
    };
    for (size_t first = 0; first < left; first += kGroup) {
      prefetch(first, SessionTable::Step::kPlaces);
    }
    for (size_t group = 0; group <= kTagGroups; ++group) {
      prefetch(group * kGroup, SessionTable::Step::kLegs);
    }
    // Whether any of those whose keys were fetched last have tags.
    bool tagged = false;
    for (size_t group = 0; group < kTagGroups; ++group) {
      tagged |= prefetch(group * kGroup, SessionTable::Step::kKeys);
    }
    for (size_t place = 0; place < left; ++place) {
      if (place % kGroup == 0) {
        prefetch(place + (kTagGroups + 1) * kGroup, SessionTable::Step::kLegs);
        if (place % (kTagGroups * kGroup) == 0 &&
            std::exchange(tagged, false)) {
          foresee(place);
        }
        tagged |=
            prefetch(place + kTagGroups * kGroup, SessionTable::Step::kKeys);
      }
      const size_t i = places[place];
      const SocketId socket = sockets[place];
      if (dtls_ != nullptr && socket < kFirstCoreSocket &&
          TurnDtlsFront::IsDtls(batch.packet(i).bytes())) {
        dtls_->OnDatagram(socket, batch.from(i), batch.packet(i).bytes());
        continue;
      }
      batch.packet(i).tags = &tags_;
      const PacketAction action =
          core_.OnPacket(socket, batch.from(i), batch.packet(i), batch.reply(i),
                         now, actions_);
      if (action.sends()) {
        Send(action,
             {now.mono, batch.arrival(i), batch.RoomBefore(i, action.bytes)},
             /*media=*/true);
      }
      if (!actions_.empty()) Perform();
    }
    foreseen_.Clear();
    ports_->Flush();
    if (dtls_ != nullptr) dtls_->OnFlushed();
    // A socket of its own may have been closed just now.
    if (count < kBatchSize || (id != kNoSocket && !ports_->IsOpen(id))) break;
  }
  TellNotices();
  Rearm();
}

void RelayLoop::OnPeerError(SocketId id, const Endpoint& peer,
                            const IcmpError& error) {
  std::array<uint8_t, kReplySize> reply;
  const Now now = ReadNow();
  const PacketAction action =
      core_.OnPeerError(id, peer, error, absl::MakeSpan(reply), now);
  if (!action.sends()) return;
  Send(action, {now.mono}, /*media=*/true);
  ports_->Flush();  // it lies on this stack
  if (dtls_ != nullptr) dtls_->OnFlushed();
}

void RelayLoop::Perform() {
  while (!actions_.empty()) {
    const SocketActions todo = std::exchange(actions_, SocketActions());
    for (const SocketAction& action : todo) PerformOne(action);
  }
}

void RelayLoop::PerformOne(const SocketAction& action) {
  if (const auto* open = std::get_if<OpenSocket>(&action)) {
    const absl::Status opened = ports_->Open(open->socket, open->local);
    if (opened.ok() && open->peer_errors) ports_->WatchErrors(open->socket);
    ReportOpened(open->socket, opened);
  } else if (const auto* tcp = std::get_if<OpenTcp>(&action)) {
    ReportOpened(tcp->socket, peers_->Open(*tcp));
  } else if (const auto* close = std::get_if<CloseSocket>(&action)) {
    if (IsStreamSocket(close->socket)) {
      streams_->Close(close->socket);
    } else if (IsDtlsSocket(close->socket)) {
      dtls_->Close(close->socket);
    } else if (peers_->Has(close->socket)) {
      peers_->Close(close->socket);
    } else {
      ports_->Close(close->socket);
    }
  } else if (const auto* datagram = std::get_if<SendDatagram>(&action)) {
    ports_->Send(
        PacketAction::Send(datagram->socket, core_.LocalOf(datagram->to),
                           AsBytes(datagram->bytes)),
        {clock_.MonoNow()});
    ports_->Flush();  // it lies in the action
    core_.OnSent(datagram->bytes.size());
  } else if (const auto* connect = std::get_if<ConnectPeer>(&action)) {
    ConnectPeer here = *connect;
    here.peer = core_.LocalOf(connect->peer);
    peers_->Connect(here);
  } else if (const auto* join = std::get_if<JoinStreams>(&action)) {
    streams_->Join(join->client, join->peer);
    peers_->Join(join->peer, join->client);
  } else if (const auto* read = std::get_if<ReadPeer>(&action)) {
    peers_->Read(read->socket);
  } else if (const auto* move = std::get_if<MoveStream>(&action)) {
    MoveAway(*move);
  }
}

void RelayLoop::ReportOpened(SocketId socket, const absl::Status& status) {
  std::array<uint8_t, kReplySize> reply;
  const PacketAction answer = core_.OnSocketOpened(
      socket, status, absl::MakeSpan(reply), ReadNow(), actions_);
  if (!answer.sends()) return;
  Send(answer, {clock_.MonoNow()}, /*media=*/false);
  ports_->Flush();  // the answer lies on this stack
}

void RelayLoop::TellFormerPorts() {
  std::vector<Endpoint> ports = core_.FormerPorts();
  former_ports_due_ = !ports.empty() || !former_ports_told_;
  if (ports == former_ports_ && former_ports_told_) return;
  former_ports_ = std::move(ports);
  former_ports_told_ = true;
  core_.SetFormerPorts(options_.index, former_ports_);
  for (size_t i = 0; i < options_.loops; ++i) {
    if (i == options_.index) continue;
    const absl::Status posted =
        options_.post(i, [from = options_.index,
                          told = former_ports_](RelayLoopContext& context) {
          context.core.SetFormerPorts(from, told);
        });
    former_ports_told_ = former_ports_told_ && posted.ok();
  }
  former_ports_due_ = former_ports_due_ || !former_ports_told_;
}

void RelayLoop::MoveAway(const MoveStream& move) {
  // Commands are copied; the last one to go destroys what is left.
  auto moved = std::make_shared<std::unique_ptr<MovedStream>>(
      streams_->Detach(move.stream));
  if (*moved == nullptr) return;
  // An id that we never gave out is answered here.
  if (move.loop >= options_.loops) {
    streams_->Adopt(std::move(*moved));
    return;
  }
  const absl::Status posted =
      options_.post(move.loop, [moved](RelayLoopContext& context) {
        context.streams.Adopt(std::move(*moved));
      });
  if (!posted.ok()) LogWarning("a connection could not be moved", {});
}

void RelayLoop::Send(const PacketAction& action, const SendContext& context,
                     bool media) {
  if (IsStreamSocket(action.socket)) {
    streams_->Send(action, media);
  } else if (IsDtlsSocket(action.socket)) {
    dtls_->Send(action);
  } else {
    ports_->Send(action, context);
  }
}

void RelayLoop::SendFromPort(const PacketAction& action, size_t room) {
  if (peers_->Has(action.socket)) {
    if (!peers_->WriteOctets(action.socket, action.bytes)) {
      core_.OnSendDropped(DropReason::kSlowReader);
    }
    return;
  }
  ports_->Send(action, {clock_.MonoNow(), absl::InfinitePast(), room});
}

void RelayLoop::AfterInput() {
  Perform();
  Rearm();
}

void RelayLoop::Rearm() { loop_->SetTimer(timer_, core_.deadline()); }

void RelayLoop::SendPlayed() {
  if (core_.sessions().playbacks() == 0) return;
  if (played_ == nullptr) {
    played_ = std::make_unique<std::array<PlayedBuffer, kMaxBatch>>();
  }
  const Now now = ReadNow();
  for (bool more = true; more;) {
    for (PlayedBuffer& buffer : *played_) {
      Packet packet{buffer.octets.data() + kPacketHeadroom, 0, kPacketHeadroom,
                    SessionTable::kMaxPlayedSize, &tags_};
      PacketAction action;
      more = core_.NextPlayed(now, packet, action);
      if (!more) break;
      ports_->Send(action, {now.mono, absl::InfinitePast(), packet.headroom});
    }
    ports_->Flush();
  }
}

void RelayLoop::OnTimer() {
  core_.OnDeadline(ReadNow(), actions_);
  SendPlayed();
  Perform();
  TellNotices();
  Rearm();
}

void RelayLoop::TellNotices() {
  if (!core_.sessions().has_notices()) return;
  for (const SessionNotice& notice : core_.sessions().TakeNotices()) {
    metrics_.session_events.Increment(static_cast<size_t>(notice.kind));
    RecordNotice(notice);
    if (options_.on_notice) options_.on_notice(notice);
  }
}

absl::Duration RelayLoop::SinceTurn() const {
  const int64_t turned = turned_.load(std::memory_order_relaxed);
  if (turned == 0) return absl::ZeroDuration();
  return clock_.MonoNow().since_origin() - absl::Nanoseconds(turned);
}

void RelayLoop::OnSecond() {
  const MonoTime now = clock_.MonoNow();
  turned_.store(absl::ToInt64Nanoseconds(now.since_origin()),
                std::memory_order_relaxed);
  core_.OnForwarded(flows_->CollectKernel());
  ports_->Flush();  // what a device did not take at once
  const RelayCoreStats& stats = core_.stats();
  const TurnServerStats turn = core_.turn().stats();
  const auto add = [](CounterFamily& counter, uint64_t value, uint64_t before,
                      auto... label) {
    if (value != before) {
      counter.Add(static_cast<double>(value - before), label...);
    }
  };
  add(metrics_.packets_received, stats.packets_received,
      exported_.packets_received);
  add(metrics_.packets_sent, stats.packets_sent, exported_.packets_sent);
  add(metrics_.sent_bytes, stats.bytes_sent, exported_.bytes_sent);
  add(metrics_.send_refused, ports_->refused(), exported_refused_);
  const uint64_t overrun = ports_->overrun();
  add(metrics_.receive_overrun, overrun, exported_overrun_);
  exported_overrun_ = overrun;
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    add(metrics_.drops, stats.drops[i], exported_.drops[i], i);
  }
  for (size_t i = 0; i < kErrorCodes.size(); ++i) {
    const size_t code = static_cast<size_t>(kErrorCodes[i] - 300);
    add(metrics_.turn_errors, turn.errors[code], exported_turn_.errors[code],
        i);
  }
  add(metrics_.allocations_made, turn.allocations_made,
      exported_turn_.allocations_made);
  add(metrics_.peer_errors, turn.peer_errors, exported_turn_.peer_errors);
  const auto move = [](GaugeFamily& gauge, double value, double& before) {
    if (value != before) gauge.Add(value - before);
    before = value;
  };
  move(metrics_.allocations,
       static_cast<double>(core_.turn().allocations().size()),
       exported_allocations_);
  move(metrics_.sessions, static_cast<double>(core_.sessions().size()),
       exported_sessions_);
  move(metrics_.playbacks, static_cast<double>(core_.sessions().playbacks()),
       exported_playbacks_);
  move(metrics_.ports_used, static_cast<double>(core_.ports_out()),
       exported_ports_used_);
  move(metrics_.ports_resting, static_cast<double>(core_.ports_resting(now)),
       exported_ports_resting_);
  const absl::Duration cpu = ThreadCpu();
  if (exported_time_ != MonoTime::InfinitePast()) {
    const double seconds =
        std::max(0.001, absl::ToDoubleSeconds(now - exported_time_));
    const double busy = absl::ToDoubleSeconds(cpu - exported_cpu_);
    metrics_.busy_seconds.Add(std::max(0.0, busy));
    load_ = std::clamp(busy / seconds, 0.0, 1.0);
    busy_.store(load_, std::memory_order_relaxed);
    packets_per_second_ =
        static_cast<uint64_t>(static_cast<double>(stats.packets_received -
                                                  exported_.packets_received) /
                              seconds);
    bits_per_second_ = static_cast<uint64_t>(
        static_cast<double>(stats.bytes_sent - exported_.bytes_sent) * 8 /
        seconds);
    if (options_.throughput != nullptr) {
      core_.SetFull(
          options_.throughput->Report(options_.index, bits_per_second_ / 8));
    }
  }
  std::array<uint64_t, kStreamEndCount> ended = streams_->ended();
  size_t connections = streams_->size();
  if (dtls_ != nullptr) {
    connections += dtls_->size();
    for (size_t i = 0; i < kStreamEndCount; ++i) ended[i] += dtls_->ended()[i];
  }
  move(metrics_.connections, static_cast<double>(connections),
       exported_connections_);
  for (size_t i = 0; i < kStreamEndCount; ++i) {
    add(metrics_.connections_ended, ended[i], exported_ended_[i], i);
  }
  exported_ended_ = ended;
  full_.store(Full(), std::memory_order_relaxed);
  if (former_ports_due_) TellFormerPorts();
  exported_ = stats;
  exported_turn_ = turn;
  exported_refused_ = ports_->refused();
  exported_cpu_ = cpu;
  exported_time_ = now;
  loop_->SetTimer(second_, now + absl::Seconds(1));
}

double RelayLoop::Full() const {
  const auto share = [](size_t used, size_t all) {
    return static_cast<double>(used) /
           static_cast<double>(std::max<size_t>(all, 1));
  };
  return std::max(
      share(core_.sessions().size(), options_.core.sessions.max_sessions),
      share(core_.ports_out() + static_cast<size_t>(exported_ports_resting_),
            core_.ports_total()));
}

RelayLoopReport RelayLoop::Report() const {
  RelayLoopReport report;
  report.sessions = core_.sessions().size();
  report.allocations = core_.turn().allocations().size();
  report.ports_used = core_.ports_out();
  report.ports_resting = static_cast<size_t>(exported_ports_resting_);
  report.ports_total = core_.ports_total();
  report.packets_per_second = packets_per_second_;
  report.bits_per_second = bits_per_second_;
  report.load = load_;
  report.draining = core_.draining();
  report.stats = core_.stats();
  return report;
}

}  // namespace sallyport::media_relay
