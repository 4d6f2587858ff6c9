// What comes back on a leg of a call.
#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/call_failure.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxWaiting = 16;
constexpr uint32_t kMaxForks = 16;  // of a call, that are hung up
constexpr size_t kMaxRedirects = 8;
// After a refresh that failed, but not for good.
constexpr absl::Duration kTryAgain = absl::Seconds(5);

absl::Status NoAnswerError() {
  return MakeError(absl::StatusCode::kFailedPrecondition, "MEDIA_REFUSED",
                   "the offer was accepted without an answer");
}

}  // namespace

// --------------------------------------------------------------- responses

// Not so for the BYE to a branch of a fork that lost.
bool Call::IsOfDialog(const Leg& leg, const SipMessage& request) {
  return leg.dialog.has_value() &&
         leg.dialog->id() == DialogIdOfResponse(request);
}

CallActions Call::OnResponse(LegSide from, const SipMessage& request,
                             const SipMessage& response, MonoTime now) {
  const SipMethod method = request.method();
  const int code = response.status_code();
  Leg& sender = leg(from);
  const bool left_behind = IsLeftBehind(from, request);
  if (left_behind && method != SipMethod::kInvite) return Take();
  if (method == SipMethod::kCancel) return Take();
  if (method == SipMethod::kBye) {
    if (code >= 200 && IsOfDialog(sender, request)) sender.ended = true;
    return Take();
  }
  const uint32_t cseq = CseqNumber(request);
  if (method == SipMethod::kUpdate && sender.update_cseq == cseq) {
    return OnRefreshed(from, request, response, now);
  }
  const bool carried = exchange_.has_value() && exchange_->method == method;
  if (!IsExchange(method) && !carried) {
    const auto it = std::find_if(
        passing_.begin(), passing_.end(), [&](const Passing& passing) {
          return passing.from == Other(from) && passing.cseq == cseq;
        });
    if (it != passing_.end() && code >= 200) {
      Respond(it->from, it->transaction, it->request,
              code < 300 ? code : CodeForCaller(code));
      passing_.erase(it);
    }
    return Take();
  }
  if (!left_behind && outer_.has_value() && from == Other(outer_->from) &&
      outer_->sent && outer_->cseq == cseq && outer_->method == method) {
    if (code < 300) {
      Postpone(response);
      return Take();
    }
    DropInner();
  }
  if (!left_behind && exchange_.has_value() && from == Other(exchange_->from) &&
      exchange_->sent && exchange_->cseq == cseq &&
      exchange_->method == method &&
      exchange_->stage != Exchange::Stage::kLateOffer &&
      exchange_->stage != Exchange::Stage::kMediaForAck) {
    if (media_busy_ || (reliable_.has_value() && code < 300)) {
      Postpone(response);
      return Take();
    }
    if (sender.dialog.has_value() &&
        sender.dialog->id() == DialogIdOfResponse(response)) {
      sender.dialog->OnResponse(request, response);
    } else if (exchange_->initial && !exchange_->taken && code > 100 &&
               code < 300 && (code >= 200 || !sender.dialog.has_value())) {
      auto dialog = Dialog::AsCaller(request, response, sender.flow.is_tls());
      if (dialog.ok()) {
        sender.dialog = *std::move(dialog);
        sender.last_rseq = 0;
      } else if (code >= 200) {
        // It cannot even be acknowledged.
        OnFailure(from, 502, now);
        return Take();
      }
    }
    if (exchange_->initial && code > 100 && code < 200) {
      NoteEarlyBranch(sender, response);
    }
    if (code > 100 && code < 200 && !TakeReliable(from, request, response)) {
      return Take();
    }
    OnExchangeResponse(from, response, now);
    TakeWaiting(now);
    TellSecurity(now);
    return Take();
  }
  if (method != SipMethod::kInvite || code < 200 || code >= 300) return Take();
  // A 2xx again: its ACK was lost. Or that of another branch of a fork, which
  // is taken and hung up (section 13.2.2.4).
  if (sender.dialog.has_value() &&
      sender.dialog->id() == DialogIdOfResponse(response)) {
    if (sender.last_ack.has_value() &&
        sender.last_ack_cseq == CseqNumber(request)) {
      actions_.push_back(CallSendAck{from, *sender.last_ack});
    }
    return Take();
  }
  if (forks_ >= kMaxForks) return Take();
  auto fork = Dialog::AsCaller(request, response, sender.flow.is_tls());
  if (fork.ok()) {
    ++forks_;
    const std::optional<Flow> flow = left_behind ? left_behind_ : std::nullopt;
    actions_.push_back(
        CallSendAck{from, fork->MakeAck(CseqNumber(request)), flow});
    actions_.push_back(
        CallSendRequest{from, fork->MakeRequest(SipMethod::kBye), flow});
  }
  return Take();
}

