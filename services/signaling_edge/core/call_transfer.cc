// Transfers: the half of CallControl that serves REFER. The party that is
// transferred never sees it: both ends are ours, so we call the target in the
// name of the referrer and join whom it leads to (RFC 3515, 3891, 4538, 5589).
#include <algorithm>
#include <utility>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/trunk_rights.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

// Transactions that nobody began.
constexpr TransactionId kOwnTransaction = TransactionId{1} << 63;

// The value of a header that a URI wants in the request made of it.
std::optional<std::string> UriHeader(const SipUri& uri, std::string_view name) {
  for (const std::string_view item : Split(uri.headers, '&')) {
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos ||
        !EqualsIgnoreCase(item.substr(0, equals), name)) {
      continue;
    }
    return PercentDecode(item.substr(equals + 1));
  }
  return std::nullopt;
}

// The tag of a Replaces or Target-Dialog that is ours (RFC 3891 section 3: as
// we, who are asked, see them); empty if it has none.
std::string_view OurTagOf(std::string_view replaces) {
  const auto parsed = ParseValueWithParams(replaces);
  if (!parsed.ok()) return {};
  const auto tag = parsed->Param("to-tag").has_value()
                       ? parsed->Param("to-tag")
                       : parsed->Param("local-tag");
  return tag.value_or(std::string_view());
}

absl::Status NotAllowed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

// For the answer of another node to a wanted leg.
constexpr absl::Duration kJoinTime = absl::Seconds(3);

absl::Status OwnerUnreachable() {
  return MakeError(absl::StatusCode::kUnavailable, "CALL_OWNER_UNREACHABLE",
                   "the edge of the other call did not answer");
}

}  // namespace

Call* CallControl::CallOfReplaces(std::string_view value, LegSide& side,
                                  bool early) {
  const auto parsed = ParseValueWithParams(value);
  if (!parsed.ok()) return nullptr;
  // RFC 3891 section 3: tags as we, who are asked, see them.
  const auto local = parsed->Param("to-tag").has_value()
                         ? parsed->Param("to-tag")
                         : parsed->Param("local-tag");
  const auto remote = parsed->Param("from-tag").has_value()
                          ? parsed->Param("from-tag")
                          : parsed->Param("remote-tag");
  if (!local.has_value() || !remote.has_value()) return nullptr;
  const DialogId id = {std::string(parsed->value), std::string(*local),
                       std::string(*remote)};
  if (Call* const call = CallOfDialog(id, side)) return call;
  const auto it = by_dialog_.find(DialogKey(id.call_id, id.local_tag));
  if (!early || it == by_dialog_.end()) return nullptr;
  Call& call = *calls_.find(it->second.call)->second;
  side = it->second.side;
  return side == LegSide::kB && call.RingsAt(id) ? &call : nullptr;
}

// A REFER outside of a dialog that names one by Target-Dialog (RFC 4538).
void CallControl::OnRefer(const SipMessage& request, TransactionId transaction,
                          const Flow& flow, const Party& sender, MonoTime now) {
  LegSide side = LegSide::kA;
  const auto target = request.FirstNamed("Target-Dialog");
  Call* call = target.has_value() ? CallOfReplaces(*target, side) : nullptr;
  uint64_t id = 0;  // of one of its own
  absl::Status status;
  if (!TrunkMay(TrunkRight::kOutOfDialogRefer, sender, plan_->index())) {
    status = NotAllowed("REFER_NOT_ALLOWED",
                        "the peer may not refer outside of a call");
  } else if (call == nullptr || call->party(side).resource != sender.resource ||
             call->flow(side).is_tls() != flow.is_tls()) {
    status = MakeError(absl::StatusCode::kNotFound, "DIALOG_NOT_FOUND",
                       "no call of the peer is named");
  }
  const SipStatus answer = SipStatusOf(status);
  const int code = status.ok() ? 202 : answer.code;
  SipMessage response =
      MakeResponse(request, code, ReasonPhrase(code), port_.NewTag());
  if (status.ok()) {
    id = call->id();
    response.Add(HeaderId::kContact,
                 Cat("<", ContactUri(port_.ListenerOf(flow)), ">"));
    // The call's own dialog is where its progress would be told; whoever asks
    // from outside is not told.
    response.AddNamed("Refer-Sub", "false");
    status = StartTransfer(*call, side, request,
                           {.quiet = true, .outside = true}, now);
    if (!status.ok()) {
      const SipStatus why = SipStatusOf(status);
      response = MakeResponse(request, why.code, why.phrase, port_.NewTag());
    }
  }
  port_.Respond(transaction, std::move(response), now);
  if (!status.ok()) ReportTransferRefused(sender, flow, status, id, now);
}

