#include "services/signaling_edge/core/call_control.h"

#include <algorithm>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/peer_transport.h"
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

std::string DialogKey(std::string_view call_id, std::string_view tag) {
  std::string key(call_id);
  key.push_back('\0');
  key.append(tag);
  return key;
}

// The user part and host of a name-addr or URI; empty when it has none.
struct Target {
  std::string user;
  std::string host;
  std::string display_name;
};
Target TargetOf(std::string_view uri_text) {
  Target target;
  const auto uri = ParseSipUri(uri_text);
  if (!uri.ok()) return target;
  target.user = uri->DecodedUser();
  for (const char c : uri->host) target.host.push_back(ToLower(c));
  return target;
}
Target CallerOf(const SipMessage& invite) {
  const auto from = ParseNameAddr(invite.Value(HeaderId::kFrom));
  if (!from.ok()) return {};
  Target target = TargetOf(from->uri);
  target.display_name = from->DisplayName();
  return target;
}

absl::StatusCode CodeOfRefusal(std::string_view reason) {
  return reason == "ROUTE_NOT_FOUND" || reason == "NUMBER_INVALID"
             ? absl::StatusCode::kNotFound
             : absl::StatusCode::kPermissionDenied;
}

}  // namespace

CallControl::CallControl(const EdgeOptions& options, CallPort& port,
                         const Registrar& registrar, RandomSource& random)
    : options_(options), port_(port), registrar_(registrar), random_(random) {}

// ----------------------------------------------------------------- routing

void CallControl::OnInvite(const SipMessage& invite, TransactionId transaction,
                           const Flow& flow, const Party& caller,
                           MonoTime now) {
  Route(invite, transaction, flow, caller, now);
}

void CallControl::Route(const SipMessage& invite, TransactionId transaction,
                        const Flow& flow, const Party& caller, MonoTime now) {
  Waiting waiting{.invite = invite,
                  .transaction = transaction,
                  .flow = flow,
                  .caller = caller,
                  .resolution = {},
                  .plan = plan_,
                  .host = ""};
  if (draining_) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "the edge takes no new calls"),
           now);
    return;
  }
  // Those that wait for an address will be calls too.
  if (calls_.size() + waiting_.size() >= options_.max_calls) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kResourceExhausted, "CALL_LIMIT",
                     "too many calls"),
           now);
    return;
  }
  const Target target = TargetOf(invite.request_uri());
  if (target.user.empty()) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                     "no number was dialled"),
           now);
    return;
  }
  RouteQuery query;
  query.tenant = caller.tenant;
  query.caller = caller.resource;
  query.calling = CallerOf(invite).user;
  query.called = target.user;
  // One of our own addresses stands for the tenant's domain.
  if (std::none_of(options_.listeners.begin(), options_.listeners.end(),
                   [&](const EdgeListener& listener) {
                     return EqualsIgnoreCase(target.host, listener.host);
                   })) {
    query.domain = target.host;
  }
  waiting.resolution = plan_->Resolve(query);
  const Resolution& resolution = waiting.resolution;
  switch (resolution.outcome) {
    case Resolution::Outcome::kRefused:
      Refuse(waiting,
             MakeError(CodeOfRefusal(resolution.reason), resolution.reason,
                       resolution.detail),
             now);
      return;
    case Resolution::Outcome::kUser:
      ToUser(std::move(waiting), now);
      return;
    case Resolution::Outcome::kPeer:
      ToPeer(std::move(waiting), now);
      return;
  }
}

std::string CallControl::HomeDomain(std::string_view tenant) const {
  const TenantEntry* entry = plan_->index().Tenant(tenant);
  if (entry != nullptr && !entry->domains.empty()) return entry->domains[0];
  return "anonymous.invalid";
}