void Call::NoteEarlyBranch(const Leg& called, const SipMessage& response) {
  const std::string tag = DialogIdOfResponse(response).remote_tag;
  if (!called.dialog.has_value() || tag.empty() ||
      tag == called.dialog->id().remote_tag ||
      early_tags_.size() >= kMaxForks ||
      std::find(early_tags_.begin(), early_tags_.end(), tag) !=
          early_tags_.end()) {
    return;
  }
  early_tags_.push_back(tag);
}

// Of provisional ones a few will do; a final one has room left.
void Call::Postpone(const SipMessage& response) {
  const int code = response.status_code();
  // What is sent again for want of a PRACK is here already.
  if (IsReliableProvisional(response) &&
      std::any_of(waiting_.begin(), waiting_.end(), [&](const SipMessage& one) {
        return RseqOf(one) == RseqOf(response);
      })) {
    return;
  }
  if (code > 100 &&
      waiting_.size() < (code < 200 ? kMaxWaiting / 2 : kMaxWaiting)) {
    waiting_.push_back(response);
  }
}

void Call::OnExchangeResponse(LegSide from, const SipMessage& response,
                              MonoTime now) {
  const int code = response.status_code();
  if (charging_ && exchange_->initial && !exchange_->taken) {
    exchange_->charging = ChargingHeadersOf(response);
  }
  if (code < 200) {
    OnProvisional(from, response, now);
  } else if (code < 300) {
    OnSuccess(from, response, now);
  } else if (code == 422 && !exchange_->refused &&
             leg(from).timer.OnTooSmall(response)) {
    // RFC 4028 section 7.3: the same again, for longer.
    exchange_->provisional = false;
    if (exchange_->initial && !exchange_->taken) {
      leg(from).dialog.reset();
      early_tags_.clear();
    }
    if (exchange_->initial && media_.offer_pending()) {
      SendOffer(now);  // of another relay, if that is lost meanwhile
    } else {
      SendInvite(now);
    }
  } else {
    if (code < 400 && exchange_->initial && !exchange_->taken) {
      for (const std::string_view contact :
           response.Items(HeaderId::kContact)) {
        if (redirects_.size() < kMaxRedirects) redirects_.emplace_back(contact);
      }
    }
    OnFailure(from, code, now);
  }
}

void Call::AddCharging(SipMessage& response) {
  if (!exchange_.has_value() || !exchange_->initial) return;
  for (const auto& [id, value] : std::exchange(exchange_->charging, {})) {
    response.Add(id, value);
  }
}

void Call::OnProvisional(LegSide from, const SipMessage& response,
                         MonoTime now) {
  Exchange& exchange = *exchange_;
  exchange.provisional = true;
  if (exchange.refused) {
    CancelOther(now);
    return;
  }
  if (response.status_code() == 100 || exchange.method != SipMethod::kInvite ||
      !exchange.initial || exchange.taken) {
    return;
  }
  const Leg& sender = leg(from);
  // Only one branch of a fork can have its early media heard.
  const bool ours = sender.dialog.has_value() &&
                    sender.dialog->id() == DialogIdOfResponse(response);
  if (ours) {
    leg(from).allows_update |= NamesToken(response, HeaderId::kAllow, "UPDATE");
  }
  const bool reliable = IsReliableProvisional(response);
  // A late offer counts only if it cannot get lost (RFC 3262 section 5).
  if (exchange.settled || !ours || !HasSdp(response) ||
      (exchange.late_offer && !reliable && !exchange.early)) {
    Forward(response, now);
    return;
  }
  if (absl::Status status = exchange.late_offer && !exchange.early
                                ? media_.ReceiveOffer(from, response.body())
                                : media_.ReceiveAnswer(from, response.body());
      !status.ok()) {
    // It did answer, and that others may do better is up to them.
    leg_record(from).sip_status = response.status_code();
    RefuseExchange(status, from, now);
    return;
  }
  UpdateSuites();
  if (exchange.early) {  // there is nobody yet to hear it
    Forward(response, now);
    return;
  }
  exchange.held = response;
  exchange.stage = Exchange::Stage::kMediaForAnswer;
  TellRelay(now);
}