void CallControl::OnReferInCall(Call& call, LegSide side,
                                const SipMessage& request,
                                TransactionId transaction, MonoTime now) {
  const uint64_t id = call.id();
  if (absl::Status status = call.AcceptRequest(side, request); !status.ok()) {
    Do(call, call.Refuse(side, request, transaction, status), now);
    return;
  }
  const bool quiet = request.FirstNamed("Refer-Sub") == "false";
  absl::Status status = CanTransfer(call, request);
  if (!status.ok()) {
    ReportTransferRefused(call.party(side), call.flow(side), status, id, now);
    Do(call,
       call.RespondTo(side, request, transaction, SipStatusOf(status).code),
       now);
    return;
  }
  Do(call, call.RespondTo(side, request, transaction, 202), now);
  if (!quiet) Do(call, call.Notify(side, 100, false), now);
  status = StartTransfer(call, side, request,
                         {.quiet = quiet, .outside = false}, now);
  if (status.ok()) return;
  ReportTransferRefused(call.party(side), call.flow(side), status, id, now);
  const auto it = calls_.find(id);
  if (!quiet && it != calls_.end()) {
    Do(call, call.Notify(side, SipStatusOf(status).code, true), now);
  }
}

absl::Status CallControl::CanTransfer(const Call& call,
                                      const SipMessage& request) const {
  if (request.Count(HeaderId::kReferTo) != 1) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SIP_HEADER_MISSING",
                     "not exactly one Refer-To");
  }
  const auto address = ParseNameAddr(request.Value(HeaderId::kReferTo));
  const auto uri = address.ok() ? ParseSipUri(address->uri)
                                : absl::StatusOr<SipUri>(address.status());
  if (!uri.ok() || !uri->has_user()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SIP_URI_MALFORMED",
                     "Refer-To is nobody that can be called");
  }
  const std::string_view method =
      uri->Param("method").value_or(std::string_view("INVITE"));
  if (!EqualsIgnoreCase(method, "INVITE")) {
    return NotAllowed("REFER_NOT_ALLOWED", "only calls can be referred");
  }
  if (!call.settled() || call.alone() || transfers_.contains(call.id())) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "REQUEST_PENDING",
                     "something else is under way on the call");
  }
  return absl::OkStatus();
}