void CallControl::ToUser(Waiting waiting, MonoTime now) {
  const UserEntry& user = *waiting.resolution.user;
  const std::vector<const Binding*> contacts = registrar_.Of(user.name);
  if (contacts.empty()) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kNotFound, "USER_NOT_REGISTERED",
                     "the user has no contact"),
           now);
    return;
  }
  const Binding& binding = *contacts[0];
  Call::LegSetup called;
  called.party.kind = Party::Kind::kUser;
  called.party.resource = user.name;
  called.party.tenant = TenantOf(user.name);
  called.party.phone = binding.phone;
  called.party.identity = user.username;
  called.party.dial_plan = user.dial_plan;
  called.party.mode = waiting.resolution.destination_mode;
  called.flow = binding.flow;
  called.request_uri = binding.contact;
  called.to = Cat("<sip:", PercentEncode(user.username), "@", user.domain, ">");
  Begin(std::move(waiting), std::move(called), now);
}

void CallControl::ToPeer(Waiting waiting, MonoTime now) {
  const PeerEntry& peer = *waiting.resolution.peer;
  if (peer.max_calls != 0 && calls_of_peer_[peer.name] >= peer.max_calls) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kResourceExhausted, "PEER_CALL_LIMIT",
                     "the peer has as many calls as it may"),
           now);
    return;
  }
  std::vector<SocketAddress> addresses;
  const uint16_t port = static_cast<uint16_t>(peer.port);
  const std::string& host = peer.address.empty() ? peer.fqdn : peer.address;
  if (const auto literal = SocketAddress::FromIp(host, port); literal.ok()) {
    addresses = {*literal};
  } else if (const auto it = hosts_.find(host);
             it != hosts_.end() && it->second.expires > now) {
    for (const SocketAddress& address : it->second.addresses) {
      addresses.push_back(address.WithPort(port));
    }
  } else {
    const uint64_t query = ++last_query_;
    waiting.host = host;
    by_invite_[waiting.transaction] = 0;
    waiting_.emplace(query, std::move(waiting));
    port_.Perform(ResolveHost{query, host});
    return;
  }
  Call::LegSetup called;
  called.party.kind = Party::Kind::kPeer;
  called.party.resource = peer.name;
  called.party.tenant = TenantOf(peer.name);
  called.party.identity = peer.fqdn.empty() ? peer.address : peer.fqdn;
  called.party.dial_plan = peer.dial_plan;
  called.party.mode = waiting.resolution.destination_mode;
  const SipTransport transport = TransportOf(peer);
  called.party.authentication = transport == SipTransport::kTls
                                    ? Authentication::kPeerCertificate
                                    : Authentication::kSourceAddress;
  // Before anything is dialled: no call leaves by a way that the mode forbids.
  if (absl::Status status =
          CheckTransport(called.party.mode, transport == SipTransport::kTls);
      !status.ok()) {
    Refuse(waiting, status, now);
    return;
  }
  auto flow = port_.FlowTo(peer, addresses, now);
  if (!flow.ok()) {
    Refuse(waiting, flow.status(), now);
    return;
  }
  called.flow = *flow;
  const std::string where = HostPortText(
      peer.fqdn.empty() ? peer.address : peer.fqdn, port, transport);
  const std::string number = PercentEncode(waiting.resolution.called, "+*#");
  called.to = Cat("<sip:", number, "@", where, ">");
  called.request_uri = Cat("sip:", number, "@", where);
  if (transport == SipTransport::kTls) called.request_uri += ";transport=tls";
  if (transport == SipTransport::kTcp) called.request_uri += ";transport=tcp";
  Begin(std::move(waiting), std::move(called), now);
}

void CallControl::OnHostResolved(
    uint64_t query, absl::StatusOr<std::vector<SocketAddress>> addresses,
    MonoTime now) {
  const auto it = waiting_.find(query);
  if (it == waiting_.end()) return;
  Waiting waiting = std::move(it->second);
  waiting_.erase(it);
  by_invite_.erase(waiting.transaction);
  if (!addresses.ok() || addresses->empty()) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                     "the peer's name cannot be resolved"),
           now);
    return;
  }
  if (hosts_.size() >= kMaxHosts) hosts_.clear();
  hosts_[waiting.host] = {*std::move(addresses), now + options_.host_lifetime};
  ToPeer(std::move(waiting), now);
}

