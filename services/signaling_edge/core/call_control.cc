#include "services/signaling_edge/core/call_control.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/keyed_counts.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/peer_transport.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/unsupported_extensions.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status TenantCallLimit() {
  return MakeError(absl::StatusCode::kResourceExhausted, "TENANT_CALL_LIMIT",
                   "the tenant has as many calls as it may");
}

}  // namespace

std::string CallControl::DialogKey(std::string_view call_id,
                                   std::string_view tag) {
  std::string key(call_id);
  key.push_back('\0');
  key.append(tag);
  return key;
}

CallControl::CallControl(const EdgeOptions& options, CallPort& port,
                         const Registrar& registrar, TenantCounts& tenants,
                         RandomSource& random)
    : options_(options),
      port_(port),
      registrar_(registrar),
      tenants_(tenants),
      random_(random),
      gruus_(options.token_keys.get(), random),
      last_call_(options.last_id),
      total_(options.share == nullptr ? nullptr : &options.share->calls),
      hunts_(options.share != nullptr),
      tolls_(options.share == nullptr ? own_tolls_.emplace(random)
                                      : options.share->tolls()),
      ladder_(options.ladder),
      refused_calls_(kRefusedOfCaller, kRefusedCallers, random) {}

LegTraceId CallControl::LadderOf(const SipMessage& request) {
  LegSide side = LegSide::kA;
  const Call* call = CallOf(request, side);
  return call == nullptr ? 0 : ladder_.Of(call->id(), side);
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

// ---------------------------------------------------------------- messages

Call* CallControl::CallOf(const SipMessage& request, LegSide& side) {
  return CallOfDialog(DialogIdOfRequest(request), side);
}

Call* CallControl::CallOfDialog(const DialogId& id, LegSide& side) {
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
  if (absl::Status status = CheckUnderstood(request); !status.ok()) {
    // In order or not, it has a number.
    if (absl::Status order = call->AcceptRequest(side, request); !order.ok()) {
      status = std::move(order);
    }
    Do(*call, call->Refuse(side, request, transaction, status), now);
    return;
  }
  if (request.method() == SipMethod::kInvite) {
    NoteInvite(call->id(), transaction);
  } else if (request.method() == SipMethod::kRefer) {
    OnReferInCall(*call, side, request, transaction, now);
    return;
  } else if (request.method() == SipMethod::kBye) {
    const auto transfer = transfers_.find(call->id());
    if (transfer != transfers_.end() && transfer->second.referrer == side) {
      // It need not wait for what becomes of its transfer.
      transfer->second.referrer_gone = true;
      Do(*call, call->EndLeg(side, request, transaction), now);
      return;
    }
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
  const auto attempt = attempt_of_invite_.find(invite);
  if (attempt != attempt_of_invite_.end()) {
    OnAttemptCancelled(*FindAttempt(attempt->second), now);
    return;
  }
  const auto it = by_invite_.find(invite);
  if (it == by_invite_.end()) return;
  Call& call = *calls_.find(it->second)->second;
  Do(call, call.OnCancel(invite, now), now);
}

uint64_t CallControl::CallOf(std::string_view call_id,
                             std::string_view tag) const {
  const auto it = by_dialog_.find(DialogKey(call_id, tag));
  return it == by_dialog_.end() ? 0 : it->second.call;
}

uint64_t CallControl::CallOfInvite(TransactionId invite) {
  const auto attempt = attempt_of_invite_.find(invite);
  if (attempt != attempt_of_invite_.end()) {
    return FindAttempt(attempt->second)->last_branch;
  }
  const auto call = by_invite_.find(invite);
  return call == by_invite_.end() ? 0 : call->second;
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
  CallActions actions = call->second->OnMediaReply(std::move(session), now);
  NoteSession(*call->second);
  Do(*call->second, std::move(actions), now);
}

std::string CallControl::SessionKey(std::string_view relay,
                                    std::string_view session) {
  return Cat(relay, " ", session);
}

void CallControl::NoteSession(const Call& call) {
  if (!call.media().has_session() || call.media().passes_through()) return;
  const RelaySession& session = call.media().session();
  std::string key = SessionKey(session.relay, session.name);
  std::string& known = traces_[call.id()].session;
  if (known == key) return;
  if (!known.empty()) by_session_.erase(known);
  by_session_[key] = call.id();
  known = std::move(key);
}

void CallControl::OnMediaEvent(const MediaEvent& event, MonoTime now) {
  const auto it = by_session_.find(SessionKey(event.relay, event.session));
  if (it == by_session_.end()) return;
  Call& call = *calls_.find(it->second)->second;
  Do(call, call.OnMediaEvent(event, now), now);
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
  for (size_t i = 0; i < record->legs.size(); ++i) {
    record->legs[i].statistics = legs[i];
  }
}

// ----------------------------------------------------------------- actions

bool CallControl::Reach(Call& call, LegSide side, MonoTime now) {
  if (port_.IsAlive(call.flow(side))) return true;
  const Party& party = call.party(side);
  const bool was_tls = call.flow(side).is_tls();
  if (party.kind == Party::Kind::kUser) {
    for (const Binding* binding : registrar_.Of(party.resource)) {
      // Another phone of the user has no part in the dialog.
      if (!binding->foreign && binding->phone == party.phone &&
          binding->flow.is_tls() == was_tls && port_.IsAlive(binding->flow)) {
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
  if (!peer->server_group.empty()) return false;  // its server is gone
  const std::string& host = peer->address.empty() ? peer->fqdn : peer->address;
  const uint16_t port = static_cast<uint16_t>(peer->port);
  std::vector<SocketAddress> addresses;
  if (const auto literal = SocketAddress::FromIp(host, port); literal.ok()) {
    addresses = {*literal};
  } else if (const auto it =
                 hosts_.find(HostKey(host, ServiceOf(TransportOf(*peer), port),
                                     peer->address_family));
             it != hosts_.end()) {
    addresses = it->second.At(port);
  }
  if (addresses.empty()) return false;
  const auto flow = port_.FlowTo(*peer, addresses, now);
  if (!flow.ok()) return false;
  call.SetFlow(side, *flow, ContactUri(port_.ListenerOf(*flow)));
  return true;
}

void CallControl::Do(Call& call, CallActions actions, MonoTime now) {
  const uint64_t id = call.id();
  uint64_t won = 0;
  uint64_t failed = 0;
  SipMessage failure;
  for (size_t i = 0; i < actions.size(); ++i) {
    CallAction action = std::move(actions[i]);
    if (auto* send = std::get_if<CallSendRequest>(&action)) {
      ReplaceGruu(call.party(send->leg), send->request);
      const SipMessage request = send->request;
      absl::Status status =
          absl::UnavailableError("the party cannot be reached");
      if (send->flow.has_value() || Reach(call, send->leg, now)) {
        const bool first =
            request.method() == SipMethod::kInvite && send->leg == LegSide::kB;
        status = port_.SendRequest(
            send->flow.has_value() ? *send->flow : call.flow(send->leg),
            std::move(send->request), {id, send->leg}, now,
            first ? std::string_view(traces_[id].mark) : std::string_view());
      }
      if (!status.ok()) {
        CallActions more = call.OnRequestFailed(send->leg, request, false, now);
        for (CallAction& one : more) actions.push_back(std::move(one));
      }
    } else if (auto* ack = std::get_if<CallSendAck>(&action)) {
      ReplaceGruu(call.party(ack->leg), ack->ack);
      if (ack->flow.has_value() || Reach(call, ack->leg, now)) {
        port_.SendAck(ack->flow.has_value() ? *ack->flow : call.flow(ack->leg),
                      std::move(ack->ack), {id, ack->leg}, now);
      }
    } else if (auto* cancel = std::get_if<CallCancelInvite>(&action)) {
      port_.CancelInvite({id, cancel->leg}, cancel->cseq, cancel->reason, now);
    } else if (auto* respond = std::get_if<CallRespond>(&action)) {
      const int code = respond->response.status_code();
      const Traces& traces = traces_[id];
      if (respond->transaction == traces.initial) {
        if (traces.orphan) continue;
        const auto attempt = attempt_of_.find(id);
        const Attempt* trying = attempt == attempt_of_.end()
                                    ? nullptr
                                    : FindAttempt(attempt->second);
        if (trying != nullptr && trying->transfer != 0 && code < 300) {
          if (code >= 200) won = attempt->second;
          if (code < 200) OnTransferProgress(trying->transfer, code, now);
          continue;
        }
        if (code >= 200 && attempt != attempt_of_.end()) {
          (code < 300 ? won : failed) = attempt->second;
          if (code >= 300) {
            failure = std::move(respond->response);
            continue;
          }
        }
      }
      port_.Respond(respond->transaction, std::move(respond->response), now);
    } else if (call.media().passes_through() &&
               (std::holds_alternative<CallCreateMedia>(action) ||
                std::holds_alternative<CallUpdateMedia>(action) ||
                std::holds_alternative<CallDeleteMedia>(action))) {
      // There is no relay to wait for.
      if (std::holds_alternative<CallDeleteMedia>(action)) continue;
      CallActions more = call.OnMediaReply(RelaySession(), now);
      for (CallAction& one : more) actions.push_back(std::move(one));
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
      port_.Perform(DeleteMediaSession{id, std::move(remove->session),
                                       std::move(remove->relay),
                                       std::move(remove->reason)});
    } else if (auto* refused = std::get_if<CallRefused>(&action)) {
      ReportCallRefused(call, *refused, now);
    } else {
      ReportCall(call, now);
    }
  }
  std::optional<BranchEnd> end;
  if (failed != 0) {
    end = BranchEnd{call.record(), std::move(failure), call.redirects()};
  }
  Settle(id, now);
  if (won != 0) OnBranchWon(won, id, now);
  if (end.has_value()) OnBranchFailed(failed, id, *std::move(end), now);
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
  event.call = record.id;
  if (event.type == EdgeEvent::Type::kCallEnded) {
    event.record = std::make_shared<const CallRecord>(record);
  }
  port_.Perform(Report{std::move(event)});
}

void CallControl::Remember(CallRecord record, std::deque<uint64_t>& history,
                           size_t most, MonoTime now) {
  history.push_back(record.id);
  ended_.emplace(record.id, std::move(record));
  while (!history.empty()) {
    const auto oldest = ended_.find(history.front());
    const MonoTime ended = oldest->second.ended.value_or(now);
    if (history.size() <= most && ended + options_.history_retention >= now) {
      break;
    }
    ladder_.Forget(history.front());
    ended_.erase(oldest);
    history.pop_front();
  }
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
  // Nobody is left to be transferred.
  if (const auto transfer = transfers_.find(id); transfer != transfers_.end()) {
    const uint64_t attempt = transfer->second.attempt;
    transfers_.erase(transfer);
    if (Attempt* trying = FindAttempt(attempt))
      OnAttemptCancelled(*trying, now);
  }
  LeaveQueue(id, now);
  CountPeer(call.party(LegSide::kA), false);
  CountPeer(call.party(LegSide::kB), false);
  if (const auto traces = traces_.find(id); traces != traces_.end()) {
    for (const std::string& key : traces->second.dialogs) by_dialog_.erase(key);
    for (const TransactionId invite : traces->second.invites) {
      // The next attempt of the same INVITE may have it by now.
      const auto known = by_invite_.find(invite);
      if (known != by_invite_.end() && known->second == id) {
        by_invite_.erase(known);
      }
    }
    for (const std::string& line : traces->second.lines) {
      hunts_.OnCallEnded(line, now);
    }
    by_session_.erase(traces->second.session);
    tolls_.OnEnded(traces->second.tolls);
    traces_.erase(traces);
  }
  port_.CallGone(id);
  Remember(std::move(call.record()), history_, options_.history_entries, now);
  calls_.erase(id);
  total_.Set(calls_.size());
}

uint32_t CallControl::MostCallsOf(std::string_view tenant) const {
  const TenantEntry* const entry = plan_->index().Tenant(tenant);
  return TenantCounts::MostOf(entry == nullptr ? 0 : entry->limits.max_calls);
}

absl::Status CallControl::MayHaveMore(std::string_view tenant) const {
  const uint32_t most = MostCallsOf(tenant);
  return most == UINT32_MAX ||
                 tenants_.calls().Of(tenants_.KeyOf(tenant)) < most
             ? absl::OkStatus()
             : TenantCallLimit();
}

absl::StatusOr<KeyedPlaces> CallControl::TakeTenantPlace(
    const Attempt& attempt) {
  const std::string& tenant = attempt.caller.tenant;
  auto place = KeyedPlaces::Take(
      tenants_.calls(), tenants_.KeyOf(tenant), 1,
      IsUnbounded(attempt) ? UINT32_MAX : MostCallsOf(tenant));
  if (!place.has_value()) return TenantCallLimit();
  return *std::move(place);
}

void CallControl::CountPeer(const Party& party, bool begins) {
  if (party.kind != Party::Kind::kPeer) return;
  if (begins) {
    ++calls_of_peer_[party.resource];
  } else if (const auto peer = calls_of_peer_.find(party.resource);
             peer != calls_of_peer_.end() && --peer->second == 0) {
    calls_of_peer_.erase(peer);
  }
  if (options_.share == nullptr) return;
  KeyedCounts& all = options_.share->peers();
  const uint64_t key = options_.share->KeyOf(party.resource);
  begins ? all.Add(key) : all.Remove(key);
}

uint32_t CallControl::AllCallsOf(std::string_view peer) const {
  return options_.share == nullptr
             ? CallsOf(peer)
             : options_.share->peers().Of(options_.share->KeyOf(peer));
}

absl::Status CallControl::EndCall(uint64_t id, std::string_view reason,
                                  MonoTime now, uint32_t cause) {
  const auto it = calls_.find(id);
  if (it == calls_.end() || it->second->record().ended.has_value()) {
    return MakeError(absl::StatusCode::kNotFound, "CALL_NOT_FOUND",
                     "no such call lives");
  }
  Do(*it->second, it->second->Hangup(reason, now, cause), now);
  return absl::OkStatus();
}

void CallControl::EndAll(std::string_view reason, MonoTime now) {
  std::vector<uint64_t> idle;
  for (const auto& [id, attempt] : attempts_) {
    attempt->stop = true;
    if (attempt->branches.empty()) idle.push_back(id);
  }
  for (const uint64_t id : idle) {
    Attempt& attempt = *FindAttempt(id);
    Refuse(attempt,
           MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "the edge ends its calls"),
           now);
    Forget(attempt);
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
  OnJoinDeadlines(now);
  while (const auto id = attempt_deadlines_.PopExpired(now)) {
    if (Attempt* attempt = FindAttempt(*id)) OnAttemptDeadline(*attempt, now);
  }
  if (now >= queue_check_) ServeQueues(now);
}

uint32_t CallControl::CallsOf(std::string_view peer) const {
  const auto it = calls_of_peer_.find(AbslView(peer));
  return it == calls_of_peer_.end() ? 0 : it->second;
}

const Party* CallControl::PartyOf(CallLeg leg) const {
  const auto it = calls_.find(leg.call);
  return it == calls_.end() ? nullptr : &it->second->party(leg.side);
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
