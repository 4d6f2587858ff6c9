#include "services/signaling_edge/io/edge_reporter.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "services/common/log/log.h"
#include "services/common/log/redact.h"
#include "services/signaling_edge/io/metrics_table.h"
#include "services/signaling_edge/io/peer_trust.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);

size_t LabelOf(std::string_view reason) {
  const auto it =
      std::find(kRefusalReasons.begin(), kRefusalReasons.end(), reason);
  return it == kRefusalReasons.end()
             ? kRefusalReasons.size() - 1
             : static_cast<size_t>(it - kRefusalReasons.begin());
}

}  // namespace

std::string TenantOf(const EdgeEvent& event) {
  if (!event.tenant.empty()) return event.tenant;
  std::string_view tenant = TenantNameOf(event.resource);
  if (tenant.empty() && event.refusal.has_value()) {
    tenant = TenantNameOf(event.refusal->peer);
    if (tenant.empty()) tenant = TenantNameOf(event.refusal->subject);
    if (tenant.empty()) tenant = TenantNameOf(event.refusal->dial_plan);
  }
  return tenant.empty() ? "tenants/-" : std::string(tenant);
}

struct EdgeReporter::Families {
  explicit Families(MetricsRegistry& metrics)
      : requests(metrics.Counter(kRequestsTotal)),
        responses(metrics.Counter(kResponsesTotal)),
        malformed(metrics.Counter(kMalformedTotal)),
        rate_limited(metrics.Counter(kRateLimitedTotal)),
        challenges(metrics.Counter(kChallengesTotal)),
        calls(metrics.Counter(kCallsTotal)),
        connections(metrics.Counter(kConnectionsTotal)),
        registrations(metrics.Counter(kRegistrationsTotal)),
        long_requests(metrics.Counter(kLongRequestsTotal)),
        handed_over(metrics.Counter(kHandedOverTotal)),
        taken_over(metrics.Counter(kTakenOverTotal)),
        cluster_dropped(metrics.Counter(kClusterDroppedTotal)),
        datagrams_lost(metrics.Counter(kDatagramsLostTotal)),
        records_lost(metrics.Counter(kCallRecordsLostTotal)),
        refused_not_kept(metrics.Counter(kRefusedCallsNotKeptTotal)),
        refusals(metrics.Counter(kRefusalsTotal)),
        active_calls(metrics.Gauge(kActiveCalls)),
        open_connections(metrics.Gauge(kOpenConnections)),
        active_registrations(metrics.Gauge(kActiveRegistrations)),
        snapshot_version(metrics.Gauge(kSnapshotVersion)),
        trust_version(metrics.Gauge(kTrustVersion)) {}

  CounterFamily requests, responses, malformed, rate_limited, challenges, calls,
      connections, registrations, long_requests, handed_over, taken_over,
      cluster_dropped, datagrams_lost, records_lost, refused_not_kept, refusals;
  GaugeFamily active_calls, open_connections, active_registrations,
      snapshot_version, trust_version;
};

// A core counts for itself; what it has counted since the last time is added to
// the metrics. What it has now is added up by the first desk.
struct EdgeReporter::Desk {
  Desk(EdgeLoop& of, absl::Duration patience) : loop(of), records(patience) {}

  EdgeLoop& loop;
  CallRecordDesk records;
  EventLoop::TimerId timer = 0;
  EdgeCore::Stats seen;
  CallControl::NotKept not_kept_seen;
  uint64_t datagrams_seen = 0;
  uint64_t records_lost_seen = 0;
  uint64_t cluster_dropped_seen = 0;
  std::atomic<size_t> calls = 0;
  std::atomic<size_t> connections = 0;
  std::atomic<size_t> registrations = 0;
};

EdgeReporter::EdgeReporter(Options options)
    : options_(std::move(options)),
      events_(options_.history_entries, options_.history_retention),
      refusals_(options_.history_entries, options_.history_retention),
      records_(options_.history_entries, options_.history_retention) {
  if (options_.metrics != nullptr) {
    families_ = std::make_unique<Families>(*options_.metrics);
  }
}

EdgeReporter::~EdgeReporter() {
  for (const auto& desk : desks_) {
    desk->loop.event_loop().RemoveTimer(desk->timer);
    for (CallRecord& record : desk->records.TakeAll()) {
      Publish(desk->loop, std::move(record));
    }
  }
}