void CallControl::Begin(Waiting waiting, Call::LegSetup called, MonoTime now) {
  if (absl::Status status =
          CheckTransport(called.party.mode, called.flow.is_tls());
      !status.ok()) {
    Refuse(waiting, status, now);
    return;
  }
  const Resolution& resolution = waiting.resolution;
  const Target dialled = TargetOf(waiting.invite.request_uri());
  const Target from = CallerOf(waiting.invite);
  Call::LegSetup caller;
  caller.party = waiting.caller;
  caller.flow = waiting.flow;
  caller.contact = ContactUri(port_.ListenerOf(waiting.flow));
  caller.called = dialled.user;
  caller.calling = from.user;
  called.contact = ContactUri(port_.ListenerOf(called.flow));
  called.called = resolution.called;
  called.calling = resolution.calling;
  const std::string address =
      Cat("<sip:", PercentEncode(resolution.calling, "+*#"), "@",
          HomeDomain(waiting.caller.tenant), ">");
  if (called.party.kind == Party::Kind::kPeer) {
    called.asserted_identity = address;  // RFC 3325: peers are trusted with it
  }
  called.from = from.display_name.empty()
                    ? address
                    : Cat(Quote(from.display_name), " ", address);
  const uint64_t id = ++last_call_;
  auto made = std::make_unique<Call>(
      id, std::move(caller), std::move(called),
      Call::Timers{.sip = options_.sip, .ring = options_.ring_timeout},
      random_);
  Call& call = *made;
  CallRecord& record = call.record();
  record.matched_resource =
      resolution.pattern_name.empty() && resolution.user != nullptr
          ? resolution.user->name
          : resolution.pattern_name;
  record.matched_pattern = resolution.pattern;
  record.snapshot_version = waiting.plan->snapshot().version;
  calls_.emplace(id, std::move(made));
  NoteInvite(id, waiting.transaction);
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    if (call.party(side).kind == Party::Kind::kPeer) {
      ++calls_of_peer_[call.party(side).resource];
    }
  }
  NoteDialog(id, LegSide::kB, call.called_call_id(), call.called_local_tag());
  CallActions actions = call.Start(waiting.invite, waiting.transaction, now);
  if (const Dialog* dialog = call.dialog(LegSide::kA)) {
    NoteDialog(id, LegSide::kA, dialog->id().call_id, dialog->id().local_tag);
  }
  Do(call, std::move(actions), now);
}

void CallControl::NoteDialog(uint64_t call, LegSide side,
                             std::string_view call_id, std::string_view tag) {
  std::string key = DialogKey(call_id, tag);
  by_dialog_[key] = {call, side};
  traces_[call].dialogs.push_back(std::move(key));
}

void CallControl::NoteInvite(uint64_t call, TransactionId invite) {
  by_invite_[invite] = call;
  traces_[call].invites.push_back(invite);
}

void CallControl::Refuse(const Waiting& waiting, const absl::Status& status,
                         MonoTime now) {
  const SipStatus answer = SipStatusOf(status);
  SipMessage response = MakeResponse(waiting.invite, answer.code, answer.phrase,
                                     Cat(random_.NextU64()));
  if (answer.code == 503) response.SetUint(HeaderId::kRetryAfter, 5);
  port_.Respond(waiting.transaction, std::move(response), now);
  EdgeEvent event;
  event.type = EdgeEvent::Type::kRefused;
  event.at = now;
  event.reason = ReasonOf(status);
  event.summary = "a call was refused";
  event.tenant = waiting.caller.tenant;
  event.resource = waiting.caller.resource;
  Refusal refusal;
  refusal.kind = RefusalKind::kCall;
  refusal.transport = waiting.flow.transport;
  refusal.remote = waiting.flow.remote;
  refusal.explanation = std::string(status.message());
  (waiting.caller.kind == Party::Kind::kPeer ? refusal.peer : refusal.subject) =
      waiting.caller.resource;
  refusal.dial_plan = waiting.caller.dial_plan;
  refusal.sip_method = "INVITE";
  refusal.sip_status = answer.code;
  event.refusal = std::move(refusal);
  port_.Perform(Report{std::move(event)});
}

