#include "services/signaling_edge/core/call.h"

#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call_failure.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/q850_cause.h"
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

constexpr uint32_t kMaxForwards = 70;
constexpr std::string_view k100rel = "100rel";

absl::Status Failed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
}

absl::Status CallOver() { return Failed("DIALOG_ENDED", "the call is over"); }

absl::Status NoAnswerError() {
  return Failed("MEDIA_REFUSED", "the offer was accepted without an answer");
}

}  // namespace

CallMedia::LegPolicy Call::MediaPolicyOf(const LegSetup& leg,
                                         const LegSetup& other) {
  const bool pass = leg.pass_through && other.pass_through;
  return {.mode = leg.party.mode,
          .is_tls = leg.flow.is_tls(),
          .suites = leg.suites,
          .keying = leg.keying,
          .ice = leg.ice,
          .pass_through = pass,
          .music = leg.music,
          .v150 = leg.v150};
}

Call::Call(uint64_t id, LegSetup caller, LegSetup called, const Timers& timers,
           RandomSource& random)
    : timers_(timers),
      random_(random),
      called_(std::move(called)),
      caller_said_before_(caller.said_before),
      caller_rel1xx_(caller.rel1xx),
      charging_(caller.charging && called_.charging),
      called_call_id_(Cat(HexOf(random.NextU64()), HexOf(random.NextU64()))),
      caller_tag_(caller.tag),
      called_tag_(called_.tag),
      media_(MediaPolicyOf(caller, called_), MediaPolicyOf(called_, caller),
             random) {
  record_.id = id;
  record_.tenant = caller.party.tenant;
  record_.legs.resize(2);
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    const LegSetup& setup = side == LegSide::kA ? caller : called_;
    leg(side).party = setup.party;
    leg(side).flow = setup.flow;
    leg(side).contact = setup.contact;
    leg(side).told_security = setup.told_security;
    leg(side).timer = SessionTimer(setup.session.value_or(timers.session));
    LegRecord& row = leg_record(side);
    row.incoming = side == LegSide::kA;
    row.party = setup.party;
    row.flow = setup.flow;
    row.called = setup.called;
    row.calling = setup.calling;
  }
  record_.called = caller.called;
  record_.calling = caller.calling;
  leg_record(LegSide::kB).sip_call_id = called_call_id_;
  leg(LegSide::kB).ended = true;  // until it is called
  UpdateSuites();
}

CallActions Call::Take() { return std::exchange(actions_, {}); }

void Call::SetFlow(LegSide side, const Flow& flow, std::string contact) {
  leg(side).flow = flow;
  leg(side).contact =
      IsSips(leg(side).contact) ? AsSips(contact) : std::move(contact);
  leg_record(side).flow = flow;
}

void Call::UpdateSuites() {
  for (size_t i = 0; i < 2; ++i) {
    const RelayLeg& leg = media_.wanted()[i];
    record_.legs[i].dtls = leg.dtls;
    // That of DTLS-SRTP is told by the relay.
    if (!leg.dtls) record_.legs[i].suite = leg.suite;
  }
}

void Call::SetState(CallState state) {
  record_.state = state;
  for (LegRecord& row : record_.legs) row.state = state;
  actions_.push_back(CallStateChanged{});
}

void Call::SetAnswered(MonoTime now) {
  if (alone()) {
    SetState(CallState::kQueued);
    return;
  }
  const bool held = media_.on_hold();
  if (!held && record_.state != CallState::kAnswered) unheld_ = now;
  SetState(held ? CallState::kHeld : CallState::kAnswered);
}

bool Call::done() const {
  if (!record_.ended.has_value()) return false;
  return over_ || (legs_[0].ended && legs_[1].ended && !exchange_.has_value() &&
                   !outer_.has_value() && !media_busy_);
}

MonoTime Call::deadline() const {
  MonoTime next = linger_until_;
  if (exchange_.has_value()) next = std::min(next, exchange_->give_up);
  for (const auto& waiting : unacknowledged_) {
    if (waiting.has_value()) {
      next = std::min({next, waiting->again, waiting->give_up});
    }
  }
  if (reliable_.has_value()) {
    next = std::min({next, reliable_->again, reliable_->give_up});
  }
  if (record_.answered.has_value() && !record_.ended.has_value()) {
    for (const Leg& one : legs_) {
      next = std::min({next, one.timer.refresh_at(), one.timer.expires_at()});
    }
    next = std::min({next, WatchDeadline(), tell_at_});
  } else if (!record_.ended.has_value()) {
    next = std::min(next, reanchor_at_);
  }
  return next;
}