void EdgeReporter::Attach(EdgeLoop& loop) {
  Desk& desk = *desks_.emplace_back(
      std::make_unique<Desk>(loop, options_.statistics_patience));
  EventLoop& events = loop.event_loop();
  desk.timer =
      events.AddTimer([this, &desk](MonoTime now) { OnTimer(desk, now); });
  events.SetTimer(desk.timer, events.clock().MonoNow() + kTick);
}

bool EdgeReporter::IsOfAll(const EdgeEvent& event) {
  // Each loop tells of every plan, in the same order.
  std::atomic<uint64_t>* told = nullptr;
  if (event.type == EdgeEvent::Type::kSnapshotActivated) told = &plans_told_;
  if (event.type == EdgeEvent::Type::kDraining) told = &drains_told_;
  return told == nullptr || (told->fetch_add(1) + 1) % desks_.size() == 0;
}

std::shared_ptr<const EdgeEvent> EdgeReporter::Add(EdgeEvent event,
                                                   absl::Time now) {
  auto shared = std::make_shared<const EdgeEvent>(std::move(event));
  events_.AddShared(shared, now);
  if (shared->refusal.has_value()) refusals_.AddShared(shared, now);
  return shared;
}

void EdgeReporter::OnEvent(EdgeLoop& loop, EdgeEvent told) {
  if (!IsOfAll(told)) return;
  const auto event = Add(std::move(told), loop.wall_now());
  if (event->record != nullptr) {
    CallRecordDesk& records = desks_[loop.index()]->records;
    if (auto whole = records.OnEnded(event->record, loop.now())) {
      Publish(loop, *std::move(whole));
    }
  }
  LogEvent(*event);
}

void EdgeReporter::OnMediaDeleted(EdgeLoop& loop, uint64_t call) {
  const CallRecord* const record = loop.core().calls().Find(call);
  if (record == nullptr) return;
  if (auto whole = desks_[loop.index()]->records.OnStatistics(*record)) {
    Publish(loop, *std::move(whole));
  }
}

void EdgeReporter::OnTrustActive(EdgeLoop& loop) {
  EdgeEvent event;
  event.type = EdgeEvent::Type::kTrustActivated;
  event.at = loop.now();
  event.summary = "new trust or certificates are in force";
  Add(std::move(event), loop.wall_now());
}

void EdgeReporter::OnCertificate(EdgeLoop& loop, const std::string& reason,
                                 const std::string& summary) {
  EdgeEvent event;
  event.type = EdgeEvent::Type::kCertificate;
  event.at = loop.now();
  event.reason = reason;
  event.summary = summary;
  Add(std::move(event), loop.wall_now());
}

void EdgeReporter::OnStarted(EdgeLoop& loop,
                             const StartMode::Decision& decision,
                             bool has_certificate) {
  const auto tell = [&](uint32_t id, std::string_view reason,
                        std::string_view summary) {
    LogInfo(summary, {{"reason", reason}, {"event_id", id}});
    EdgeEvent event;
    event.type = EdgeEvent::Type::kStarted;
    event.at = loop.now();
    event.event_id = id;
    event.reason = std::string(reason);
    event.summary = std::string(summary);
    Add(std::move(event), loop.wall_now());
  };
  if (decision.file_ignored) {
    LogWarning("StartSecured is ignored",
               {{"reason", "START_SECURED_IGNORED"}});
    tell(0, "START_SECURED_IGNORED",
         "StartSecured of UMRecyclerConfig.xml is ignored: dial plans say how "
         "the edge starts");
  }
  if (!decision.secured) {
    return tell(0, "NON_SECURE_START",
                decision.by_file
                    ? "StartSecured is 0: make sure that gateways and PBXs are "
                      "non-secure too"
                    : "no dial plan of this edge is secured: make sure that "
                      "gateways and PBXs are non-secure too");
  }
  if (!has_certificate) {
    return tell(0, "SECURE_START_WITHOUT_CERTIFICATE",
                decision.by_file
                    ? "StartSecured is 1, and the edge has no listener and "
                      "certificate for TLS"
                    : "a dial plan of this edge is secured, and it has no "
                      "listener and certificate for TLS");
  }
  tell(1114, "SECURE_START", "the edge starts in secure mode");
  tell(1112, "SECURE_START", "the certificate for mutual TLS is in use");
}

void EdgeReporter::Publish(const EdgeLoop& loop, CallRecord record) {
  const auto ended = std::make_shared<const EndedCall>(
      EndedCall{std::move(record), TimeBase::Of(loop.event_loop().clock())});
  const int64_t sequence = records_.AddShared(ended, ended->time.wall);
  if (options_.file != nullptr && options_.to_line) {
    options_.file->Append(options_.to_line(sequence, *ended));
  }
}