// ---------------------------------------------------------------- messages

Call* CallControl::CallOf(const SipMessage& request, LegSide& side) {
  const DialogId id = DialogIdOfRequest(request);
  const auto it = by_dialog_.find(DialogKey(id.call_id, id.local_tag));
  if (it == by_dialog_.end()) return nullptr;
  side = it->second.side;
  Call& call = *calls_.find(it->second.call)->second;
  // All of the dialog must fit, not only our half.
  const Dialog* dialog = call.dialog(side);
  if (dialog == nullptr || !(dialog->id() == id)) return nullptr;
  return &call;
}

// A To tag proves nothing: the sender must be the party of that leg, by the
// same connection, by what its connection has proven, or on UDP by address.
bool CallControl::IsParty(const Call& call, LegSide side, const Flow& flow,
                          std::string_view sender) const {
  const Flow& known = call.flow(side);
  if (flow.is_tls() != known.is_tls()) return false;
  if (SameFlow(flow, known)) return true;
  const Party& party = call.party(side);
  if (!sender.empty()) {
    return sender == party.resource || sender == party.phone;
  }
  return !flow.is_tls() && flow.remote.WithPort(0) == known.remote.WithPort(0);
}

void CallControl::FollowFlow(Call& call, LegSide side, const Flow& flow) {
  if (SameFlow(flow, call.flow(side)) || port_.IsAlive(call.flow(side))) return;
  call.SetFlow(side, flow, ContactUri(port_.ListenerOf(flow)));
}

bool CallControl::IsInDialog(const SipMessage& request, const Flow& flow,
                             std::string_view sender) {
  LegSide side = LegSide::kA;
  const Call* call = CallOf(request, side);
  return call != nullptr && IsParty(*call, side, flow, sender);
}

void CallControl::OnInDialog(const SipMessage& request,
                             TransactionId transaction, const Flow& flow,
                             std::string_view sender, MonoTime now) {
  LegSide side = LegSide::kA;
  Call* call = CallOf(request, side);
  if (call == nullptr || !IsParty(*call, side, flow, sender)) {
    port_.Respond(transaction,
                  MakeResponse(request, 481, ReasonPhrase(481), ""), now);
    return;
  }
  FollowFlow(*call, side, flow);
  if (request.method() == SipMethod::kInvite) {
    NoteInvite(call->id(), transaction);
  }
  Do(*call, call->OnRequest(side, request, transaction, now), now);
}

void CallControl::OnAck(const SipMessage& ack, const Flow& flow,
                        std::string_view sender, MonoTime now) {
  LegSide side = LegSide::kA;
  Call* call = CallOf(ack, side);
  if (call == nullptr || !IsParty(*call, side, flow, sender)) return;
  Do(*call, call->OnAck(side, ack, now), now);
}

void CallControl::OnCancel(TransactionId invite, MonoTime now) {
  const auto it = by_invite_.find(invite);
  if (it != by_invite_.end() && it->second == 0) {
    for (auto waiting = waiting_.begin(); waiting != waiting_.end();
         ++waiting) {
      if (waiting->second.transaction != invite) continue;
      port_.Respond(invite,
                    MakeResponse(waiting->second.invite, 487, ReasonPhrase(487),
                                 Cat(random_.NextU64())),
                    now);
      waiting_.erase(waiting);
      break;
    }
    by_invite_.erase(it);
    return;
  }
  if (it == by_invite_.end()) return;
  Call& call = *calls_.find(it->second)->second;
  Do(call, call.OnCancel(invite, now), now);
}