// ---------------------------------------------------------------- requests

CallActions Call::Start(const SipMessage& invite, TransactionId transaction,
                        MonoTime now) {
  record_.started = now;
  leg_record(LegSide::kA).sip_call_id = invite.Value(HeaderId::kCallId);
  exchange_ = Exchange();
  exchange_->transaction = transaction;
  exchange_->request = invite;
  exchange_->initial = true;
  exchange_->reliable_required =
      NamesToken(invite, HeaderId::kRequire, k100rel);
  exchange_->reliable = exchange_->reliable_required ||
                        NamesToken(invite, HeaderId::kSupported, k100rel);
  if (caller_rel1xx_ == Rel1xx::kAlways) {
    exchange_->reliable_required = exchange_->reliable;
  }
  leg(LegSide::kA).allows_update =
      NamesToken(invite, HeaderId::kAllow, "UPDATE");
  auto dialog =
      Dialog::AsCallee(invite, caller_tag_, leg(LegSide::kA).flow.is_tls());
  SetState(CallState::kProceeding);
  if (!dialog.ok()) {
    RefuseExchange(dialog.status(), LegSide::kA, now);
    return Take();
  }
  leg(LegSide::kA).dialog = *std::move(dialog);
  if (caller_rel1xx_ == Rel1xx::kDisabled) {
    if (exchange_->reliable_required) {
      RefuseExchange(
          MakeError(absl::StatusCode::kInvalidArgument, "EXTENSION_UNSUPPORTED",
                    "the SIP profile of the caller has no PRACK"),
          LegSide::kA, now);
      return Take();
    }
    exchange_->reliable = false;
  }
  if (absl::Status status = leg(LegSide::kA).timer.Check(invite);
      !status.ok()) {
    RefuseExchange(status, LegSide::kA, now);
    return Take();
  }
  CarryOver(now);
  return Take();
}

CallActions Call::StartAlone(const SipMessage& invite,
                             TransactionId transaction, std::string prompt,
                             MonoTime now) {
  alone_ = std::move(prompt);
  return Start(invite, transaction, now);
}

void Call::AnswerAlone(MonoTime now) {
  if (absl::Status status = media_.AnswerAlone(alone_); !status.ok()) {
    RefuseExchange(status, exchange_->from, now);
    return;
  }
  exchange_->stage = Exchange::Stage::kMediaForAlone;
  TellRelay(now);
}

void Call::DeliverAlone(MonoTime now) {
  Exchange& exchange = *exchange_;
  Leg& caller = leg(LegSide::kA);
  auto body = exchange.late_offer ? media_.OfferFor(LegSide::kA)
                                  : media_.AnswerFor(LegSide::kA);
  if (!body.ok()) {
    RefuseExchange(body.status(), LegSide::kA, now);
    return;
  }
  caller.dialog->AcceptTarget(exchange.request);
  caller.dialog->Confirm();
  SipMessage reply = MakeResponse(exchange.request, 200, ReasonPhrase(200),
                                  caller.dialog->id().local_tag);
  reply.Add(HeaderId::kContact, Cat("<", caller.contact, ">"));
  reply.Add(HeaderId::kAllow, kCallMethods);
  caller.timer.OnRequest(exchange.request, reply, now);
  AddSecurity(LegSide::kA, reply);
  AddSdp(reply, *body);
  if (exchange.late_offer) exchange.described = *std::move(body);
  if (exchange.initial) {
    leg_record(LegSide::kA).sip_status = 200;
    record_.answered = now;
  }
  if (exchange.method != SipMethod::kInvite) {
    actions_.push_back(
        CallRespond{LegSide::kA, exchange.transaction, std::move(reply)});
  } else {
    RespondUntilAck(LegSide::kA, exchange.transaction, std::move(reply), now);
  }
  if (exchange.late_offer) {
    exchange.stage = Exchange::Stage::kLateOffer;
  } else {
    media_.Finish();
    CloseExchange();
  }
  SetAnswered(now);
}