void EdgeReporter::OnTimer(Desk& desk, MonoTime now) {
  for (CallRecord& record : desk.records.OnDeadline(now)) {
    Publish(desk.loop, std::move(record));
  }
  if (families_ != nullptr) ExportMetrics(desk);
  desk.loop.event_loop().SetTimer(desk.timer, now + kTick);
}

void EdgeReporter::ExportMetrics(Desk& desk) {
  const EdgeCore& core = desk.loop.core();
  const EdgeCore::Stats& stats = core.stats();
  EdgeCore::Stats& seen = desk.seen;
  Families& out = *families_;
  const auto follow = [](CounterFamily& family, uint64_t value,
                         uint64_t& before, auto... label) {
    family.Add(static_cast<double>(value - before), label...);
    before = value;
  };
  follow(out.requests, stats.requests, seen.requests);
  follow(out.responses, stats.responses, seen.responses);
  follow(out.malformed, stats.malformed, seen.malformed);
  follow(out.rate_limited, stats.rate_limited, seen.rate_limited);
  follow(out.challenges, stats.challenges, seen.challenges);
  follow(out.calls, stats.calls, seen.calls);
  follow(out.connections, stats.connections, seen.connections);
  follow(out.registrations, stats.registrations, seen.registrations);
  follow(out.handed_over, stats.handed_over, seen.handed_over);
  follow(out.taken_over, stats.taken_over, seen.taken_over);
  follow(out.datagrams_lost, desk.loop.listeners().datagrams_lost(),
         desk.datagrams_seen);
  follow(out.long_requests, stats.long_by_tcp, seen.long_by_tcp,
         LongRequestWay::kTcp);
  follow(out.long_requests, stats.long_by_udp, seen.long_by_udp,
         LongRequestWay::kUdp);
  const CallControl::NotKept& not_kept = core.calls().not_kept();
  follow(out.refused_not_kept, not_kept.of_caller, desk.not_kept_seen.of_caller,
         RefusedCallsOf::kCaller);
  follow(out.refused_not_kept, not_kept.of_all, desk.not_kept_seen.of_all,
         RefusedCallsOf::kAll);
  for (const auto& [reason, count] : stats.refusals) {
    uint64_t& before = seen.refusals[reason];
    out.refusals.Add(static_cast<double>(count - before), LabelOf(reason));
    before = count;
  }
  desk.calls = core.calls().live();
  desk.connections = core.connections().size();
  desk.registrations = core.registrar().held();
  if (&desk != desks_.front().get()) return;
  if (options_.file != nullptr) {
    follow(out.records_lost, options_.file->lost(), desk.records_lost_seen);
  }
  if (options_.cluster_dropped) {
    follow(out.cluster_dropped, options_.cluster_dropped(),
           desk.cluster_dropped_seen);
  }
  ExportSums();
}

void EdgeReporter::ExportSums() {
  Families& out = *families_;
  size_t calls = 0;
  size_t connections = 0;
  size_t registrations = 0;
  for (const auto& desk : desks_) {
    calls += desk->calls;
    connections += desk->connections;
    registrations += desk->registrations;
  }
  out.active_calls.Set(static_cast<double>(calls));
  out.open_connections.Set(static_cast<double>(connections));
  out.active_registrations.Set(static_cast<double>(registrations));
  const EdgeLoop& first = desks_.front()->loop;
  if (first.core().plan() != nullptr) {
    out.snapshot_version.Set(
        static_cast<double>(first.core().plan()->index().version()));
  }
  if (first.trust() != nullptr) {
    out.trust_version.Set(static_cast<double>(first.trust()->version()));
  }
}

void EdgeReporter::LogEvent(const EdgeEvent& event) const {
  if (!event.refusal.has_value()) return;
  const Refusal& refusal = *event.refusal;
  SALLYPORT_LOG_LIMITED(kWarning, "refused",
                        {{"reason", event.reason},
                         {"what", event.summary},
                         {"remote", Redacted(refusal.remote.ToString())},
                         {"peer", refusal.peer},
                         {"dial_plan", refusal.dial_plan},
                         {"method", refusal.sip_method},
                         {"sip_status", refusal.sip_status},
                         {"tls_alert", refusal.tls_alert},
                         {"alert_from", refusal.tls_alert.empty() ? ""
                                        : refusal.alert_sent      ? "us"
                                                                  : "peer"},
                         {"issuer", refusal.certificate_issuer}});
}

}  // namespace sallyport::signaling_edge
