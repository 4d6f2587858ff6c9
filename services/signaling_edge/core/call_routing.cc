// Where new calls go: the half of CallControl that routes (call_control.h).
#include <algorithm>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/charging_headers.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/peer_transport.h"
#include "services/signaling_edge/core/redirection_headers.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxHosts = 4096;

absl::Status CallLimit() {
  return MakeError(absl::StatusCode::kResourceExhausted, "CALL_LIMIT",
                   "too many calls");
}

absl::Status SipsNotAllowed() {
  return MakeError(absl::StatusCode::kFailedPrecondition, "SIPS_NOT_ALLOWED",
                   "a call by sips leaves over TLS or not at all");
}

absl::Status PeerCallLimit() {
  return MakeError(absl::StatusCode::kResourceExhausted, "PEER_CALL_LIMIT",
                   "the peer has as many calls as it may");
}

absl::StatusCode CodeOfRefusal(std::string_view reason) {
  return reason == "ROUTE_NOT_FOUND" || reason == "NUMBER_INVALID"
             ? absl::StatusCode::kNotFound
             : absl::StatusCode::kPermissionDenied;
}

absl::Status LineCallLimit() {
  return MakeError(absl::StatusCode::kPermissionDenied, "LINE_CALL_LIMIT",
                   "the caller's line has as many calls as it may");
}

const TrunkSecurityProfileEntry* TrunkProfileOf(const PeerEntry& peer,
                                                const PlanIndex& index) {
  if (peer.trunk_security_profile.empty()) return nullptr;
  return index.Find<TrunkSecurityProfileEntry>(peer.trunk_security_profile);
}

std::string NamedAddress(std::string_view name, const std::string& address) {
  return name.empty() ? address : Cat(Quote(name), " ", address);
}

}  // namespace

void CallControl::OnInvite(const SipMessage& invite, TransactionId transaction,
                           const Flow& flow, const Party& caller,
                           std::string mark, MonoTime now) {
  const uint64_t id = ++last_attempt_;
  Attempt& attempt =
      *attempts_.emplace(id, std::make_unique<Attempt>()).first->second;
  attempt.id = id;
  attempt.invite = invite;
  attempt.came = now;
  attempt.transaction = transaction;
  attempt.mark = std::move(mark);
  attempt.flow = flow;
  attempt.caller = caller;
  attempt.plan = plan_;
  attempt_of_invite_[transaction] = id;
  if (draining_) {
    attempt.refusal = MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                                "the edge takes no new calls");
    Conclude(attempt, now);
    return;
  }
  // Those that wait for an address will be calls too.
  if (IsFull(resolving_.size())) {
    attempt.refusal = CallLimit();
    Conclude(attempt, now);
    return;
  }
  const SipTarget target = TargetOf(invite.request_uri());
  if (target.user.empty()) {
    attempt.refusal = MakeError(absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                                "no number was dialled");
    Conclude(attempt, now);
    return;
  }
  RouteQuery& query = attempt.query;
  query.tenant = caller.tenant;
  query.caller = caller.resource;
  query.calling = CallerOf(invite, caller).user;
  query.called = target.user;
  query.domain = DomainOf(target.host);
  NameDevice(attempt);
  Resolve(attempt, now);
}

Call::Timers CallControl::CallTimers(const Party& a, const Party& b) const {
  Call::Timers timers = {.sip = options_.sip,
                         .ring = options_.ring_timeout,
                         .session = options_.session};
  for (const Party* party : {&a, &b}) {
    const DialPlanEntry* plan =
        plan_ == nullptr ? nullptr : plan_->index().DialPlan(party->dial_plan);
    absl::Duration silence = options_.media_silence;
    if (plan != nullptr) {
      if (plan->max_call_duration > absl::ZeroDuration()) {
        timers.longest = std::min(timers.longest, plan->max_call_duration);
      }
      if (plan->media_silence_timeout > absl::ZeroDuration()) {
        silence = plan->media_silence_timeout;
      }
    }
    // The stricter of two plans counts.
    if (silence > absl::ZeroDuration() &&
        (timers.silence == absl::ZeroDuration() || silence < timers.silence)) {
      timers.silence = silence;
    }
  }
  return timers;
}