void CallControl::OnResponse(CallLeg owner, const SipMessage& request,
                             const SipMessage& response, MonoTime now) {
  const auto it = calls_.find(owner.call);
  if (it == calls_.end()) return;
  Call& call = *it->second;
  Do(call, call.OnResponse(owner.side, request, response, now), now);
}

void CallControl::OnRequestFailed(CallLeg owner, const SipMessage& request,
                                  bool timed_out, MonoTime now) {
  const auto it = calls_.find(owner.call);
  if (it == calls_.end()) return;
  Call& call = *it->second;
  Do(call, call.OnRequestFailed(owner.side, request, timed_out, now), now);
}

void CallControl::OnMediaReply(uint64_t request,
                               absl::StatusOr<RelaySession> session,
                               MonoTime now) {
  const auto it = by_media_request_.find(request);
  if (it == by_media_request_.end()) return;
  const uint64_t id = it->second;
  by_media_request_.erase(it);
  const auto call = calls_.find(id);
  if (call == calls_.end()) {
    // The call did not wait for it: nobody needs this session.
    if (session.ok()) {
      port_.Perform(
          DeleteMediaSession{id, session->name, session->relay, "CALL_ENDED"});
    }
    return;
  }
  Do(*call->second, call->second->OnMediaReply(std::move(session), now), now);
}

void CallControl::OnMediaDeleted(uint64_t call,
                                 const std::array<LegStatistics, 2>& legs) {
  CallRecord* record = nullptr;
  if (const auto it = calls_.find(call); it != calls_.end()) {
    record = &it->second->record();
  } else if (const auto ended = ended_.find(call); ended != ended_.end()) {
    record = &ended->second;
  }
  if (record == nullptr) return;
  for (size_t i = 0; i < 2; ++i) record->legs[i].statistics = legs[i];
}

// ----------------------------------------------------------------- actions

bool CallControl::Reach(Call& call, LegSide side, MonoTime now) {
  if (port_.IsAlive(call.flow(side))) return true;
  const Party& party = call.party(side);
  const bool was_tls = call.flow(side).is_tls();
  if (party.kind == Party::Kind::kUser) {
    for (const Binding* binding : registrar_.Of(party.resource)) {
      // Another phone of the user has no part in the dialog.
      if (binding->phone == party.phone && binding->flow.is_tls() == was_tls &&
          port_.IsAlive(binding->flow)) {
        call.SetFlow(side, binding->flow,
                     ContactUri(port_.ListenerOf(binding->flow)));
        return true;
      }
    }
    return false;
  }
  const PeerEntry* peer =
      plan_ == nullptr ? nullptr : plan_->index().Peer(party.resource);
  if (peer == nullptr ||
      (TransportOf(*peer) == SipTransport::kTls) != was_tls) {
    return false;
  }
  const std::string& host = peer->address.empty() ? peer->fqdn : peer->address;
  const uint16_t port = static_cast<uint16_t>(peer->port);
  std::vector<SocketAddress> addresses;
  if (const auto literal = SocketAddress::FromIp(host, port); literal.ok()) {
    addresses = {*literal};
  } else if (const auto it = hosts_.find(host); it != hosts_.end()) {
    for (const SocketAddress& address : it->second.addresses) {
      addresses.push_back(address.WithPort(port));
    }
  }
  if (addresses.empty()) return false;
  const auto flow = port_.FlowTo(*peer, addresses, now);
  if (!flow.ok()) return false;
  call.SetFlow(side, *flow, ContactUri(port_.ListenerOf(*flow)));
  return true;
}

