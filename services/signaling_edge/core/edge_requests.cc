// What a SIP message from the wire meets, from the parser to the one who
// answers it.
#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/attempt.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/expected_names.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/loop_mark.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/unsupported_extensions.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kAllow =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, "
    "MESSAGE, REFER, SUBSCRIBE, NOTIFY, SERVICE";

bool HasToTag(const SipMessage& request) {
  const auto to = ParseNameAddr(request.Value(HeaderId::kTo));
  return to.ok() && !to->tag().empty();
}

// One that needs nothing but an answer, and so no transaction (RFC 3261
// section 8.2.7).
bool IsPlainOptions(const SipMessage& request) {
  return request.method() == SipMethod::kOptions && !HasToTag(request) &&
         !request.Has(HeaderId::kRequire) &&
         !request.Has(HeaderId::kProxyRequire) &&
         HasSipScheme(request.request_uri());  // which the parser has read
}

RefusalKind KindOf(SipMethod method) {
  if (method == SipMethod::kRegister) return RefusalKind::kRegistration;
  if (method == SipMethod::kInvite) return RefusalKind::kCall;
  return RefusalKind::kRequest;
}

// OK, URI_SCHEME_UNSUPPORTED or EXTENSION_UNSUPPORTED, which are inspected in
// this order (RFC 3261 section 8.2.2).
absl::Status CheckUnderstood(const SipMessage& request) {
  if (!ParseSipUri(request.request_uri()).ok()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "URI_SCHEME_UNSUPPORTED",
                     "the Request-URI is neither a SIP URI nor a tel URI");
  }
  if (const std::string unsupported = UnsupportedExtensions(request);
      !unsupported.empty()) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "EXTENSION_UNSUPPORTED",
        Cat("the request requires what we do not have: ", unsupported));
  }
  return absl::OkStatus();
}

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

}  // namespace

void EdgeCore::OnText(const Flow& flow, std::string_view text, MonoTime now,
                      const Arrival& arrival) {
  if (!arrival.handed && !MayBeRead(flow, now)) return;
  auto message = ParseSipMessage(text, options_.parse);
  if (!message.ok()) {
    ++stats_.malformed;
    const SipStatus answer = SipStatusOf(message.status());
    auto salvaged = SalvageRequest(text, options_.parse);
    if (salvaged.ok()) RespondStateless(flow, *salvaged, answer.code);
    ReportRefusal(RefusalKind::kMalformed, flow, message.status(),
                  salvaged.ok() ? answer.code : 0,
                  salvaged.ok() && salvaged->method() != SipMethod::kOther
                      ? MethodName(salvaged->method())
                      : "",
                  now);
    return;
  }
  if (message->is_response()) {
    if (!arrival.handed) ++stats_.responses;
    if (OnResponse(flow, *message, now)) return;
    if (!arrival.handed && HandOverResponse(flow, *message, text)) return;
    ++stats_.unmatched_responses;
  } else {
    if (!arrival.handed) ++stats_.requests;
    if (!arrival.handed && IsScanner(flow, *message, now)) return;
    if (arrival.handed ? PassOn(flow, *message, text)
                       : HandOverRequest(flow, *message, text, now)) {
      return;
    }
    OnRequest(flow, *std::move(message), now, arrival);
  }
}

bool EdgeCore::OnResponse(const Flow& flow, const SipMessage& response,
                          MonoTime now) {
  TransactionOutcome outcome =
      transactions_.OnResponse(response, ScopeOf(flow), now);
  if (outcome.id == 0) return false;
  DoClient(outcome.id, std::move(outcome.actions), &response, now);
  return true;
}