// What the SIP profile of a peer says of its legs (CUC-25), and who is told how
// secure a call is: phones, and peers that are to be (CUC-23, CUC-63). What its
// trunk security profile says of charging.
void CallControl::SetSipRules(const PlanIndex& index,
                              Call::LegSetup& leg) const {
  leg.told_security = leg.party.kind == Party::Kind::kUser;
  if (leg.party.kind != Party::Kind::kPeer || !leg.party.port.empty()) return;
  const PeerEntry* peer = index.Peer(leg.party.resource);
  if (peer == nullptr) return;
  const TrunkSecurityProfileEntry* const profile = TrunkProfileOf(*peer, index);
  leg.told_security = profile != nullptr && profile->transmit_security_status;
  leg.charging = profile != nullptr && profile->allow_charging_header;
  const SipSettings& sip = peer->sip;
  SessionTimer::Options session = options_.session;
  if (sip.min_session_expires != absl::ZeroDuration()) {
    session.minimum = sip.min_session_expires;
  }
  if (sip.session_expires != absl::ZeroDuration()) {
    session.interval = sip.session_expires;
  }
  session.interval = std::max(session.interval, session.minimum);
  leg.session = session;
  leg.early_offer = sip.early_offer == EarlyOffer::kMandatory;
  leg.rel1xx = sip.rel1xx;
}

// What the party's dial plan says of the media of its legs, and its trunk
// security profile of modem relay.
void CallControl::SetMediaRules(Call::LegSetup& leg) const {
  const Party& party = leg.party;
  leg.suites = SuiteList();
  const PeerEntry* const peer =
      plan_ != nullptr && party.kind == Party::Kind::kPeer && party.port.empty()
          ? plan_->index().Peer(party.resource)
          : nullptr;
  if (peer != nullptr) {
    const TrunkSecurityProfileEntry* const profile =
        TrunkProfileOf(*peer, plan_->index());
    if (profile != nullptr) leg.v150 = profile->v150_filtering;
  }
  const DialPlanEntry* plan =
      plan_ == nullptr ? nullptr : plan_->index().DialPlan(party.dial_plan);
  if (plan == nullptr) return;
  leg.music = plan->music_on_hold;
  const SuiteList suites = SuitesOf(*plan);
  if (party.port.empty()) {
    leg.keying = plan->srtp_keying;
    leg.ice = plan->ice;
    leg.suites = suites;
    return;
  }
  // SCCP has keys for these two; SccpPorts sees to it that there is one.
  for (const SrtpSuite suite : suites.view()) {
    if (suite == SrtpSuite::kAesCm128HmacSha1_80 ||
        suite == SrtpSuite::kAesCm128HmacSha1_32) {
      leg.suites.Add(suite);
    }
  }
}

bool CallControl::PassesThrough(const Party& a, const Party& b) const {
  const auto wants = [&](const Party& party) {
    const DialPlanEntry* plan =
        plan_ == nullptr ? nullptr : plan_->index().DialPlan(party.dial_plan);
    return plan != nullptr && plan->media_mode == MediaMode::kPassThrough;
  };
  return a.mode == b.mode && wants(a) && wants(b);
}

// One of our own addresses stands for the tenant's domain.
std::string CallControl::DomainOf(const std::string& host) const {
  const bool ours =
      std::any_of(options_.listeners.begin(), options_.listeners.end(),
                  [&](const EdgeListener& listener) {
                    return EqualsIgnoreCase(host, listener.host);
                  });
  return ours ? std::string() : host;
}

std::string CallControl::HostKey(std::string_view host,
                                 std::string_view service,
                                 AddressFamily family) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(family)));
  return key.append(service).append(".").append(host);
}

void CallControl::Resolve(Attempt& attempt, MonoTime now) {
  attempt.query.turn = last_turn_++;
  attempt.query.draw = random_.NextU64();
  attempt.resolution = attempt.plan->Resolve(attempt.query);
  const Resolution& resolution = attempt.resolution;
  if (resolution.outcome == Resolution::Outcome::kRefused) {
    attempt.refusal = MakeError(CodeOfRefusal(resolution.reason),
                                resolution.reason, resolution.detail);
    Conclude(attempt, now);
    return;
  }
  if (const absl::Status status = Admit(attempt, now); !status.ok()) {
    attempt.refusal = status;
    Conclude(attempt, now);
    return;
  }
  Proceed(attempt, now);
}