void Call::CarryOver(MonoTime now) {
  Exchange& exchange = *exchange_;
  if (exchange.request.body().empty() && alone()) {
    exchange.late_offer = true;
    media_.OfferAlone();
    if (media_.has_session()) {
      DeliverAlone(now);
    } else {
      SendOffer(now);
    }
    return;
  }
  if (exchange.request.body().empty()) {
    exchange.late_offer = true;
    exchange.early =
        exchange.initial && called_.early_offer && !media_.passes_through();
    if (!exchange.early) {
      SendInvite(now);
      return;
    }
    media_.MakeUpOffer(exchange.from);
    SendOffer(now);
    return;
  }
  if (IsEncoded(exchange.request)) {
    RefuseExchange(MakeError(absl::StatusCode::kInvalidArgument,
                             "CONTENT_ENCODING_UNSUPPORTED",
                             "the body has a content coding"),
                   exchange.from, now);
    return;
  }
  if (!HasSdp(exchange.request)) {
    RefuseExchange(
        MakeError(absl::StatusCode::kInvalidArgument, "BODY_TYPE_UNSUPPORTED",
                  "the body is no session description"),
        exchange.from, now);
    return;
  }
  if (absl::Status status = media_.ReceiveOffer(
          exchange.from, exchange.request.body(),
          exchange.own || (exchange.initial && caller_said_before_));
      !status.ok()) {
    RefuseExchange(status, exchange.from, now);
    return;
  }
  UpdateSuites();
  if (alone() && media_.has_session()) {
    AnswerAlone(now);
    return;
  }
  SendOffer(now);
}

void Call::SendOffer(MonoTime now) {
  if (media_.has_session() && !media_.PrepareOffer(Other(exchange_->from))) {
    SendInvite(now);
    return;
  }
  exchange_->stage = Exchange::Stage::kMediaForOffer;
  TellRelay(now);
}

void Call::SendInvite(MonoTime now) {
  Exchange& exchange = *exchange_;
  const LegSide other = Other(exchange.from);
  std::string body;
  if (!exchange.late_offer || exchange.early) {
    auto offer = media_.OfferFor(other);
    if (!offer.ok()) {
      RefuseExchange(offer.status(), exchange.from, now);
      return;
    }
    body = *std::move(offer);
  }
  SipMessage request;
  const bool first = exchange.initial && !exchange.taken;
  if (first) {
    request = SipMessage::Request(SipMethod::kInvite, called_.request_uri);
    const auto hops =
        ParseMaxForwards(exchange.request.Value(HeaderId::kMaxForwards));
    request.SetUint(HeaderId::kMaxForwards,
                    hops.has_value() && *hops > 0 ? *hops - 1u : kMaxForwards);
    request.Add(HeaderId::kFrom, Cat(called_.from, ";tag=", called_tag_));
    request.Add(HeaderId::kTo, called_.to);
    request.Add(HeaderId::kCallId, called_call_id_);
    request.Add(HeaderId::kCseq, Cat(++exchange.tries, " INVITE"));
    if (!called_.asserted_identity.empty()) {
      request.Add(HeaderId::kPAssertedIdentity, called_.asserted_identity);
    }
    for (const auto& [id, value] : called_.headers) request.Add(id, value);
    leg(other).ended = leg(other).owed_offer = false;
  } else {
    request = leg(other).dialog->MakeRequest(exchange.method);
  }
  request.Add(HeaderId::kContact, Cat("<", leg(other).contact, ">"));
  request.Add(HeaderId::kAllow, kCallMethods);
  if (exchange.method == SipMethod::kPrack) {
    request.Add(HeaderId::kRack, exchange.rack);
  } else {
    // What the caller cannot do is not offered in its name, unless we do it.
    const bool offer_100rel =
        called_.rel1xx == Rel1xx::kAlways ||
        (called_.rel1xx == Rel1xx::kEndToEnd && exchange.reliable);
    request.Add(HeaderId::kSupported,
                first && offer_100rel ? "timer, 100rel" : "timer");
    leg(other).timer.AddToRequest(request);
  }
  AddSecurity(other, request);
  AddSdp(request, body);
  exchange.stage = Exchange::Stage::kSent;
  exchange.sent = true;
  exchange.cseq = CseqNumber(request);
  exchange.give_up = now + timers_.ring;
  actions_.push_back(CallSendRequest{other, std::move(request)});
}