void Call::Forward(const SipMessage& response, MonoTime now) {
  Exchange& exchange = *exchange_;
  const bool reliable =
      exchange.reliable && IsReliableProvisional(response) &&
      leg(Other(exchange.from)).dialog->id() == DialogIdOfResponse(response);
  // What was not said reliably may yet be said otherwise: a caller that has
  // it for sure would be misled.
  const bool describe =
      HasSdp(response) && !exchange.settled && !exchange.early &&
      (reliable || (!exchange.late_offer && !exchange.reliable_required));
  std::string body;
  if (describe && leg(exchange.from).owed_offer) {
    body = exchange.described;
  } else if (describe && media_.has_session() &&
             (media_.answered() ||
              (exchange.late_offer && media_.offer_pending()))) {
    auto text = exchange.late_offer ? media_.OfferFor(exchange.from)
                                    : media_.AnswerFor(exchange.from);
    if (!text.ok()) {
      RefuseExchange(text.status(), Other(exchange.from), now);
      return;
    }
    body = exchange.described = *std::move(text);
  }
  const int code = response.status_code();
  const int told = code >= 180 && code <= 183 ? code : 183;
  if (reliable || exchange.reliable_required) {
    RespondReliably(told, body, reliable ? RackFor(response) : std::string(),
                    now);
  } else {
    Respond(exchange.from, exchange.transaction, exchange.request, told, body);
  }
  if (code == 180 && record_.state == CallState::kProceeding) {
    SetState(CallState::kRinging);
  }
}

void Call::OnSuccess(LegSide from, const SipMessage& response, MonoTime now) {
  Exchange& exchange = *exchange_;
  leg_record(from).sip_status = response.status_code();
  const bool invite = exchange.method == SipMethod::kInvite;
  if (IsExchange(exchange.method)) {
    leg(from).timer.OnResponse(response, now);
    leg(from).allows_update |= NamesToken(response, HeaderId::kAllow, "UPDATE");
  }
  if (exchange.refused) {
    // It answered while we were giving up: take it and hang up.
    if (invite) AckFor(from, exchange.cseq);
    const bool initial = exchange.initial;
    CloseExchange();
    if (initial) {
      SendBye(from);
    } else {
      EndBoth("MEDIA_OUT_OF_STEP", CallDisposition::kAnswered, now);
    }
    return;
  }
  if (exchange.settled) {
    DeliverSuccess(response, now);
    return;
  }
  absl::Status status;
  if (exchange.early) {
    if (HasSdp(response)) {
      status = media_.ReceiveAnswer(from, response.body());
    } else if (!media_.answered()) {
      status = NoAnswerError();
    }
    if (status.ok()) media_.OfferAnswer();
  } else if (exchange.late_offer) {
    status = HasSdp(response) ? media_.ReceiveOffer(from, response.body())
                              : NoAnswerError();
  } else if (HasSdp(response)) {
    status = media_.ReceiveAnswer(from, response.body());
    if (status.ok() && alone()) status = media_.PlayAlone(alone_);
  } else if (!media_.answered()) {
    status = NoAnswerError();
  }
  if (!status.ok()) {
    // Too late to refuse it by a response: it is acknowledged and ended.
    if (invite) AckFor(from, exchange.cseq);
    exchange.sent = false;
    if (exchange.initial) {
      SendBye(from);
      RefuseExchange(status, from, now);
    } else {
      RefuseExchange(status, from, now);
      EndBoth(ReasonOf(status), CallDisposition::kRefused, now);
    }
    return;
  }
  UpdateSuites();
  // Of a late offer the relay learns both sides by the ACK, unless what it is
  // told makes the offer.
  const bool prepare =
      exchange.late_offer && media_.PrepareOffer(exchange.from);
  if (media_.has_session() && !prepare &&
      (exchange.late_offer || !media_.changed())) {
    DeliverSuccess(response, now);
    return;
  }
  exchange.held = response;
  exchange.stage = Exchange::Stage::kMediaForAnswer;
  TellRelay(now);
}