// What the plan allows may still be too much.
absl::Status CallControl::Admit(Attempt& attempt, MonoTime now) {
  const Resolution& resolution = attempt.resolution;
  attempt.for_help = resolution.toll_class == TollClass::kEmergency;
  if (!IsUnbounded(attempt)) {
    SP_RETURN_IF_ERROR(MayHaveMore(attempt.caller.tenant));
  }
  if (!attempt.admitted && attempt.transfer == 0) {
    SP_RETURN_IF_ERROR(port_.MayBegin(attempt.caller, attempt.for_help, now));
    if (!attempt.for_help) SP_RETURN_IF_ERROR(TakeLine(attempt));
  }
  if (attempt.for_help) return absl::OkStatus();
  attempt.admitted = true;
  if (resolution.outcome != Resolution::Outcome::kPeer) return absl::OkStatus();
  return tolls_.Admit(resolution.restriction, resolution.toll_class,
                      attempt.query.caller, attempt.query.tenant, now);
}

absl::Status CallControl::TakeLine(Attempt& attempt) {
  const LineEntry* line = LineOfCaller(attempt, attempt.query.calling);
  if (line == nullptr) return absl::OkStatus();
  if (line->max_calls != 0 && hunts_.CallsOf(line->name) >= line->max_calls) {
    return LineCallLimit();
  }
  hunts_.OnCallBegan(line->name);
  attempt.line = line->name;
  return absl::OkStatus();
}

void CallControl::Proceed(Attempt& attempt, MonoTime now) {
  switch (attempt.resolution.outcome) {
    case Resolution::Outcome::kRefused:
      Conclude(attempt, now);
      return;
    case Resolution::Outcome::kUser:
    case Resolution::Outcome::kLine:
    case Resolution::Outcome::kHunt:
      StartRinging(attempt, now);
      return;
    case Resolution::Outcome::kMessageWaiting:
      // The call is the message: it is cleared, and the lamp is set.
      attempt.refusal = port_.OnMessageWaitingNumber(
          *attempt.resolution.message_waiting, attempt.query.calling, now);
      if (attempt.refusal.ok()) {
        attempt.failure = MakeResponse(attempt.invite, 480, ReasonPhrase(480),
                                       port_.NewTag());
        attempt.failure->Add(HeaderId::kReason,
                             "Q.850;cause=16;text=\"Normal call clearing\"");
      }
      Conclude(attempt, now);
      return;
    case Resolution::Outcome::kPeer:
      ToPeer(attempt, now);
      return;
  }
}

std::string CallControl::HomeDomain(std::string_view tenant) const {
  const TenantEntry* entry = plan_->index().Tenant(tenant);
  if (entry != nullptr && !entry->domains.empty()) return entry->domains[0];
  return "anonymous.invalid";
}

void CallControl::ToPeer(Attempt& attempt, MonoTime now) {
  for (;;) {
    const absl::Status status = TryTarget(attempt, now);
    if (status.ok()) return;  // and the attempt may be over
    attempt.PassOver(attempt.resolution.targets[attempt.target].peer->name,
                     status);
    attempt.NextTarget();
    if (attempt.target == attempt.resolution.targets.size()) break;
  }
  Conclude(attempt, now);
}

