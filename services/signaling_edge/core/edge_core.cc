#include "services/signaling_edge/core/edge_core.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/stun_keep_alive.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

// Our Contact says to its own kind which loop of which edge it is.
EdgeOptions WithTokens(EdgeOptions options, RandomSource& random) {
  if (options.token_keys == nullptr) return options;
  for (EdgeListener& listener : options.listeners) {
    listener.user = MintToken(*options.token_keys, options.node, random);
  }
  return options;
}

}  // namespace

EdgeCore::EdgeCore(EdgeOptions options, RandomSource& random)
    : options_(WithTokens(std::move(options), random)),
      random_(random),
      scope_key_(random.NextU64()),
      connections_(options_.last_connection),
      long_requests_(options_.long_requests),
      transactions_(TransactionTable::Options{
          .timers = options_.sip,
          .max_transactions = options_.max_transactions}),
      digest_(random,
              {.nonce_lifetime = options_.nonce_lifetime,
               .counts = options_.share == nullptr ? nullptr
                                                   : &options_.share->nonces(),
               .keys = options_.token_keys,
               .node = options_.node,
               .to_shared_time = options_.to_shared_time}),
      gruus_(options_.token_keys.get(), random),
      auth_(digest_, options_.instance, options_.approved_only),
      tenants_(options_.share == nullptr ? own_tenants_.emplace(random)
                                         : options_.share->tenants()),
      registrar_({.limits = {.min_expires = options_.min_registration,
                             .max_expires = options_.max_registration,
                             .default_expires = options_.max_registration},
                  .max_bindings = options_.max_registrations,
                  .max_silence = options_.udp_flow_timer + kFlowGrace,
                  .last_id = options_.last_id,
                  .all = options_.share == nullptr
                             ? nullptr
                             : &options_.share->registrations,
                  .tenants = &tenants_}),
      admission_(options_.share == nullptr
                     ? own_admission_.emplace(options_, random)
                     : options_.share->admission()),
      sources_(
          options_.share == nullptr
              ? own_sources_.emplace(
                    SourceWatch::Options{.sources = options_.tracked_sources},
                    random)
              : options_.share->watch()),
      total_connections_(
          options_.share == nullptr ? nullptr : &options_.share->connections),
      total_handshakes_(
          options_.share == nullptr ? nullptr : &options_.share->handshakes),
      gate_(options_.overload, random),
      refused_senders_(kRefusedOfOne, kRefusedSenders, random),
      calls_(options_, *this, registrar_, tenants_, random),
      mwi_(*this, registrar_, random, options_.max_registrations),
      checks_({}, *this, random),
      monitor_(random, options_.told_health) {
  if (options_.shared_registry) {
    shared_.emplace(registrar_, static_cast<SharedRegistryPort&>(*this),
                    options_.node, random_);
  }
}

EdgeCore::~EdgeCore() = default;

EdgeActions EdgeCore::TakeActions() { return std::exchange(actions_, {}); }

void EdgeCore::Perform(EdgeAction action) {
  // There is nobody to tell.
  if (std::holds_alternative<TellLoops>(action) && options_.share == nullptr) {
    return;
  }
  if (auto* report = std::get_if<Report>(&action)) {
    std::string& tenant = report->event.tenant;
    if (tenant.empty()) tenant = TenantOf(report->event.resource);
    // Where there is one tenant, what strangers do happens to it.
    if (tenant.empty() && plan_ != nullptr &&
        plan_->index().OnlyTenant() != nullptr) {
      tenant = plan_->index().OnlyTenant()->name;
    }
    if (report->event.type == EdgeEvent::Type::kRefused) {
      ++stats_.refusals[report->event.reason];
    } else if (report->event.type == EdgeEvent::Type::kCallStarted) {
      ++stats_.calls;
    }
  }
  actions_.push_back(std::move(action));
}

std::string EdgeCore::NewToken() {
  return options_.token_keys == nullptr
             ? PlainTag()
             : MintToken(*options_.token_keys, options_.node, random_);
}

std::string EdgeCore::PlainTag() {
  std::array<uint8_t, 10> bytes;
  random_.Fill(absl::MakeSpan(bytes));
  return HexEncode(bytes);
}

// The same for a request that comes again.
std::string EdgeCore::StatelessTag(const SipMessage& request) const {
  return HexOf(absl::Hash<std::tuple<uint64_t, absl::string_view,
                                     absl::string_view, absl::string_view>>{}(
      {scope_key_, AbslView(request.Value(HeaderId::kVia)),
       AbslView(request.Value(HeaderId::kCallId)),
       AbslView(request.Value(HeaderId::kCseq))}));
}