absl::Status CallControl::StartTransfer(Call& call, LegSide referrer,
                                        const SipMessage& request,
                                        ReferKind kind, MonoTime now) {
  if (absl::Status status = CanTransfer(call, request); !status.ok()) {
    return status;
  }
  const auto address = ParseNameAddr(request.Value(HeaderId::kReferTo));
  const auto uri = ParseSipUri(address->uri);
  if (const auto replaces = UriHeader(*uri, "Replaces")) {
    return JoinCalls(call, referrer, *replaces, kind.quiet, now);
  }
  const uint64_t id = call.id();
  const LegSide party = Other(referrer);
  const CallRecord& record = call.record();
  const std::string number =
      party == LegSide::kA ? record.calling : record.called;
  // What the party that is transferred would have sent, had it dialled.
  SipUri plain = *uri;
  plain.headers = {};
  SipMessage invite = SipMessage::Request(SipMethod::kInvite, plain.ToString());
  const std::string domain = HomeDomain(record.tenant);
  invite.SetUint(HeaderId::kMaxForwards, 70);
  invite.Add(HeaderId::kFrom, Cat("<sip:", PercentEncode(number, "+*#"), "@",
                                  domain, ">;tag=", HexOf(random_.NextU64())));
  invite.Add(HeaderId::kTo, Cat("<", plain.ToString(), ">"));
  invite.Add(HeaderId::kCallId, HexOf(random_.NextU64()));
  invite.Add(HeaderId::kCseq, "1 INVITE");
  invite.Add(HeaderId::kContact,
             Cat("<", ContactUri(port_.ListenerOf(call.flow(party))), ">"));
  // RFC 3892: as the referrer says that it is said, but by the number that it
  // is known by.
  const bool withheld = traces_[id].withheld;
  if (withheld && party == LegSide::kA) invite.Add(HeaderId::kPrivacy, "id");
  if (request.Has(HeaderId::kReferredBy) &&
      !(withheld && referrer == LegSide::kA)) {
    invite.Add(HeaderId::kReferredBy,
               Cat("<sip:",
                   PercentEncode(
                       referrer == LegSide::kA ? record.calling : record.called,
                       "+*#"),
                   "@", domain, ">"));
  }
  AddSdp(invite, call.OfferOf(party));

  const uint64_t attempt_id = ++last_attempt_;
  Attempt& attempt =
      *attempts_.emplace(attempt_id, std::make_unique<Attempt>()).first->second;
  attempt.id = attempt_id;
  attempt.transfer = id;
  attempt.transaction = kOwnTransaction | attempt_id;
  attempt.invite = std::move(invite);
  attempt.flow = call.flow(party);
  attempt.caller = call.party(party);
  attempt.plan = plan_;
  attempt_of_invite_[attempt.transaction] = attempt_id;
  transfers_[id] = {referrer, kind.quiet, false, attempt_id, 0};
  // It is the referrer's call: what it costs is for its policy to allow.
  RouteQuery& query = attempt.query;
  query.tenant = record.tenant;
  query.caller = call.party(referrer).resource;
  query.rerouted = call.party(referrer).kind == Party::Kind::kPeer;
  query.referred_outside = query.rerouted && kind.outside;
  query.calling = number;
  query.called = plain.DecodedUser();
  std::string host;
  for (const char c : plain.host) host.push_back(ToLower(c));
  query.domain = DomainOf(host);
  NameDevice(attempt);
  Resolve(attempt, now);
  return absl::OkStatus();
}

void CallControl::OnTransferProgress(uint64_t id, int code, MonoTime now) {
  const auto transfer = transfers_.find(id);
  const auto call = calls_.find(id);
  if (transfer == transfers_.end() || call == calls_.end()) return;
  if (transfer->second.quiet || transfer->second.told == code) return;
  transfer->second.told = code;
  Do(*call->second,
     call->second->Notify(transfer->second.referrer, code, false), now);
}

void CallControl::OnTransferFailed(uint64_t id, int code, MonoTime now) {
  const auto it = transfers_.find(id);
  if (it == transfers_.end()) return;
  const Transfer transfer = it->second;
  transfers_.erase(it);
  if (waiting_.contains(id)) {
    OnServingFailed(id, now);
    return;
  }
  const auto call = calls_.find(id);
  if (call == calls_.end()) return;
  if (transfer.referrer_gone) {
    Do(*call->second, call->second->Hangup("TRANSFER_FAILED", now), now);
  } else if (!transfer.quiet) {
    Do(*call->second, call->second->Notify(transfer.referrer, code, true), now);
  }
}

// The target has answered `target_call`: the party goes there.
void CallControl::CompleteTransfer(uint64_t id, uint64_t target_call,
                                   MonoTime now) {
  const auto it = transfers_.find(id);
  const auto to = calls_.find(target_call);
  if (to == calls_.end()) return;
  const auto from = calls_.find(id);
  if (it == transfers_.end() || from == calls_.end() ||
      !from->second->settled()) {
    Do(*to->second, to->second->Hangup("TRANSFER_FAILED", now), now);
    OnTransferFailed(id, 500, now);
    return;
  }
  const Transfer transfer = it->second;
  transfers_.erase(it);
  const LegSide party = Other(transfer.referrer);
  if (waiting_.contains(id)) {
    LeaveQueue(id, now);
    CallRecord& record = to->second->record();
    record.queue = from->second->record().queue;
    record.queued = from->second->record().queued;
    record.unqueued = now;
  }
  MoveDialog(id, party, target_call, LegSide::kA);
  Call::HandedLeg handed = from->second->HandOver(party);
  Do(*to->second, to->second->Adopt(std::move(handed), now), now);
  Leave(id, transfer, now);
}