absl::Status CallControl::TryTarget(Attempt& attempt, MonoTime now) {
  const RouteTarget& target = attempt.resolution.targets[attempt.target];
  const PeerEntry& peer = *target.peer;
  if (peer.max_calls != 0 && AllCallsOf(peer.name) >= peer.max_calls) {
    return PeerCallLimit();
  }
  if (!attempt.detour.has_value() &&
      port_.IsDown(peer, target.host(), target.port())) {
    return MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                     "the server answers no OPTIONS");
  }
  const SipTransport transport = TransportOf(peer);
  // Before anything is dialled: no call leaves by a way that the mode forbids.
  if (absl::Status status =
          CheckTransport(target.mode, transport == SipTransport::kTls);
      !status.ok()) {
    return status;
  }
  const bool sips = IsSips(attempt.invite.request_uri());
  if (sips && transport != SipTransport::kTls) return SipsNotAllowed();
  std::vector<SocketAddress> addresses;
  const uint16_t port = attempt.detour.has_value() && attempt.detour->port != 0
                            ? attempt.detour->port
                            : static_cast<uint16_t>(target.port());
  const std::string& host = target.host();
  // A member of a group, and one who sent us on, named the port.
  const std::string service(target.server == nullptr &&
                                    !attempt.detour.has_value()
                                ? ServiceOf(transport, port)
                                : std::string_view());
  if (!attempt.servers.empty()) {
    addresses = attempt.servers;
  } else if (const auto literal = SocketAddress::FromIp(host, port);
             literal.ok()) {
    addresses = {*literal};
  } else if (const auto it =
                 hosts_.find(HostKey(host, service, peer.address_family));
             it != hosts_.end() && it->second.expires > now) {
    addresses = it->second.At(port);
  } else {
    const uint64_t query = ++last_query_;
    attempt.host = HostKey(host, service, peer.address_family);
    resolving_[query] = attempt.id;
    port_.Perform(ResolveHost{query, host, service, peer.address_family});
    return absl::OkStatus();
  }
  Call::LegSetup called;
  called.party.kind = Party::Kind::kPeer;
  called.party.resource = peer.name;
  called.party.tenant = TenantOf(peer.name);
  called.party.identity = peer.fqdn.empty() ? host : peer.fqdn;
  called.party.dial_plan = peer.dial_plan;
  called.party.mode = target.mode;
  called.party.authentication = transport == SipTransport::kTls
                                    ? Authentication::kPeerCertificate
                                    : Authentication::kSourceAddress;
  const auto flow = port_.FlowTo(peer, addresses, now);
  if (!flow.ok()) return flow.status();
  called.flow = *flow;
  attempt.servers = std::move(addresses);
  attempt.server_flow = *flow;
  attempt.server = port_.ConnectedTo(*flow);
  // A URI that was routed by its host keeps it.
  const std::string& domain = attempt.resolution.called_domain;
  const std::string where =
      domain.empty()
          ? HostPortText(target.server != nullptr || peer.fqdn.empty()
                             ? host
                             : peer.fqdn,
                         port, transport)
          : domain;
  const std::string number = PercentEncode(
      attempt.detour.has_value() ? attempt.detour->user : target.called, "+*#");
  called.to = Cat(sips ? "<sips:" : "<sip:", number, "@", where, ">");
  called.request_uri = Cat(sips ? "sips:" : "sip:", number, "@", where);
  if (transport == SipTransport::kTls && !sips)
    called.request_uri += ";transport=tls";
  if (transport == SipTransport::kTcp) called.request_uri += ";transport=tcp";
  return Begin(attempt, std::move(called), "", BreadthOf(attempt.invite), now);
}

bool CallControl::NextServer(Attempt& attempt, int code,
                             std::string_view reason, MonoTime now) {
  if (code != 503 && (code != 0 || reason != "PEER_UNREACHABLE")) return false;
  if (attempt.detour.has_value() || attempt.servers.size() < 2) return false;
  // A connection that never opened has tried them all.
  const auto tried = attempt.server.has_value()
                         ? attempt.server
                         : port_.ConnectedTo(attempt.server_flow);
  if (!tried.has_value()) return false;
  std::erase(attempt.servers, *tried);
  if (attempt.servers.empty()) return false;
  attempt.failure.reset();
  ToPeer(attempt, now);
  return true;
}

bool CallControl::GoesOn(const Attempt& attempt, const CallRecord& record) {
  if (attempt.target + 1 >= attempt.resolution.targets.size()) return false;
  const int code = record.legs[IndexOf(LegSide::kB)].sip_status;
  if (record.disposition == CallDisposition::kCancelled) return false;
  switch (code) {
    case 486:  // Busy Here
    case 600:  // Busy Everywhere
      return !attempt.resolution.stop_on_busy;
    case 404:  // Not Found
    case 410:  // Gone
    case 484:  // Address Incomplete
    case 604:  // Does Not Exist Anywhere
      return !attempt.resolution.stop_on_unallocated_number;
    case 487:  // Request Terminated
      return false;
    default:
      // A global failure (section 21.6) is everybody's answer. Without one the
      // peer could not be reached.
      return (code >= 300 && code < 600) || record.reason == "PEER_UNREACHABLE";
  }
}