void Call::OnBye(LegSide from, const SipMessage& request,
                 TransactionId transaction, MonoTime now) {
  Respond(from, transaction, request, 200);
  leg(from).ended = true;
  leg(from).dialog->Terminate();
  if (record_.ended.has_value()) return;
  DropInner();
  if (exchange_.has_value() && exchange_->initial &&
      exchange_->stage != Exchange::Stage::kLateOffer &&
      exchange_->stage != Exchange::Stage::kMediaForAck) {
    // The caller gives up before the answer; or a callee that hung up an early
    // dialog, which is a refusal.
    const bool caller = from == LegSide::kA;
    AnswerFinally(
        caller ? 487 : 480, caller ? "CANCELLED" : "CALL_REJECTED",
        caller ? CallDisposition::kCancelled : CallDisposition::kNoAnswer, now);
    return;
  }
  EndBoth("NORMAL_CLEARING",
          record_.answered.has_value() ? CallDisposition::kAnswered
                                       : CallDisposition::kCancelled,
          now);
}

CallActions Call::OnCancel(TransactionId invite, MonoTime now) {
  if (taking_.has_value() && taking_->transaction == invite) {
    taking_->cancelled = true;
    actions_.push_back(
        CallRespond{LegSide::kB, invite,
                    MakeResponse(taking_->invite, 487, ReasonPhrase(487),
                                 taking_->leg.dialog->id().local_tag)});
    return Take();
  }
  if (late_taker_.has_value() && late_taker_->transaction == invite) {
    EndBoth("CANCELLED", CallDisposition::kCancelled, now);
    return Take();
  }
  if (outer_.has_value() && outer_->transaction == invite) DropInner();
  if (exchange_.has_value() && exchange_->transaction == invite &&
      exchange_->method == SipMethod::kInvite && !exchange_->refused &&
      exchange_->stage != Exchange::Stage::kLateOffer &&
      exchange_->stage != Exchange::Stage::kMediaForAck) {
    AnswerFinally(487, "CANCELLED", CallDisposition::kCancelled, now);
  }
  return Take();
}

CallActions Call::OnAck(LegSide from, const SipMessage& ack, MonoTime now) {
  auto& waiting = unacknowledged_[IndexOf(from)];
  if (!waiting.has_value() ||
      CseqNumber(waiting->response) != CseqNumber(ack)) {
    return Take();
  }
  waiting.reset();
  if (exchange_.has_value() && from == LegSide::kB &&
      exchange_->stage == Exchange::Stage::kTakerAck) {
    OnTakerAck(ack, now);
    return Take();
  }
  if (!exchange_.has_value() ||
      exchange_->stage != Exchange::Stage::kLateOffer) {
    ReanchorAtOnce(now);
    if (realign_.has_value() && settled()) {
      StartOwnOffer(*std::exchange(realign_, std::nullopt), now);
    }
    TellSecurity(now);
    return Take();
  }
  // The answer to a late offer (RFC 3261 section 13.2.1).
  absl::Status status =
      HasSdp(ack) ? media_.ReceiveAnswer(from, ack.body()) : NoAnswerError();
  if (status.ok() && alone()) status = media_.PlayAlone(alone_);
  if (!status.ok()) {
    actions_.push_back(
        CallRefused{from, status, 0, WhatIsRefused(), exchange_->method});
    EndLateOffer(SipStatusOf(status).code);
    CloseExchange();
    media_.Abandon();
    EndBoth(ReasonOf(status), CallDisposition::kRefused, now);
    return Take();
  }
  exchange_->stage = Exchange::Stage::kMediaForAck;
  exchange_->give_up = MonoTime::InfiniteFuture();
  TellRelay(now);
  return Take();
}

// ------------------------------------------------------------------ endings

void Call::AckFor(LegSide side, uint32_t cseq, std::string_view body) {
  Leg& receiver = leg(side);
  if (!receiver.dialog.has_value()) return;
  SipMessage ack = receiver.dialog->MakeAck(cseq);
  AddSdp(ack, body);
  receiver.last_ack = ack;
  receiver.last_ack_cseq = cseq;
  actions_.push_back(CallSendAck{side, std::move(ack)});
}