void CallControl::Do(Call& call, CallActions actions, MonoTime now) {
  const uint64_t id = call.id();
  for (size_t i = 0; i < actions.size(); ++i) {
    CallAction action = std::move(actions[i]);
    if (auto* send = std::get_if<CallSendRequest>(&action)) {
      const SipMessage request = send->request;
      absl::Status status =
          Reach(call, send->leg, now)
              ? port_.SendRequest(call.flow(send->leg),
                                  std::move(send->request), {id, send->leg},
                                  now)
              : absl::UnavailableError("the party cannot be reached");
      if (!status.ok()) {
        CallActions more = call.OnRequestFailed(send->leg, request, false, now);
        for (CallAction& one : more) actions.push_back(std::move(one));
      }
    } else if (auto* ack = std::get_if<CallSendAck>(&action)) {
      if (Reach(call, ack->leg, now)) {
        port_.SendAck(call.flow(ack->leg), std::move(ack->ack));
      }
    } else if (auto* cancel = std::get_if<CallCancelInvite>(&action)) {
      port_.CancelInvite({id, cancel->leg}, cancel->cseq, now);
    } else if (auto* respond = std::get_if<CallRespond>(&action)) {
      port_.Respond(respond->transaction, std::move(respond->response), now);
    } else if (auto* create = std::get_if<CallCreateMedia>(&action)) {
      by_media_request_[++last_media_request_] = id;
      port_.Perform(CreateMediaSession{last_media_request_,
                                       call.record().tenant, id,
                                       std::move(create->legs)});
    } else if (auto* update = std::get_if<CallUpdateMedia>(&action)) {
      by_media_request_[++last_media_request_] = id;
      port_.Perform(UpdateMediaSession{
          last_media_request_, call.media().session().name,
          call.media().session().relay, std::move(update->legs)});
    } else if (auto* remove = std::get_if<CallDeleteMedia>(&action)) {
      port_.Perform(DeleteMediaSession{id, call.media().session().name,
                                       call.media().session().relay,
                                       remove->reason});
    } else if (auto* refused = std::get_if<CallRefused>(&action)) {
      const Party& party = call.party(refused->leg);
      EdgeEvent event;
      event.type = EdgeEvent::Type::kRefused;
      event.at = now;
      event.reason = ReasonOf(refused->status);
      event.summary = refused->media_change ? "a change of media was refused"
                                            : "a call was refused";
      event.tenant = party.tenant;
      event.resource = party.resource;
      Refusal refusal;
      refusal.kind =
          refused->media_change ? RefusalKind::kMedia : RefusalKind::kCall;
      refusal.transport = call.flow(refused->leg).transport;
      refusal.remote = call.flow(refused->leg).remote;
      refusal.explanation = std::string(refused->status.message());
      (party.kind == Party::Kind::kPeer ? refusal.peer : refusal.subject) =
          party.resource;
      refusal.dial_plan = party.dial_plan;
      refusal.sip_method = "INVITE";
      refusal.sip_status = refused->sip_status;
      event.refusal = std::move(refusal);
      port_.Perform(Report{std::move(event)});
    } else {
      ReportCall(call, now);
    }
  }
  Settle(id, now);
}

void CallControl::ReportCall(const Call& call, MonoTime now) {
  const CallRecord& record = call.record();
  std::optional<CallState>& told = traces_[record.id].told;
  const bool first = !told.has_value();
  const CallState before = told.value_or(CallState::kProceeding);
  told = record.state;
  EdgeEvent event;
  if (first) {
    event.type = EdgeEvent::Type::kCallStarted;
    event.summary = "a call began";
  } else if (record.state == CallState::kEnded && before != CallState::kEnded) {
    event.type = EdgeEvent::Type::kCallEnded;
    event.summary = "a call ended";
  } else if (record.state == CallState::kAnswered &&
             (before == CallState::kProceeding ||
              before == CallState::kRinging)) {
    event.type = EdgeEvent::Type::kCallAnswered;
    event.summary = "a call was answered";
  } else {
    return;
  }
  event.at = now;
  event.reason = record.reason;
  event.tenant = record.tenant;
  event.resource = record.legs[0].party.resource;
  event.call = record;
  port_.Perform(Report{std::move(event)});
}