// Of the referrer's side of a call whose other side has gone on.
void CallControl::Leave(uint64_t id, const Transfer& transfer, MonoTime now) {
  auto call = calls_.find(id);
  if (call == calls_.end()) return;
  if (!transfer.quiet && !transfer.referrer_gone) {
    Do(*call->second, call->second->Notify(transfer.referrer, 200, true), now);
  }
  call = calls_.find(id);
  if (call == calls_.end()) return;
  Do(*call->second,
     call->second->Hangup(
         call->second->alone() ? "QUEUE_SERVED" : "TRANSFERRED", now),
     now);
}

void CallControl::MoveDialog(uint64_t from, LegSide side, uint64_t to,
                             LegSide to_side) {
  const Dialog* dialog = calls_[from]->dialog(side);
  if (dialog == nullptr) return;
  std::string key = DialogKey(dialog->id().call_id, dialog->id().local_tag);
  std::erase(traces_[from].dialogs, key);
  by_dialog_[key] = {to, to_side};
  ladder_.Move(from, side, to, to_side);
  traces_[to].dialogs.push_back(std::move(key));
}

// Attended: the far sides of two calls of the referrer are joined (RFC 5589
// section 7).
absl::Status CallControl::JoinCalls(Call& call, LegSide referrer,
                                    std::string_view replaces, bool quiet,
                                    MonoTime now) {
  const Party party = call.party(referrer);
  if (party.kind == Party::Kind::kPeer &&
      !TrunkMay(TrunkRight::kReplaces, party, plan_->index())) {
    return NotAllowed("REPLACES_NOT_ALLOWED",
                      "the peer may not replace dialogs");
  }
  if (IsFull()) {
    return MakeError(absl::StatusCode::kResourceExhausted, "CALL_LIMIT",
                     "too many calls");
  }
  SP_RETURN_IF_ERROR(MayHaveMore(party.tenant));
  if (const auto owner = port_.OtherOwnerOf(OurTagOf(replaces))) {
    // What becomes of it, OnLegGiven() tells.
    transfers_[call.id()] = {referrer, quiet, false, 0, 0};
    join_deadlines_.Set(call.id(), now + kJoinTime);
    SendToNode(ClusterMessage::Kind::kLegWanted, *owner, call.id(),
               WriteLegWanted({std::string(replaces), party.resource}));
    return absl::OkStatus();
  }
  LegSide its_side = LegSide::kA;
  SP_ASSIGN_OR_RETURN(Call* const other,
                      JoinableCall(replaces, party.resource, its_side));
  if (other == &call) {
    return MakeError(absl::StatusCode::kNotFound, "DIALOG_NOT_FOUND",
                     "a call cannot replace itself");
  }
  const uint64_t id = call.id();
  const uint64_t other_id = other->id();
  const LegSide b = Other(its_side);
  const Flow flow = other->flow(b);
  JoinLegs(call, referrer, Give(*other, b), flow, other_id, b, now);
  Leave(id, {referrer, quiet, false, 0, 0}, now);
  Leave(other_id, {its_side, true, false, 0, 0}, now);
  return absl::OkStatus();
}

absl::StatusOr<Call*> CallControl::JoinableCall(std::string_view replaces,
                                                std::string_view resource,
                                                LegSide& side) {
  Call* const call = CallOfReplaces(replaces, side);
  // RFC 3891 section 4: it must be the referrer's own, or anybody who learns
  // a Call-ID could take a call over.
  if (call == nullptr || call->party(side).resource != resource) {
    return MakeError(absl::StatusCode::kNotFound, "DIALOG_NOT_FOUND",
                     "no call of the referrer is to be replaced");
  }
  if (!call->settled() || call->alone() || transfers_.contains(call->id())) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "REQUEST_PENDING",
                     "the other call is not answered yet");
  }
  return call;
}