void Call::DeliverSuccess(const SipMessage& response, MonoTime now) {
  Exchange& exchange = *exchange_;
  const LegSide to = exchange.from;
  const LegSide other = Other(to);
  const bool invite = exchange.method == SipMethod::kInvite;
  if (exchange.own) {
    if (invite) AckFor(other, exchange.cseq);
    media_.Finish();
    CloseExchange();
    leg(other).owed_offer = false;
    leg(other).tell_tries = 0;
    leg(other).tell_after = MonoTime::InfinitePast();
    if (leg(to).owed_offer) {
      Reanchor(now);
      return;
    }
    if (realign_.has_value()) {
      StartOwnOffer(*std::exchange(realign_, std::nullopt), now);
    }
    return;
  }
  absl::StatusOr<std::string> body = std::string();
  if (exchange.initial && !exchange.settled && leg(to).owed_offer) {
    body = exchange.described;
  } else if (!exchange.settled) {
    body = exchange.late_offer ? media_.OfferFor(to) : media_.AnswerFor(to);
  }
  if (!body.ok()) {
    if (invite) AckFor(other, exchange.cseq);
    exchange.sent = false;
    const bool initial = exchange.initial;
    if (initial) SendBye(other);
    RefuseExchange(body.status(), other, now);
    if (!initial)
      EndBoth(ReasonOf(body.status()), CallDisposition::kFailed, now);
    return;
  }
  if (invite && (!exchange.late_offer || exchange.early)) {
    AckFor(other, exchange.cseq);
  }
  AnswerExchange(*std::move(body), response.status_code(), now);
}

void Call::RespondUntilAck(LegSide to, TransactionId transaction,
                           SipMessage response, MonoTime now) {
  actions_.push_back(CallRespond{to, transaction, response});
  unacknowledged_[IndexOf(to)] =
      Unacknowledged{.transaction = transaction,
                     .response = std::move(response),
                     .gap = timers_.sip.t1,
                     .again = now + timers_.sip.t1,
                     .give_up = now + timers_.sip.timeout()};
}

void Call::AnswerExchange(std::string body, int code, MonoTime now) {
  Exchange& exchange = *exchange_;
  const LegSide to = exchange.from;
  const LegSide other = Other(to);
  const bool invite = exchange.method == SipMethod::kInvite;
  leg(to).dialog->AcceptTarget(exchange.request);
  leg(to).dialog->Confirm();
  SipMessage reply = MakeResponse(exchange.request, 200, ReasonPhrase(200),
                                  leg(to).dialog->id().local_tag);
  reply.Add(HeaderId::kContact, Cat("<", leg(to).contact, ">"));
  reply.Add(HeaderId::kAllow, kCallMethods);
  if (IsExchange(exchange.method)) {
    leg(to).timer.OnRequest(exchange.request, reply, now);
  }
  AddSecurity(to, reply);
  if (invite) AddCharging(reply);
  AddSdp(reply, body);
  if (invite) {
    RespondUntilAck(to, exchange.transaction, std::move(reply), now);
  } else {
    actions_.push_back(CallRespond{to, exchange.transaction, std::move(reply)});
  }
  FinishReplacing(to);
  if (exchange.initial) {
    leg_record(to).sip_status = 200;
    leg_record(other).sip_status = code;
    record_.answered = now;
    if (exchange.late_offer) exchange.described = std::move(body);
    ReanchorFrom(now);
  } else {
    // Both have heard of the relay by this.
    leg(to).owed_offer = leg(other).owed_offer = false;
  }
  if (exchange.late_offer) {
    exchange.stage = Exchange::Stage::kLateOffer;
    exchange.late_ack_cseq = exchange.cseq;
    exchange.give_up = MonoTime::InfiniteFuture();  // unacknowledged_ has one
  } else {
    media_.Finish();
    CloseExchange();
    if (!invite && !record_.answered.has_value()) return;  // still early
  }
  SetAnswered(now);
}