void CallControl::OnHostResolved(
    uint64_t query, absl::StatusOr<std::vector<SocketAddress>> addresses,
    MonoTime now) {
  const auto it = resolving_.find(query);
  if (it == resolving_.end()) return;
  Attempt* attempt = FindAttempt(it->second);
  resolving_.erase(it);
  if (attempt == nullptr) return;  // given up meanwhile
  if (!addresses.ok() || addresses->empty()) {
    attempt->PassOver(
        attempt->resolution.targets[attempt->target].peer->name,
        MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                  "the peer's name cannot be resolved"));
    attempt->NextTarget();
    if (attempt->target < attempt->resolution.targets.size()) {
      ToPeer(*attempt, now);
    } else {
      Conclude(*attempt, now);
    }
    return;
  }
  if (hosts_.size() >= kMaxHosts) hosts_.clear();
  hosts_[attempt->host] = {*std::move(addresses), now + options_.host_lifetime};
  ToPeer(*attempt, now);
}

// What a party that the call was sent on to is told of the way; a peer only if
// it is set up to see that.
void CallControl::AddRedirections(const Attempt& attempt,
                                  Call::LegSetup& called) const {
  // A voicemail port learns by it whose mailbox is meant.
  if (called.party.kind == Party::Kind::kPeer && called.party.port.empty()) {
    const PeerEntry* peer = attempt.plan->index().Peer(called.party.resource);
    if (peer == nullptr || !peer->diversion_outbound) return;
  }
  const std::string domain = HomeDomain(attempt.caller.tenant);
  for (std::string& value : DiversionsOf(attempt.resolution, domain)) {
    called.headers.emplace_back(HeaderId::kDiversion, std::move(value));
  }
  const PeerEntry* caller =
      attempt.caller.kind == Party::Kind::kPeer
          ? attempt.plan->index().Peer(attempt.caller.resource)
          : nullptr;
  if (caller != nullptr && caller->diversion_inbound) {
    for (std::string& value : DiversionsIn(attempt.invite)) {
      called.headers.emplace_back(HeaderId::kDiversion, std::move(value));
    }
  }
  for (std::string& value :
       HistoryOf(attempt.resolution, domain, called.request_uri)) {
    called.headers.emplace_back(HeaderId::kHistoryInfo, std::move(value));
  }
}

absl::Status CallControl::TakePlace(const Attempt& attempt,
                                    const Party& called) {
  const PeerEntry* peer = called.kind == Party::Kind::kPeer
                              ? attempt.plan->index().Peer(called.resource)
                              : nullptr;
  // A voicemail port is one line, whatever its peer may have.
  if (peer == nullptr || peer->max_calls == 0 || !called.port.empty()) {
    CountPeer(called, true);
    return absl::OkStatus();
  }
  if (options_.share == nullptr) {
    if (CallsOf(called.resource) >= peer->max_calls) return PeerCallLimit();
    CountPeer(called, true);
    return absl::OkStatus();
  }
  if (!options_.share->peers().AddUnder(options_.share->KeyOf(called.resource),
                                        peer->max_calls)) {
    return PeerCallLimit();
  }
  ++calls_of_peer_[called.resource];
  return absl::OkStatus();
}

