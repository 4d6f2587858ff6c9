// What a SIP message from the wire meets, from the parser to the one who
// answers it.
#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/attempt.h"
#include "services/signaling_edge/core/edge_core.h"
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

// Whether its sender has to show who it is, and does so by a password.
bool ShowsPassword(const SipMessage& request) {
  switch (request.method()) {
    case SipMethod::kRegister:
      return request.Has(HeaderId::kAuthorization);
    case SipMethod::kNotify:
    case SipMethod::kRefer:
    case SipMethod::kSubscribe:
      return request.Has(HeaderId::kProxyAuthorization);
    default:
      return false;
  }
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
    OnUnreadable(flow, text, message.status(), now);
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
      } else {
        TellRefused(
            flow, request,
            MakeError(absl::StatusCode::kAlreadyExists, "MERGED_REQUEST",
                      "the request has come by another way before"),
            482, now);
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
    if (outcome.cancelled == 0) {
      RefuseRequest(flow, request, outcome.id, NothingToCancel(), now);
      return;
    }
    SipMessage response =
        MakeResponse(request, 200, ReasonPhrase(200), NewToken());
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
  if (const absl::Status status = MayCome(flow, request, now); !status.ok()) {
    RefuseForNow(flow, request, transaction, status, now);
    return;
  }
  if (method == SipMethod::kInvite && !HasToTag(request) &&
      !ProvenResource(flow).empty()) {  // to others not before we know them
    KeepInvite(flow, request, transaction, now);
    Respond(transaction, MakeResponse(request, 100, ReasonPhrase(100), ""),
            now);
  }
  const Party* const subscriber =
      method == SipMethod::kSubscribe && HasToTag(request)
          ? mwi_.SubscriberOf(request, flow)
          : nullptr;
  if (HasToTag(request) && method != SipMethod::kRegister &&
      subscriber == nullptr) {
    OnDialogRequest(flow, request, transaction, now);
    return;
  }
  // Of who calls it is asked first who that is (RFC 3261 section 8.2), so that
  // what is refused for this is known as its call; and so it is of who says it
  // at once.
  const absl::Status understood = method == SipMethod::kInvite
                                      ? absl::OkStatus()
                                      : CheckUnderstood(request);
  if (!understood.ok()) {
    std::optional<Party> sender;
    if (subscriber != nullptr) {
      sender = *subscriber;
    } else if (ShowsPassword(request)) {
      sender = Prove(flow, request, transaction, now);
      if (!sender.has_value()) return;
    }
    RefuseRequest(flow, request, transaction, understood, now,
                  sender.has_value() ? &*sender : nullptr);
    return;
  }
  if (method == SipMethod::kRegister) {
    OnRegister(flow, request, transaction, now);
    return;
  }
  if (subscriber != nullptr) {
    if (const absl::Status status =
            mwi_.OnResubscribe(request, transaction, now);
        !status.ok()) {
      RefuseRequest(flow, request, transaction, status, now, subscriber);
    }
    return;
  }
  switch (method) {
    case SipMethod::kInvite:
      OnInvite(flow, request, transaction, now);
      return;
    case SipMethod::kSubscribe: {
      const auto user = Prove(flow, request, transaction, now);
      if (!user.has_value()) return;
      if (const absl::Status status =
              mwi_.OnSubscribe(request, transaction, flow, *user, now);
          !status.ok()) {
        RefuseRequest(flow, request, transaction, status, now, &*user);
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
      RefuseUnknownDialog(flow, request, transaction, now);
      return;
    default:
      RefuseRequest(
          flow, request, transaction,
          method == SipMethod::kOther
              ? MakeError(absl::StatusCode::kUnimplemented, "METHOD_UNKNOWN",
                          "the method is unknown here")
              : MakeError(absl::StatusCode::kUnimplemented,
                          "METHOD_NOT_ALLOWED",
                          "the method has no place outside of a call"),
          now);
      return;
  }
}

void EdgeCore::OnDialogRequest(const Flow& flow, const SipMessage& request,
                               TransactionId transaction, MonoTime now) {
  if (!calls_.IsInDialog(request, flow, ProvenResource(flow))) {
    RefuseUnknownDialog(flow, request, transaction, now);
    return;
  }
  NoteProved(flow);
  const LegTraceId trace = calls_.LadderOf(request);
  ServerOf(transaction).trace = trace;
  KeepReceived(trace, flow, request, now);
  if (request.method() == SipMethod::kInvite) {
    Respond(transaction, MakeResponse(request, 100, ReasonPhrase(100), ""),
            now);
  }
  calls_.OnInDialog(request, transaction, flow, ProvenResource(flow), now);
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
  RequestAuth::Outcome outcome =
      auth_.Authenticate(request, flow, IdentityOn(flow),
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
    } else if (refused->party.has_value() &&
               RefusalKindOf(request.method()) == RefusalKind::kRequest) {
      RefuseRequest(flow, request, transaction, refused->status, now,
                    &*refused->party);
    } else {
      Refuse(flow, request, transaction, refused->status,
             RefusalKindOf(request.method()), now,
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
    ReportRefusal(RefusalKindOf(request.method()), flow,
                  Denied(challenge.reason, "the password or user is wrong"),
                  challenge.status_code, request.method_text(), now);
  } else if (challenge.reason == "NOT_ALLOWED_IN_FIPS_MODE") {
    ReportRefusal(
        RefusalKindOf(request.method()), flow,
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
    RefuseRequest(flow, request, transaction, status, now, &*sender);
    return;
  }
  Respond(transaction,
          MakeResponse(request, 200, ReasonPhrase(200), NewToken()), now);
}

}  // namespace sallyport::signaling_edge