void Call::RefuseExchange(const absl::Status& status, LegSide offender,
                          MonoTime now) {
  const int code = SipStatusOf(status).code;
  const std::string reason = ReasonOf(status);
  actions_.push_back(
      CallRefused{offender, status, code, WhatIsRefused(), exchange_->method});
  AnswerFinally(code, reason.empty() ? "INTERNAL" : reason,
                CallDisposition::kRefused, now);
}

void Call::AnswerFinally(int code, std::string_view reason,
                         CallDisposition disposition, MonoTime now) {
  Exchange& exchange = *exchange_;
  if (!exchange.refused) {
    exchange.refused = true;
    Respond(exchange.from, exchange.transaction, exchange.request, code);
    UndoReplacing(exchange.from);
    if (taking_.has_value()) RefusePickUp(CallOver());
    media_.Abandon();
    UpdateSuites();
  }
  const bool initial = exchange.initial;
  if (initial) {
    leg_record(LegSide::kA).sip_status = code;
    leg(LegSide::kA).ended = true;
    reliable_.reset();
    End(reason, disposition, now);
  }
  if (exchange.taken) {
    // Who has picked it up has been answered: what it is asked ends with it.
    unacknowledged_[IndexOf(LegSide::kB)].reset();
    if (!leg(LegSide::kB).ended) SendBye(LegSide::kB);
    exchange.sent = false;
  }
  if (exchange.sent) {
    CancelOther(now);
  } else if (!media_busy_) {
    CloseExchange();
  }
}

void Call::CancelOther(MonoTime now) {
  Exchange& exchange = *exchange_;
  exchange.give_up = now + timers_.sip.timeout();
  // Section 9.1: not before the other side has shown that it has the INVITE.
  if (exchange.method != SipMethod::kInvite || !exchange.provisional ||
      exchange.cancel_sent) {
    return;
  }
  exchange.cancel_sent = true;
  // RFC 3326: a phone need not show it as missed.
  std::string why;
  if (cause_ != 0) {
    why = Q850Reason(cause_);
  } else if (record_.reason == "ANSWERED_ELSEWHERE") {
    why = "SIP;cause=200;text=\"Call completed elsewhere\"";
  }
  actions_.push_back(
      CallCancelInvite{Other(exchange.from), exchange.cseq, std::move(why)});
}

void Call::SendBye(LegSide side) {
  Leg& receiver = leg(side);
  if (receiver.bye_sent || !receiver.dialog.has_value()) return;
  receiver.bye_sent = true;
  receiver.ended = false;
  SipMessage bye = receiver.dialog->MakeRequest(SipMethod::kBye);
  if (cause_ != 0) bye.Add(HeaderId::kReason, Q850Reason(cause_));
  actions_.push_back(CallSendRequest{side, std::move(bye)});
}

void Call::EndBoth(std::string_view reason, CallDisposition disposition,
                   MonoTime now) {
  DropInner();
  if (exchange_.has_value()) {
    const bool initial = exchange_->initial;
    const bool answered = exchange_->stage == Exchange::Stage::kLateOffer ||
                          exchange_->stage == Exchange::Stage::kMediaForAck;
    if (answered) {
      EndLateOffer(reason == "CANCELLED" ? 487 : 480);
      CloseExchange();
      media_.Abandon();
    } else if (!exchange_->refused) {
      const int code = cause_ == 0 ? 480 : SipCodeOfCause(cause_);
      AnswerFinally(initial ? code : 487, reason, disposition, now);
    }
  }
  unacknowledged_ = {};
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    const Leg& one = leg(side);
    if (!one.ended && one.dialog.has_value() &&
        one.dialog->state() != Dialog::State::kEarly) {
      SendBye(side);
    }
  }
  End(reason, disposition, now);
}

void Call::End(std::string_view reason, CallDisposition disposition,
               MonoTime now) {
  if (record_.ended.has_value()) return;
  record_.ended = now;
  record_.reason = reason;
  record_.disposition = disposition;
  linger_until_ = now + 2 * timers_.sip.timeout();
  for (Leg& one : legs_) one.timer.Stop();
  for (const Passing& passing : passing_) {
    RefuseRequest(passing.from, passing.transaction, passing.request,
                  CallOver(), 481);
  }
  passing_.clear();
  if (media_.has_session() && !media_deleted_) DeleteMedia(record_.reason);
  SetState(CallState::kEnded);
}

