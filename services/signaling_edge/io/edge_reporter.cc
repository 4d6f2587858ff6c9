#include "services/signaling_edge/io/edge_reporter.h"

#include <algorithm>
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

// The core counts for itself; what it has counted since the last time is added
// to the metrics.
struct EdgeReporter::Counters {
  struct Counted {
    CounterFamily family;
    uint64_t seen = 0;
    void Follow(uint64_t value) {
      family.Add(static_cast<double>(value - seen));
      seen = value;
    }
  };

  explicit Counters(MetricsRegistry& metrics)
      : requests{metrics.Counter(kRequestsTotal)},
        responses{metrics.Counter(kResponsesTotal)},
        malformed{metrics.Counter(kMalformedTotal)},
        rate_limited{metrics.Counter(kRateLimitedTotal)},
        challenges{metrics.Counter(kChallengesTotal)},
        calls{metrics.Counter(kCallsTotal)},
        connections{metrics.Counter(kConnectionsTotal)},
        registrations{metrics.Counter(kRegistrationsTotal)},
        handed_over{metrics.Counter(kHandedOverTotal)},
        taken_over{metrics.Counter(kTakenOverTotal)},
        datagrams_lost{metrics.Counter(kDatagramsLostTotal)},
        records_lost{metrics.Counter(kCallRecordsLostTotal)},
        refusals(metrics.Counter(kRefusalsTotal)),
        active_calls(metrics.Gauge(kActiveCalls)),
        open_connections(metrics.Gauge(kOpenConnections)),
        active_registrations(metrics.Gauge(kActiveRegistrations)),
        snapshot_version(metrics.Gauge(kSnapshotVersion)),
        trust_version(metrics.Gauge(kTrustVersion)) {}

  Counted requests, responses, malformed, rate_limited, challenges, calls,
      connections, registrations, handed_over, taken_over, datagrams_lost,
      records_lost;
  CounterFamily refusals;
  absl::flat_hash_map<std::string, uint64_t> refusals_seen;
  GaugeFamily active_calls, open_connections, active_registrations,
      snapshot_version, trust_version;
};

EdgeReporter::EdgeReporter(Options options)
    : options_(std::move(options)),
      events_(options_.history_entries, options_.history_retention),
      refusals_(options_.history_entries, options_.history_retention),
      records_(options_.history_entries, options_.history_retention),
      desk_(options_.statistics_patience) {
  if (options_.metrics != nullptr) {
    counters_ = std::make_unique<Counters>(*options_.metrics);
  }
}

EdgeReporter::~EdgeReporter() {
  if (loop_ == nullptr) return;
  loop_->event_loop().RemoveTimer(timer_);
  for (CallRecord& record : desk_.TakeAll()) Publish(std::move(record));
}

void EdgeReporter::Attach(EdgeLoop& loop) {
  loop_ = &loop;
  EventLoop& events = loop.event_loop();
  timer_ = events.AddTimer([this](MonoTime now) { OnTimer(now); });
  events.SetTimer(timer_, events.clock().MonoNow() + kTick);
}

void EdgeReporter::OnEvent(const EdgeEvent& event) {
  const absl::Time now = loop_->wall_now();
  events_.Add(event, now);
  if (event.refusal.has_value()) refusals_.Add(event, now);
  if (event.type == EdgeEvent::Type::kCallEnded && event.call.has_value()) {
    if (auto whole = desk_.OnEnded(*event.call, loop_->now())) {
      Publish(*std::move(whole));
    }
  }
  LogEvent(event);
}

void EdgeReporter::OnMediaDeleted(uint64_t call) {
  const CallRecord* const record = loop_->core().calls().Find(call);
  if (record == nullptr) return;
  if (auto whole = desk_.OnStatistics(*record)) Publish(*std::move(whole));
}

void EdgeReporter::OnTrustActive() {
  EdgeEvent event;
  event.type = EdgeEvent::Type::kTrustActivated;
  event.at = loop_->now();
  event.summary = "new trust or certificates are in force";
  OnEvent(event);
}

void EdgeReporter::Publish(CallRecord record) {
  EndedCall ended{std::move(record), TimeBase::Of(loop_->event_loop().clock())};
  const int64_t sequence = records_.Add(ended, ended.time.wall);
  if (options_.file != nullptr && options_.to_line) {
    options_.file->Append(options_.to_line(sequence, ended));
  }
}

void EdgeReporter::OnTimer(MonoTime now) {
  for (CallRecord& record : desk_.OnDeadline(now)) Publish(std::move(record));
  if (counters_ != nullptr) ExportMetrics();
  loop_->event_loop().SetTimer(timer_, now + kTick);
}

void EdgeReporter::ExportMetrics() {
  const EdgeCore& core = loop_->core();
  const EdgeCore::Stats& stats = core.stats();
  Counters& out = *counters_;
  out.requests.Follow(stats.requests);
  out.responses.Follow(stats.responses);
  out.malformed.Follow(stats.malformed);
  out.rate_limited.Follow(stats.rate_limited);
  out.challenges.Follow(stats.challenges);
  out.calls.Follow(stats.calls);
  out.connections.Follow(stats.connections);
  out.registrations.Follow(stats.registrations);
  out.handed_over.Follow(stats.handed_over);
  out.taken_over.Follow(stats.taken_over);
  out.datagrams_lost.Follow(loop_->listeners().datagrams_lost());
  if (options_.file != nullptr) out.records_lost.Follow(options_.file->lost());
  for (const auto& [reason, count] : stats.refusals) {
    uint64_t& seen = out.refusals_seen[reason];
    out.refusals.Add(static_cast<double>(count - seen), LabelOf(reason));
    seen = count;
  }
  out.active_calls.Set(static_cast<double>(core.calls().live()));
  out.open_connections.Set(static_cast<double>(core.connections().size()));
  out.active_registrations.Set(static_cast<double>(core.registrar().size()));
  if (core.plan() != nullptr) {
    out.snapshot_version.Set(
        static_cast<double>(core.plan()->index().version()));
  }
  if (loop_->trust() != nullptr) {
    out.trust_version.Set(static_cast<double>(loop_->trust()->version()));
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