GivenLeg CallControl::Give(Call& other, LegSide side) const {
  const LegRecord& row = other.record().legs[IndexOf(side)];
  GivenLeg given{.leg = other.HandOver(side),
                 .flow = port_.ExportFlow(other.flow(side)),
                 .called = row.called,
                 .calling = row.calling,
                 .matched_resource = other.record().matched_resource,
                 .matched_pattern = other.record().matched_pattern};
  return given;
}

void CallControl::JoinLegs(Call& call, LegSide referrer, GivenLeg given,
                           const Flow& flow, uint64_t moved, LegSide moved_side,
                           MonoTime now) {
  const uint64_t id = call.id();
  const LegSide a = Other(referrer);
  const Party& party_a = call.party(a);
  const Party& party_b = given.leg.party;
  const auto setup = [&](const Party& party, const Flow& way,
                         std::string called, std::string calling) {
    Call::LegSetup leg;
    leg.party = party;
    leg.flow = way;
    SetMediaRules(leg);
    leg.pass_through = PassesThrough(party_a, party_b);
    leg.contact = ContactUri(port_.ListenerOf(way));
    leg.called = std::move(called);
    leg.calling = std::move(calling);
    return leg;
  };
  const LegRecord& row = call.record().legs[IndexOf(a)];
  const uint64_t joined = ++last_call_;
  auto made = std::make_unique<Call>(
      joined, setup(party_a, call.flow(a), row.called, row.calling),
      setup(party_b, flow, given.called, given.calling),
      CallTimers(party_a, party_b), random_);
  CallRecord& record = made->record();
  record.matched_resource = given.matched_resource;
  record.matched_pattern = given.matched_pattern;
  record.snapshot_version = plan_->index().version();
  Call& to = *calls_.emplace(joined, std::move(made)).first->second;
  total_.Set(calls_.size());
  // Whether there is room was asked when the transfer began.
  traces_[joined].tenant = *KeyedPlaces::Take(
      tenants_.calls(), tenants_.KeyOf(to.record().tenant), 1, UINT32_MAX);
  CountPeer(to.party(LegSide::kA), true);
  CountPeer(to.party(LegSide::kB), true);
  MoveDialog(id, a, joined, LegSide::kA);
  const DialogId dialog = given.leg.dialog.id();
  if (moved != 0) {
    std::erase(traces_[moved].dialogs,
               DialogKey(dialog.call_id, dialog.local_tag));
    ladder_.Move(moved, moved_side, joined, LegSide::kB);
  } else {
    given.leg.flow = flow;
    given.leg.contact = ContactUri(port_.ListenerOf(flow));
    moved_.erase(DialogKey(dialog.call_id, dialog.local_tag));
  }
  NoteDialog(joined, LegSide::kB, dialog.call_id, dialog.local_tag);
  Call::HandedLeg first = call.HandOver(a);
  Do(to, to.Join(std::move(first), std::move(given.leg), now), now);
}

// ------------------------------------------------------ between the nodes

void CallControl::SendToNode(ClusterMessage::Kind kind, const NodeId& to,
                             uint64_t ask, std::string text) {
  ClusterMessage message;
  message.kind = kind;
  message.from = options_.node;
  message.to = to;
  message.flow.transport = SipTransport::kUdp;  // of no meaning here
  message.ask = ask;
  message.text = std::move(text);
  port_.Perform(HandOver{std::move(message)});
}