void EdgeCore::OnRequest(const Flow& flow, SipMessage request, MonoTime now,
                         const Arrival& arrival) {
  const SocketAddress reply_to =
      StampReceived(request, flow.remote, FlowTimerOf(flow));
  if (IsPlainOptions(request)) {
    if (const LoadClass who = ClassOf(flow, now);
        who != LoadClass::kProven && !gate_.Admit(who, now)) {
      ++stats_.refusals["OVERLOADED"];
      return;
    }
    SipMessage response =
        MakeResponse(request, 200, ReasonPhrase(200), StatelessTag(request));
    response.Add(HeaderId::kAllow, kAllow);
    response.Add(HeaderId::kAccept, "application/sdp");
    if (!options_.server_header.empty()) {
      response.Set(HeaderId::kServer, options_.server_header);
    }
    TransmitTo({flow, reply_to}, WriteSipMessage(response));
    return;
  }
  RequestOutcome outcome = transactions_.OnRequest(
      request, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
  switch (outcome.kind) {
    case RequestOutcome::Kind::kAbsorbed:
      if (const auto known = servers_.find(outcome.id);
          known != servers_.end()) {
        KeepReceived(known->second->trace, flow, request, now);
      }
      DoServer(outcome.id, std::move(outcome.actions), now);
      return;
    case RequestOutcome::Kind::kAck:
      if (calls_.IsInDialog(request, flow, ProvenResource(flow))) {
        KeepReceived(calls_.LadderOf(request), flow, request, now);
      }
      calls_.OnAck(request, flow, ProvenResource(flow), now);
      return;
    case RequestOutcome::Kind::kMerged:
      RespondStateless(flow, request, 482);
      if (request.method() == SipMethod::kInvite) {
        ReportMerged(flow, outcome.id, now);
      }
      return;
    case RequestOutcome::Kind::kFull:
      RespondStateless(flow, request, 503, gate_.RetryAfter());
      ReportOverload(flow,
                     MakeError(absl::StatusCode::kResourceExhausted,
                               "TRANSACTION_LIMIT", "too many transactions"),
                     request.method_text(), now);
      return;
    case RequestOutcome::Kind::kNew:
      break;
  }
  ServerOf(outcome.id) = {flow, reply_to};
  if (request.method() == SipMethod::kCancel) {
    if (outcome.cancelled == 0 && arrival.ask != 0) {
      transactions_.Forget(outcome.id);
      ForgetEnded(outcome.id);
      ClusterMessage not_mine;
      not_mine.kind = ClusterMessage::Kind::kNotMine;
      not_mine.from = options_.node;
      not_mine.to = arrival.from;
      not_mine.flow = Export(flow);
      not_mine.ask = arrival.ask;
      Perform(HandOver{std::move(not_mine)});
      return;
    }
    if (outcome.cancelled == 0 && !arrival.handed &&
        AskOthers(flow, request, now)) {
      transactions_.Forget(outcome.id);
      ForgetEnded(outcome.id);
      return;
    }
    const int code = outcome.cancelled == 0 ? 481 : 200;
    SipMessage response =
        MakeResponse(request, code, ReasonPhrase(code), NewToken());
    if (outcome.cancelled == 0) {
      RespondUnproven(outcome.id, std::move(response), now);
      return;
    }
    if (const auto invite = servers_.find(outcome.cancelled);
        invite != servers_.end() && invite->second->trace != 0) {
      ServerOf(outcome.id).trace = invite->second->trace;
      KeepReceived(invite->second->trace, flow, request, now);
    }
    Respond(outcome.id, std::move(response), now);
    calls_.OnCancel(outcome.cancelled, now);
    return;
  }
  OnNewRequest(flow, request, outcome.id, now);
}

void EdgeCore::OnNewRequest(const Flow& flow, const SipMessage& request,
                            TransactionId transaction, MonoTime now) {
  const SipMethod method = request.method();
  const auto answer = [&](int code) {
    return MakeResponse(request, code, ReasonPhrase(code), PlainTag());
  };
  if (const absl::Status status = MayCome(flow, request, now); !status.ok()) {
    RefuseForNow(flow, request, transaction, status, now);
    return;
  }
  const bool proven = !ProvenResource(flow).empty();
  const auto trying = [&] {
    if (method != SipMethod::kInvite) return;
    Respond(transaction, MakeResponse(request, 100, ReasonPhrase(100), ""),
            now);
  };
  if (proven && !HasToTag(request)) {  // to others not before we know them
    if (method == SipMethod::kInvite) {
      KeepInvite(flow, request, transaction, now);
    }
    trying();
  }
  // Of who calls it is asked first who that is (RFC 3261 section 8.2), so that
  // what is refused for this is known as its call.
  const bool begins_call = method == SipMethod::kInvite && !HasToTag(request);
  const absl::Status understood =
      begins_call ? absl::OkStatus() : CheckUnderstood(request);
  if (!understood.ok()) {
    SipMessage response = answer(SipStatusOf(understood).code);
    if (response.status_code() == 420) {
      response.Add(HeaderId::kUnsupported, UnsupportedExtensions(request));
    }
    RespondUnproven(transaction, std::move(response), now);
    return;
  }
  if (method == SipMethod::kRegister) {
    OnRegister(flow, request, transaction, now);
    return;
  }
  if (HasToTag(request)) {
    if (method == SipMethod::kSubscribe && mwi_.Has(request, flow)) {
      mwi_.OnResubscribe(request, transaction, now);
      return;
    }
    if (!calls_.IsInDialog(request, flow, ProvenResource(flow))) {
      RespondUnproven(transaction, answer(481), now);
      return;
    }
    NoteProved(flow);
    const LegTraceId trace = calls_.LadderOf(request);
    ServerOf(transaction).trace = trace;
    KeepReceived(trace, flow, request, now);
    trying();
    calls_.OnInDialog(request, transaction, flow, ProvenResource(flow), now);
    return;
  }
  switch (method) {
    case SipMethod::kInvite:
      OnInvite(flow, request, transaction, now);
      return;
    case SipMethod::kSubscribe: {
      const auto user = Prove(flow, request, transaction, now);
      if (user.has_value()) {
        mwi_.OnSubscribe(request, transaction, flow, *user, now);
      }
      return;
    }
    case SipMethod::kNotify:
      OnNotify(flow, request, transaction, now);
      return;
    case SipMethod::kRefer: {
      const auto sender = Prove(flow, request, transaction, now);
      if (sender.has_value()) {
        calls_.OnRefer(request, transaction, flow, *sender, now);
      }
      return;
    }
    case SipMethod::kService:
      OnService(flow, request, transaction, now);
      return;
    case SipMethod::kBye:
    case SipMethod::kUpdate:
    case SipMethod::kInfo:
    case SipMethod::kPrack:
      RespondUnproven(transaction, answer(481), now);
      return;
    default: {
      SipMessage response = answer(method == SipMethod::kOther ? 501 : 405);
      response.Add(HeaderId::kAllow, kAllow);
      RespondUnproven(transaction, std::move(response), now);
      return;
    }
  }
}

std::optional<Party> EdgeCore::Prove(const Flow& flow,
                                     const SipMessage& request,
                                     TransactionId transaction, MonoTime now) {
  if (std::optional<Party> port = PortOf(flow)) return port;
  if (const absl::Status status = MayTryPassword(flow, request, now);
      !status.ok()) {
    RefuseForNow(flow, request, transaction, status, now);
    return std::nullopt;
  }
  std::optional<ConnectionIdentity> identity;
  if (const Connection* connection = connections_.Find(flow.connection)) {
    identity = connection->identity;
  }
  RequestAuth::Outcome outcome =
      auth_.Authenticate(request, flow, identity,
                         options_.listeners[flow.listener].logical_port, now);
  if (auto* party = std::get_if<Party>(&outcome)) {
    NoteProved(flow);
    NoteAlias(flow, request);
    OnProven(flow, request, now);
    return std::move(*party);
  }
  if (const auto* refused = std::get_if<RequestAuth::Refused>(&outcome)) {
    OnUnproven(flow, request, false, now);
    if (refused->party.has_value() && request.method() == SipMethod::kInvite) {
      KeepInvite(flow, request, transaction, now);
      calls_.RefuseInvite(request, transaction, flow, *refused->party,
                          refused->status, now);
    } else {
      Refuse(flow, request, transaction, refused->status,
             KindOf(request.method()), now,
             refused->party.has_value() ? &*refused->party : nullptr);
    }
    return std::nullopt;
  }
  const auto& challenge = std::get<RequestAuth::Challenge>(outcome);
  ++stats_.challenges;
  SipMessage response =
      MakeResponse(request, challenge.status_code,
                   ReasonPhrase(challenge.status_code), PlainTag());
  response.Add(challenge.header, challenge.value);
  RespondUnproven(transaction, std::move(response), now);
  OnUnproven(flow, request, challenge.reason == "DIGEST_FAILED", now);
  if (challenge.reason == "DIGEST_FAILED") {
    ReportRefusal(KindOf(request.method()), flow,
                  Denied(challenge.reason, "the password or user is wrong"),
                  challenge.status_code, request.method_text(), now);
  } else if (challenge.reason == "NOT_ALLOWED_IN_FIPS_MODE") {
    ReportRefusal(
        KindOf(request.method()), flow,
        Denied(challenge.reason, "the user's password is kept for MD5 alone"),
        challenge.status_code, request.method_text(), now);
  }
  return std::nullopt;
}

void EdgeCore::OnInvite(const Flow& flow, const SipMessage& request,
                        TransactionId transaction, MonoTime now) {
  const std::optional<Party> caller = Prove(flow, request, transaction, now);
  if (!caller.has_value()) return;
  KeepInvite(flow, request, transaction, now);
  const auto refuse = [&](const absl::Status& why) {
    calls_.RefuseInvite(request, transaction, flow, *caller, why, now);
  };
  if (const absl::Status status = CheckUnderstood(request); !status.ok()) {
    refuse(status);
    return;
  }
  if (ParseMaxForwards(request.Value(HeaderId::kMaxForwards)).value_or(70) ==
      0) {
    refuse(MakeError(absl::StatusCode::kFailedPrecondition, "TOO_MANY_HOPS",
                     "Max-Forwards is used up"));
    return;
  }
  // RFC 3261 section 26.2.2: all of the way is to be secured.
  if (IsSips(request.request_uri()) && !flow.is_tls()) {
    refuse(CheckTransport(SecurityMode::kSipSecured, false));
    return;
  }
  if (ProvenResource(flow).empty()) {
    Respond(transaction, MakeResponse(request, 100, ReasonPhrase(100), ""),
            now);
  }
  if (request.Has(HeaderId::kReplaces)) {
    calls_.OnReplaces(request, transaction, flow, *caller, now);
    return;
  }
  const uint64_t mark_key =
      options_.share == nullptr ? scope_key_ : options_.share->mark_key();
  auto marks =
      LoopMarks(request, caller->resource, mark_key, options_.listeners);
  if (marks.ok() && BreadthOf(request) == 0) {
    marks = MakeError(absl::StatusCode::kResourceExhausted,
                      "MAX_BREADTH_EXCEEDED", "no branch is allowed");
  }
  if (!marks.ok()) {
    refuse(marks.status());
    return;
  }
  calls_.OnInvite(request, transaction, flow, *caller, *std::move(marks), now);
}

void EdgeCore::OnNotify(const Flow& flow, const SipMessage& request,
                        TransactionId transaction, MonoTime now) {
  const std::optional<Party> sender = Prove(flow, request, transaction, now);
  if (!sender.has_value()) return;
  if (absl::Status status = mwi_.OnNotify(request, *sender, now);
      !status.ok()) {
    Refuse(flow, request, transaction, status, RefusalKind::kRequest, now);
    return;
  }
  Respond(transaction,
          MakeResponse(request, 200, ReasonPhrase(200), NewToken()), now);
}

void EdgeCore::ReportMerged(const Flow& flow, TransactionId first,
                            MonoTime now) {
  EdgeEvent event =
      RefusalOf(RefusalKind::kCall, flow,
                MakeError(absl::StatusCode::kAlreadyExists, "MERGED_REQUEST",
                          "the INVITE has come by another way before"),
                482, "INVITE", now);
  event.refusal->call = calls_.CallOfInvite(first);
  Perform(Report{std::move(event)});
}

void EdgeCore::Refuse(const Flow& flow, const SipMessage& request,
                      TransactionId transaction, const absl::Status& status,
                      RefusalKind kind, MonoTime now, const Party* sender) {
  const SipStatus answer = SipStatusOf(status);
  SipMessage response =
      MakeResponse(request, answer.code, answer.phrase, PlainTag());
  if (answer.code == 503) {
    response.SetUint(HeaderId::kRetryAfter,
                     static_cast<uint32_t>(gate_.RetryAfter()));
  }
  RespondUnproven(transaction, std::move(response), now);
  EdgeEvent event =
      RefusalOf(kind, flow, status, answer.code, request.method_text(), now);
  if (sender != nullptr) {
    Refusal& refusal = *event.refusal;
    event.resource = sender->resource;
    (sender->kind == Party::Kind::kPeer ? refusal.peer : refusal.subject) =
        sender->resource;
    refusal.dial_plan = sender->dial_plan;
    refusal.steps = PartySteps(*sender, event.reason, "request");
    NameDevices(*sender, event.reason, *plan_, refusal);
  }
  Perform(Report{std::move(event)});
}

}  // namespace sallyport::signaling_edge