CallActions Call::GiveUp(int code, std::string_view reason,
                         CallDisposition disposition, MonoTime now) {
  DropInner();
  if (exchange_.has_value() && exchange_->initial && !exchange_->refused) {
    AnswerFinally(code, reason, disposition, now);
  }
  return Take();
}

CallActions Call::Hangup(std::string_view reason, MonoTime now,
                         uint32_t cause) {
  if (!record_.ended.has_value()) {
    cause_ = cause;
    EndBoth(reason,
            record_.answered.has_value() ? CallDisposition::kAnswered
                                         : CallDisposition::kFailed,
            now);
  }
  return Take();
}

CallActions Call::OnDeadline(MonoTime now) {
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    auto& waiting = unacknowledged_[IndexOf(side)];
    if (!waiting.has_value()) continue;
    if (now >= waiting->give_up) {
      EndBoth("ACK_MISSING", CallDisposition::kFailed, now);
    } else if (now >= waiting->again) {
      waiting->gap = std::min(2 * waiting->gap, timers_.sip.t2);
      waiting->again = now + waiting->gap;
      actions_.push_back(
          CallRespond{side, waiting->transaction, waiting->response});
    }
  }
  if (exchange_.has_value() && now >= exchange_->give_up) {
    if (exchange_->refused) {
      // Neither the CANCEL nor its INVITE was answered.
      leg(Other(exchange_->from)).ended = true;
      CloseExchange();
    } else {
      AnswerFinally(exchange_->initial ? 480 : 408, "NO_ANSWER",
                    exchange_->initial ? CallDisposition::kNoAnswer
                                       : CallDisposition::kAnswered,
                    now);
    }
  }
  OnReliableDeadline(now);
  RefreshLegs(now);
  OnWatchDeadline(now);
  if (now >= tell_at_) TellSecurity(now);
  if (now >= linger_until_) {
    linger_until_ = MonoTime::InfiniteFuture();
    over_ = true;
  }
  return Take();
}

void Call::Respond(LegSide to, TransactionId transaction,
                   const SipMessage& request, int code, std::string_view body) {
  if (transaction == 0) return;  // nobody had asked
  actions_.push_back(
      CallRespond{to, transaction, MakeLegResponse(to, request, code, body)});
}

SipMessage Call::MakeLegResponse(LegSide to, const SipMessage& request,
                                 int code, std::string_view body) {
  const Leg& receiver = leg(to);
  SipMessage response =
      MakeResponse(request, code, ReasonPhrase(code),
                   receiver.dialog.has_value()
                       ? std::string_view(receiver.dialog->id().local_tag)
                       : std::string_view(called_tag_));
  if (code > 100 && code < 300 && IsExchange(request.method())) {
    response.Add(HeaderId::kContact, Cat("<", receiver.contact, ">"));
    AddSecurity(to, response);
    if (request.method() == SipMethod::kInvite) AddCharging(response);
  }
  if (code == 405 || code == 200 || code == 180 || code == 183) {
    response.Add(HeaderId::kAllow, kCallMethods);
  }
  if (code == 415) response.Add(HeaderId::kAccept, "application/sdp");
  if (code == 422) receiver.timer.AddMinimum(response);
  if (code == 420) {
    // What the SIP profile of the leg has switched off, if nothing else.
    const std::string missing = UnsupportedExtensions(request);
    response.Add(HeaderId::kUnsupported,
                 missing.empty() ? k100rel : std::string_view(missing));
  }
  if (cause_ != 0 && code >= 300) {
    response.Add(HeaderId::kReason, Q850Reason(cause_));  // RFC 6432
  }
  // RFC 3311 section 5.2: ask again, but not all at once.
  if (code == 500 && request.method() == SipMethod::kUpdate) {
    response.SetUint(HeaderId::kRetryAfter,
                     static_cast<uint32_t>(random_.NextU64() % 10));
  }
  AddSdp(response, body);
  return response;
}

}  // namespace sallyport::signaling_edge