void CallControl::OnLegWanted(const ClusterMessage& message, MonoTime now) {
  const auto answer = [&](const absl::StatusOr<GivenLeg>& given) {
    SendToNode(ClusterMessage::Kind::kLegGiven, message.from, message.ask,
               WriteLegGiven(given, now));
  };
  const auto wanted = ReadLegWanted(message.text);
  if (!wanted.ok()) {
    answer(wanted.status());
    return;
  }
  LegSide its_side = LegSide::kA;
  const auto found = JoinableCall(wanted->replaces, wanted->resource, its_side);
  if (!found.ok()) {
    answer(found.status());
    return;
  }
  Call& call = **found;
  const uint64_t id = call.id();
  const GivenLeg leg = Give(call, Other(its_side));
  const DialogId& dialog = leg.leg.dialog.id();
  std::string key = DialogKey(dialog.call_id, dialog.local_tag);
  std::erase(traces_[id].dialogs, key);
  by_dialog_.erase(key);
  NoteMoved(std::move(key), message.from);
  answer(leg);
  Leave(id, {its_side, true, false, 0, 0}, now);
}

void CallControl::OnLegGiven(const ClusterMessage& message, MonoTime now) {
  OnTransferGiven(message.ask, ReadLegGiven(message.text, now), now);
}

void CallControl::OnLegMessageLost(const ClusterMessage& message,
                                   MonoTime now) {
  if (message.kind == ClusterMessage::Kind::kLegWanted) {
    OnTransferGiven(message.ask, OwnerUnreachable(), now);
    return;
  }
  // It is no longer ours, and nobody else's: the party is told.
  auto given = ReadLegGiven(message.text, now);
  if (!given.ok()) return;
  const auto flow = port_.ImportFlow(given->flow, now);
  if (flow.ok()) EndGiven(*given, *flow, now);
}

void CallControl::OnTransferGiven(uint64_t id, absl::StatusOr<GivenLeg> given,
                                  MonoTime now) {
  const auto transfer = transfers_.find(id);
  const bool awaited =
      transfer != transfers_.end() && transfer->second.attempt == 0;
  if (awaited) join_deadlines_.Erase(id);
  const absl::StatusOr<Flow> flow = given.ok()
                                        ? port_.ImportFlow(given->flow, now)
                                        : absl::StatusOr<Flow>(given.status());
  const auto call = calls_.find(id);
  if (awaited && flow.ok() && call->second->settled()) {
    const Transfer done = transfer->second;
    transfers_.erase(transfer);
    JoinLegs(*call->second, done.referrer, *std::move(given), *flow, 0,
             LegSide::kB, now);
    Leave(id, done, now);
    return;
  }
  if (given.ok() && flow.ok()) EndGiven(*given, *flow, now);
  if (!awaited) return;
  const absl::Status why =
      flow.ok()
          ? MakeError(absl::StatusCode::kFailedPrecondition, "REQUEST_PENDING",
                      "something else is under way on the call")
          : flow.status();
  const LegSide referrer = transfer->second.referrer;
  ReportTransferRefused(call->second->party(referrer),
                        call->second->flow(referrer), why, id, now);
  OnTransferFailed(id, SipStatusOf(why).code, now);
}

void CallControl::OnJoinDeadlines(MonoTime now) {
  while (const auto id = join_deadlines_.PopExpired(now)) {
    OnTransferGiven(*id, OwnerUnreachable(), now);
  }
}

void CallControl::EndGiven(GivenLeg& given, const Flow& flow, MonoTime now) {
  SipMessage bye = given.leg.dialog.MakeRequest(SipMethod::kBye);
  port_.SendRequest(flow, std::move(bye), {}, now)
      .IgnoreError();  // its session timer ends it then
}

void CallControl::NoteMoved(std::string key, const NodeId& node) {
  constexpr size_t kMostMoved = 65'536;  // the oldest are over
  moved_[key] = node;
  moved_order_.push_back(std::move(key));
  if (moved_order_.size() > kMostMoved) {
    moved_.erase(moved_order_.front());
    moved_order_.pop_front();
  }
}

std::optional<NodeId> CallControl::MovedTo(const SipMessage& request) const {
  if (moved_.empty()) return std::nullopt;
  const DialogId id = DialogIdOfRequest(request);
  const auto it = moved_.find(DialogKey(id.call_id, id.local_tag));
  if (it == moved_.end()) return std::nullopt;
  return it->second;
}

}  // namespace sallyport::signaling_edge