void CallControl::Settle(uint64_t id, MonoTime now) {
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  Call& call = *it->second;
  if (!call.done()) {
    deadlines_.Set(id, call.deadline());
    return;
  }
  deadlines_.Erase(id);
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    const auto peer = calls_of_peer_.find(call.party(side).resource);
    if (peer != calls_of_peer_.end() && --peer->second == 0) {
      calls_of_peer_.erase(peer);
    }
  }
  if (const auto traces = traces_.find(id); traces != traces_.end()) {
    for (const std::string& key : traces->second.dialogs) by_dialog_.erase(key);
    for (const TransactionId invite : traces->second.invites) {
      by_invite_.erase(invite);
    }
    traces_.erase(traces);
  }
  port_.CallGone(id);
  ended_.emplace(id, call.record());
  history_.push_back(id);
  while (!history_.empty()) {
    const auto oldest = ended_.find(history_.front());
    const MonoTime ended = oldest->second.ended.value_or(now);
    if (history_.size() <= options_.history_entries &&
        ended + options_.history_retention >= now) {
      break;
    }
    ended_.erase(oldest);
    history_.pop_front();
  }
  calls_.erase(it);
}

absl::Status CallControl::EndCall(uint64_t id, std::string_view reason,
                                  MonoTime now) {
  const auto it = calls_.find(id);
  if (it == calls_.end() || it->second->record().ended.has_value()) {
    return MakeError(absl::StatusCode::kNotFound, "CALL_NOT_FOUND",
                     "no such call lives");
  }
  Do(*it->second, it->second->Hangup(reason, now), now);
  return absl::OkStatus();
}

void CallControl::EndAll(std::string_view reason, MonoTime now) {
  for (const auto& [query, waiting] : std::exchange(waiting_, {})) {
    by_invite_.erase(waiting.transaction);
    Refuse(waiting,
           MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "the edge ends its calls"),
           now);
  }
  std::vector<uint64_t> ids;
  for (const auto& [id, call] : calls_) ids.push_back(id);
  for (const uint64_t id : ids) {
    if (const auto it = calls_.find(id); it != calls_.end()) {
      Do(*it->second, it->second->Hangup(reason, now), now);
    }
  }
}

void CallControl::OnDeadline(MonoTime now) {
  while (const auto id = deadlines_.PopExpired(now)) {
    const auto it = calls_.find(*id);
    if (it == calls_.end()) continue;
    Do(*it->second, it->second->OnDeadline(now), now);
  }
}

uint32_t CallControl::CallsOf(std::string_view peer) const {
  const auto it = calls_of_peer_.find(AbslView(peer));
  return it == calls_of_peer_.end() ? 0 : it->second;
}

bool CallControl::Uses(ConnectionId connection) const {
  return std::any_of(calls_.begin(), calls_.end(), [&](const auto& entry) {
    const Call& call = *entry.second;
    return call.flow(LegSide::kA).connection == connection ||
           call.flow(LegSide::kB).connection == connection;
  });
}

std::vector<const CallRecord*> CallControl::Records() const {
  std::vector<const CallRecord*> records;
  for (const auto& [id, call] : calls_) records.push_back(&call->record());
  for (const auto& [id, record] : ended_) records.push_back(&record);
  std::sort(
      records.begin(), records.end(),
      [](const CallRecord* a, const CallRecord* b) { return a->id < b->id; });
  return records;
}

const CallRecord* CallControl::Find(uint64_t id) const {
  if (const auto it = calls_.find(id); it != calls_.end()) {
    return &it->second->record();
  }
  const auto ended = ended_.find(id);
  return ended == ended_.end() ? nullptr : &ended->second;
}

}  // namespace sallyport::signaling_edge