void Call::OnFailure(LegSide from, int code, MonoTime now) {
  Exchange& exchange = *exchange_;
  leg_record(from).sip_status = code;
  exchange.sent = false;
  if (exchange.initial && !exchange.taken) leg(from).ended = true;
  if (exchange.refused) {
    CloseExchange();
    return;
  }
  if (exchange.telling) {
    TellAgain(from, code, now);
  } else if (exchange.own && record_.answered.has_value()) {
    leg(from).timer.TryAgain(now + kTryAgain);
  }
  if (exchange.initial) {
    AnswerFinally(CodeForCaller(code), ReasonForFailure(code),
                  DispositionForFailure(code), now);
    return;
  }
  AnswerFinally(CodeForCaller(code), ReasonForFailure(code),
                CallDisposition::kAnswered, now);
  if (code == 408 || code == 481) {  // section 12.2.1.2
    leg(from).ended = true;
    EndBoth("DIALOG_LOST", CallDisposition::kAnswered, now);
  }
}

CallActions Call::OnRequestFailed(LegSide to, const SipMessage& request,
                                  bool timed_out, MonoTime now) {
  const SipMethod method = request.method();
  if (IsLeftBehind(to, request)) return Take();
  if (method == SipMethod::kBye) {
    if (IsOfDialog(leg(to), request)) leg(to).ended = true;
    return Take();
  }
  const uint32_t cseq = CseqNumber(request);
  if (method == SipMethod::kUpdate && leg(to).update_cseq == cseq) {
    leg(to).update_cseq = 0;
    const bool telling = std::exchange(leg(to).telling, false);
    if (timed_out) {
      leg(to).ended = true;
      EndBoth("DIALOG_LOST", CallDisposition::kAnswered, now);
    } else if (telling) {
      TellAgain(to, 0, now);
    } else {
      leg(to).timer.TryAgain(now + kTryAgain);
    }
    TellSecurity(now);
    return Take();
  }
  if (outer_.has_value() && to == Other(outer_->from) && outer_->sent &&
      outer_->cseq == cseq && outer_->method == method) {
    DropInner();
  }
  const bool carried = exchange_.has_value() && exchange_->method == method;
  if (!IsExchange(method) && !carried) {
    std::erase_if(passing_, [&](const Passing& passing) {
      if (passing.from != Other(to) || passing.cseq != cseq) return false;
      Respond(passing.from, passing.transaction, passing.request,
              timed_out ? 408 : 500);
      return true;
    });
    return Take();
  }
  if (!exchange_.has_value() || to != Other(exchange_->from) ||
      !exchange_->sent || exchange_->cseq != cseq ||
      exchange_->method != method) {
    return Take();
  }
  const bool initial = exchange_->initial;
  exchange_->sent = false;
  if (initial && !exchange_->taken) leg(to).ended = true;
  if (exchange_->telling) {
    TellAgain(to, 0, now);
  } else if (exchange_->own && record_.answered.has_value()) {
    leg(to).timer.TryAgain(now + kTryAgain);
  }
  if (exchange_->refused) {
    CloseExchange();
  } else {
    AnswerFinally(
        503, "PEER_UNREACHABLE",
        initial ? CallDisposition::kFailed : CallDisposition::kAnswered, now);
  }
  if (!initial && timed_out) {
    leg(to).ended = true;
    EndBoth("DIALOG_LOST", CallDisposition::kAnswered, now);
  }
  TakeWaiting(now);
  TellSecurity(now);
  return Take();
}

}  // namespace sallyport::signaling_edge