EdgeActions EdgeCore::OnDatagram(ListenerId listener, const SocketAddress& from,
                                 std::string_view octets, MonoTime now) {
  if (absl::Status status = CheckStartMode(options_.listeners[listener]);
      !status.ok()) {
    ReportOverload(
        {.transport = SipTransport::kUdp, .listener = listener, .remote = from},
        status, "", now);
    return Finish(now);
  }
  registrar_.OnKeepAlive(listener, from, now);
  // Keep-alives: empty lines, zero octets, STUN (RFC 5626 section 4.4).
  if (octets.find_first_not_of(std::string_view("\r\n\0", 3)) ==
      std::string_view::npos) {
    return Finish(now);
  }
  const Flow flow = {
      .transport = SipTransport::kUdp, .listener = listener, .remote = from};
  if (IsStun(octets)) {
    OnStun(flow, octets, now);
  } else {
    OnText(flow, octets, now, {});
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnHostResolved(
    uint64_t query, absl::StatusOr<std::vector<SocketAddress>> addresses,
    MonoTime now) {
  if ((query & kCheckQuery) != 0) {
    checks_.OnResolved(query & ~kCheckQuery, std::move(addresses), now);
  } else {
    calls_.OnHostResolved(query, std::move(addresses), now);
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnMediaReply(uint64_t request,
                                   absl::StatusOr<RelaySession> session,
                                   MonoTime now) {
  calls_.OnMediaReply(request, std::move(session), now);
  return Finish(now);
}

EdgeActions EdgeCore::OnMediaEvent(const MediaEvent& event, MonoTime now) {
  calls_.OnMediaEvent(event, now);
  return Finish(now);
}

EdgeActions EdgeCore::OnMediaDeleted(uint64_t call,
                                     const std::array<LegStatistics, 2>& legs,
                                     MonoTime now) {
  calls_.OnMediaDeleted(call, legs);
  return Finish(now);
}

EdgeActions EdgeCore::OnSnapshot(std::shared_ptr<const Resolver> plan,
                                 MonoTime now) {
  const std::shared_ptr<const Resolver> old = std::exchange(plan_, plan);
  auth_.SetPlan(&plan_->index());
  sccp_ports_ = SccpPorts(plan_->index());
  calls_.SetPlan(plan_);
  mwi_.SetPlan(plan_);
  monitor_.OnPlan(plan_->index(), now);
  peer_health_.OnPlan(plan_->index(),
                      [this](std::string_view peer, std::string_view server) {
                        return monitor_.Watches(peer, server);
                      });
  std::vector<const Connection*> judged = connections_.All();
  for (const Connection* mirror : connections_.Mirrors()) {
    if (mirror->told) judged.push_back(mirror);
  }
  for (const Connection* known : judged) {
    Connection& connection = *connections_.Find(known->id);
    if (connection.state != Connection::State::kOpen) continue;
    const std::string before(ProvenResource(connection.flow()));
    absl::Status status = Identify(connection, now);
    if (status.ok() && ProvenResource(connection.flow()) != before) {
      status = Denied("PEER_IDENTITY_MISMATCH", "it is another party's now");
    }
    if (status.ok() && !connection.dialled.empty()) {
      const PeerEntry* peer = plan_->index().Peer(connection.dialled);
      if (peer == nullptr || peer->status == PeerStatus::kDisabled) {
        status = Denied("PEER_DISABLED", "the peer was removed or disabled");
      }
    }
    if (status.ok()) continue;
    ReportRefusal(RefusalKind::kConnection, connection.flow(), status, 0, "",
                  now, connection.tls.has_value() ? &*connection.tls : nullptr,
                  ConnectionStage::kLive);
    Drop(known->id, true, ReasonOf(status), now);
  }
  OnSccpPlan(now);
  for (const Binding* binding : registrar_.All()) {
    // What has not changed is the same object.
    const std::string_view tenant = TenantOf(binding->user);
    if (old != nullptr &&
        old->index().PartOf(tenant) == plan_->index().PartOf(tenant)) {
      continue;
    }
    if (MayStay(*binding)) continue;
    const uint64_t id = binding->id;
    ReportChanges(registrar_.Remove(id), now);
  }
  EdgeEvent event;
  event.type = EdgeEvent::Type::kSnapshotActivated;
  event.at = now;
  event.summary = "a new configuration is in force";
  Perform(Report{std::move(event)});
  return Finish(now);
}

EdgeActions EdgeCore::OnDrain(MonoTime now) {
  if (!draining_) {
    draining_ = true;
    calls_.Drain();
    EdgeEvent event;
    event.type = EdgeEvent::Type::kDraining;
    event.at = now;
    event.summary = "new calls are refused";
    Perform(Report{std::move(event)});
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnEndCall(uint64_t call, std::string_view reason,
                                MonoTime now, uint32_t cause) {
  calls_.EndCall(call, reason, now, cause)
      .IgnoreError();  // it may have just ended
  return Finish(now);
}

EdgeActions EdgeCore::OnEndAllCalls(std::string_view reason, MonoTime now) {
  calls_.EndAll(reason, now);
  return Finish(now);
}

EdgeActions EdgeCore::OnRemoveRegistration(uint64_t id, MonoTime now) {
  const Registrar::Changes changes = registrar_.Remove(id);
  ReportChanges(changes, now);
  OnSccpRemoved(changes, now);
  return Finish(now);
}

EdgeActions EdgeCore::OnLoopNews(const LoopNews& news, MonoTime now) {
  if (const auto* health = std::get_if<HealthNews>(&news)) {
    monitor_.OnTold(health->member, health->up);
  } else if (const auto* lamp = std::get_if<LampNews>(&news)) {
    mwi_.OnTold(lamp->mailbox, lamp->summary, now);
  } else if (const auto* hunt = std::get_if<HuntMemory::News>(&news)) {
    calls_.OnHuntNews(*hunt);
  } else {
    OnPortNews(std::get<PortNews>(news), now);
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnCloseConnection(ConnectionId id, MonoTime now) {
  Drop(id, true, "CLOSED_BY_OPERATOR", now);
  return Finish(now);
}

MonoTime EdgeCore::deadline() const {
  return std::min({transactions_.deadline(), calls_.deadline(), mwi_.deadline(),
                   registrar_.deadline(), checks_.deadline(),
                   monitor_.deadline(), sccp_deadlines_.next(),
                   connection_deadlines_.next(), ask_deadlines_.next()});
}

EdgeActions EdgeCore::OnDeadline(MonoTime now) {
  while (transactions_.deadline() <= now) {
    TransactionOutcome outcome = transactions_.OnDeadline(now);
    if (clients_.contains(outcome.id)) {
      DoClient(outcome.id, std::move(outcome.actions), nullptr, now);
    } else {
      DoServer(outcome.id, std::move(outcome.actions), now);
    }
  }
  OnAskDeadlines(now);
  calls_.OnDeadline(now);
  mwi_.OnDeadline(now);
  checks_.OnDeadline(now);
  StartDueChecks(now);
  OnSccpDeadline(now);
  ReportChanges(registrar_.OnDeadline(now), now);
  while (const auto id = connection_deadlines_.PopExpired(now)) {
    Connection* connection = connections_.Find(*id);
    if (connection == nullptr) continue;
    if (connection->state == Connection::State::kConnecting) {
      if (!connection->incoming && TryNextAddress(*connection, now)) continue;
      if (connection->instead_of.has_value()) {
        Drop(*id, true, "CONNECT_TIMEOUT", now);
        continue;
      }
      const absl::Status why =
          MakeError(absl::StatusCode::kDeadlineExceeded, "HANDSHAKE_TIMEOUT",
                    "the connection was not ready in time");
      ReportRefusal(RefusalKind::kConnection, connection->flow(), why, 0, "",
                    now);
      const uint64_t check = connection->check;
      const SocketAddress remote = connection->remote;
      Drop(*id, true, "HANDSHAKE_TIMEOUT", now);
      checks_.OnGone(check, remote, why, nullptr, now);
    } else if (registrar_.CarriesOutbound(*id)) {
      if (FlowDeadline(*connection) > now) {
        connection_deadlines_.Set(*id, FlowDeadline(*connection));
      } else {
        Drop(*id, true, "FLOW_FAILED", now);
      }
    } else if (registrar_.Carries(*id) || calls_.Uses(*id)) {
      connection_deadlines_.Set(*id, now + options_.idle_timeout);
    } else {
      Drop(*id, true, "IDLE", now);
    }
  }
  return Finish(now);
}

}  // namespace sallyport::signaling_edge