absl::Status CallControl::Begin(Attempt& attempt, Call::LegSetup called,
                                std::string line, size_t breadth,
                                MonoTime now) {
  SP_RETURN_IF_ERROR(CheckTransport(called.party.mode, called.flow.is_tls()));
  const bool sips = IsSips(attempt.invite.request_uri());
  if (sips && !called.flow.is_tls()) return SipsNotAllowed();
  if (IsFull()) return CallLimit();
  SP_ASSIGN_OR_RETURN(KeyedPlaces place, TakeTenantPlace(attempt));
  SP_RETURN_IF_ERROR(TakePlace(attempt, called.party));
  const Resolution& resolution = attempt.resolution;
  const SipTarget dialled = TargetOf(attempt.invite.request_uri());
  const SipTarget from = CallerOf(attempt.invite, attempt.caller);
  Call::LegSetup caller;
  caller.party = attempt.caller;
  caller.flow = attempt.flow;
  caller.said_before = attempt.transfer != 0;
  SetMediaRules(caller);
  SetMediaRules(called);
  SetSipRules(attempt.plan->index(), caller);
  SetSipRules(attempt.plan->index(), called);
  caller.pass_through = called.pass_through =
      PassesThrough(caller.party, called.party);
  caller.contact = ContactUri(port_.ListenerOf(attempt.flow));
  caller.tag = port_.NewTag();
  called.tag = port_.NewTag();
  caller.called = dialled.user;
  caller.calling = from.user;
  called.contact = ContactUri(port_.ListenerOf(called.flow));
  if (sips) {  // RFC 3261 sections 8.1.1.8, 12.1.1
    caller.contact = AsSips(caller.contact);
    called.contact = AsSips(called.contact);
  }
  const RouteTarget* target = resolution.outcome == Resolution::Outcome::kPeer
                                  ? &resolution.targets[attempt.target]
                                  : nullptr;
  called.called = target == nullptr ? resolution.called : target->called;
  called.calling = target == nullptr ? resolution.calling : target->calling;
  const bool restricted = target == nullptr ? resolution.restrict_presentation
                                            : target->restrict_presentation;
  const std::string address = Cat("<sip:", PercentEncode(called.calling, "+*#"),
                                  "@", HomeDomain(attempt.caller.tenant), ">");
  const LineEntry* callers_line = LineOfCaller(attempt, from.user);
  const std::string_view name = callers_line == nullptr
                                    ? std::string_view()
                                    : callers_line->caller_display_name;
  if (called.party.kind == Party::Kind::kPeer && !restricted) {
    // RFC 3325: peers are trusted with it. What a phone says of itself is no
    // name to vouch for.
    called.asserted_identity = NamedAddress(name, address);
  }
  const bool wished = AsksForPrivacy(attempt.invite);
  if (wished && !called.asserted_identity.empty()) {
    // A trunk is told, and that it must not tell (RFC 3325 section 7).
    called.headers.emplace_back(HeaderId::kPrivacy, "id");
  }
  if (restricted || wished) {
    // RFC 3323 section 4.1.1.3. What the plan withholds no trunk is told.
    called.from = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
  } else {
    called.from =
        NamedAddress(name.empty() ? from.display_name : name, address);
  }
  AddRedirections(attempt, called);
  called.headers.emplace_back(HeaderId::kMaxBreadth, Cat(breadth));
  if (caller.charging && called.charging) {
    for (auto& header : ChargingHeadersOf(attempt.invite)) {
      called.headers.push_back(std::move(header));
    }
  }
  if (attempt.transfer != 0 && attempt.invite.Has(HeaderId::kReferredBy)) {
    called.headers.emplace_back(
        HeaderId::kReferredBy,
        std::string(attempt.invite.Value(HeaderId::kReferredBy)));
  }
  const std::string matched_user = called.party.resource;
  const uint64_t id = ++last_call_;
  const Call::Timers timers = CallTimers(caller.party, called.party);
  auto made = std::make_unique<Call>(id, std::move(caller), std::move(called),
                                     timers, random_);
  Call& call = *made;
  CallRecord& record = call.record();
  record.matched_resource =
      resolution.pattern_name.empty() ? matched_user : resolution.pattern_name;
  record.matched_pattern = resolution.pattern;
  record.snapshot_version = attempt.plan->index().version();
  calls_.emplace(id, std::move(made));
  total_.Set(calls_.size());
  attempt.branches.push_back(id);
  attempt.last_branch = id;
  attempt_of_[id] = attempt.id;
  traces_[id].initial = attempt.transaction;
  traces_[id].mark = attempt.mark;
  traces_[id].withheld = wished;
  traces_[id].tenant = std::move(place);
  if (target != nullptr) {
    traces_[id].tolls =
        tolls_.OnBegan(resolution.restriction, resolution.toll_class,
                       attempt.query.caller, attempt.query.tenant);
  }
  ladder_.Attach(id, attempt.transaction);
  if (!line.empty()) {
    hunts_.OnCallBegan(line);
    traces_[id].lines.push_back(std::move(line));
  }
  CountPeer(call.party(LegSide::kA), true);
  NoteDialog(id, LegSide::kB, call.called_call_id(), call.called_local_tag());
  CallActions actions = call.Start(attempt.invite, attempt.transaction, now);
  if (const Dialog* dialog = call.dialog(LegSide::kA)) {
    NoteDialog(id, LegSide::kA, dialog->id().call_id, dialog->id().local_tag);
  }
  Do(call, std::move(actions), now);
  return absl::OkStatus();
}

}  // namespace sallyport::signaling_edge
