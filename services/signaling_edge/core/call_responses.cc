// What comes back on a leg of a call: responses, and the relay's replies.
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
  if (method == SipMethod::kCancel) return Take();
  if (method == SipMethod::kBye) {
    if (code >= 200 && IsOfDialog(sender, request)) sender.ended = true;
    return Take();
  }
  if (!IsExchange(method)) {
    const uint32_t cseq = CseqNumber(request);
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
  if (exchange_.has_value() && from == Other(exchange_->from) &&
      exchange_->sent && exchange_->cseq == CseqNumber(request) &&
      exchange_->method == method &&
      exchange_->stage != Exchange::Stage::kLateOffer &&
      exchange_->stage != Exchange::Stage::kMediaForAck) {
    if (media_busy_) {
      // Of provisional ones a few will do; a final one has room left.
      if (code > 100 &&
          waiting_.size() < (code < 200 ? kMaxWaiting / 2 : kMaxWaiting)) {
        waiting_.push_back(response);
      }
      return Take();
    }
    if (sender.dialog.has_value() &&
        sender.dialog->id() == DialogIdOfResponse(response)) {
      sender.dialog->OnResponse(request, response);
    } else if (exchange_->initial && code > 100 && code < 300 &&
               (code >= 200 || !sender.dialog.has_value())) {
      auto dialog = Dialog::AsCaller(request, response, sender.flow.is_tls());
      if (dialog.ok()) {
        sender.dialog = *std::move(dialog);
      } else if (code >= 200) {
        // It cannot even be acknowledged.
        OnFailure(from, 502, now);
        return Take();
      }
    }
    OnExchangeResponse(from, response, now);
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
    actions_.push_back(CallSendAck{from, fork->MakeAck(CseqNumber(request))});
    actions_.push_back(
        CallSendRequest{from, fork->MakeRequest(SipMethod::kBye)});
  }
  return Take();
}

void Call::OnExchangeResponse(LegSide from, const SipMessage& response,
                              MonoTime now) {
  const int code = response.status_code();
  if (code < 200) {
    OnProvisional(from, response, now);
  } else if (code < 300) {
    OnSuccess(from, response, now);
  } else {
    OnFailure(from, code, now);
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
      !exchange.initial) {
    return;
  }
  const Leg& sender = leg(from);
  // Only one branch of a fork can have its early media heard.
  const bool ours = sender.dialog.has_value() &&
                    sender.dialog->id() == DialogIdOfResponse(response);
  if (exchange.late_offer || !ours || !HasSdp(response)) {
    Forward(response, now);
    return;
  }
  if (absl::Status status = media_.ReceiveAnswer(from, response.body());
      !status.ok()) {
    RefuseExchange(status, from, now);
    return;
  }
  exchange.held = response;
  exchange.stage = Exchange::Stage::kMediaForAnswer;
  media_busy_ = true;
  actions_.push_back(CallUpdateMedia{media_.wanted()});
}

void Call::Forward(const SipMessage& response, MonoTime now) {
  Exchange& exchange = *exchange_;
  std::string body;
  if (media_.answered() && HasSdp(response) && !exchange.late_offer) {
    auto answer = media_.AnswerFor(exchange.from);
    if (!answer.ok()) {
      RefuseExchange(answer.status(), Other(exchange.from), now);
      return;
    }
    body = *std::move(answer);
  }
  const int code = response.status_code();
  Respond(exchange.from, exchange.transaction, exchange.request,
          code >= 180 && code <= 183 ? code : 183, body);
  if (code == 180 && record_.state == CallState::kProceeding) {
    SetState(CallState::kRinging);
  }
}

void Call::OnSuccess(LegSide from, const SipMessage& response, MonoTime now) {
  Exchange& exchange = *exchange_;
  leg_record(from).sip_status = response.status_code();
  const bool invite = exchange.method == SipMethod::kInvite;
  if (exchange.refused) {
    // It answered while we were giving up: take it and hang up.
    if (invite) AckFor(from, exchange.cseq);
    const bool initial = exchange.initial;
    exchange_.reset();
    if (initial) {
      SendBye(from);
    } else {
      EndBoth("MEDIA_OUT_OF_STEP", CallDisposition::kAnswered, now);
    }
    return;
  }
  absl::Status status;
  if (exchange.late_offer) {
    status = HasSdp(response) ? media_.ReceiveOffer(from, response.body())
                              : NoAnswerError();
  } else if (HasSdp(response)) {
    status = media_.ReceiveAnswer(from, response.body());
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
  exchange.held = response;
  if (exchange.late_offer && media_.has_session()) {
    DeliverSuccess(response, now);  // the relay learns both sides by the ACK
    return;
  }
  exchange.stage = Exchange::Stage::kMediaForAnswer;
  media_busy_ = true;
  if (media_.has_session()) {
    actions_.push_back(CallUpdateMedia{media_.wanted()});
  } else {
    actions_.push_back(CallCreateMedia{media_.wanted()});
  }
}

void Call::DeliverSuccess(const SipMessage& response, MonoTime now) {
  Exchange& exchange = *exchange_;
  const LegSide to = exchange.from;
  const LegSide other = Other(to);
  const bool invite = exchange.method == SipMethod::kInvite;
  auto body = exchange.late_offer ? media_.OfferFor(to) : media_.AnswerFor(to);
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
  if (invite && !exchange.late_offer) AckFor(other, exchange.cseq);
  leg(to).dialog->AcceptTarget(exchange.request);
  leg(to).dialog->Confirm();
  SipMessage reply = MakeResponse(exchange.request, 200, ReasonPhrase(200),
                                  leg(to).dialog->id().local_tag);
  reply.Add(HeaderId::kContact, Cat("<", leg(to).contact, ">"));
  reply.Add(HeaderId::kAllow, kCallMethods);
  AddSdp(reply, *body);
  actions_.push_back(CallRespond{to, exchange.transaction, reply});
  if (exchange.initial) {
    leg_record(to).sip_status = 200;
    leg_record(other).sip_status = response.status_code();
    record_.answered = now;
  }
  if (invite) {
    unacknowledged_ = Unacknowledged{.to = to,
                                     .transaction = exchange.transaction,
                                     .response = std::move(reply),
                                     .gap = timers_.sip.t1,
                                     .again = now + timers_.sip.t1,
                                     .give_up = now + timers_.sip.timeout()};
  }
  if (exchange.late_offer) {
    exchange.stage = Exchange::Stage::kLateOffer;
    exchange.late_ack_cseq = exchange.cseq;
    exchange.give_up = MonoTime::InfiniteFuture();  // unacknowledged_ has one
  } else {
    media_.Finish();
    exchange_.reset();
  }
  SetState(media_.on_hold() ? CallState::kHeld : CallState::kAnswered);
}

void Call::OnFailure(LegSide from, int code, MonoTime now) {
  Exchange& exchange = *exchange_;
  leg_record(from).sip_status = code;
  exchange.sent = false;
  if (exchange.initial) leg(from).ended = true;
  if (exchange.refused) {
    exchange_.reset();
    return;
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
  if (method == SipMethod::kBye) {
    if (IsOfDialog(leg(to), request)) leg(to).ended = true;
    return Take();
  }
  if (!IsExchange(method)) {
    const uint32_t cseq = CseqNumber(request);
    std::erase_if(passing_, [&](const Passing& passing) {
      if (passing.from != Other(to) || passing.cseq != cseq) return false;
      Respond(passing.from, passing.transaction, passing.request,
              timed_out ? 408 : 500);
      return true;
    });
    return Take();
  }
  if (!exchange_.has_value() || to != Other(exchange_->from) ||
      !exchange_->sent || exchange_->cseq != CseqNumber(request)) {
    return Take();
  }
  const bool initial = exchange_->initial;
  exchange_->sent = false;
  if (initial) leg(to).ended = true;
  if (exchange_->refused) {
    exchange_.reset();
  } else {
    AnswerFinally(
        503, "PEER_UNREACHABLE",
        initial ? CallDisposition::kFailed : CallDisposition::kAnswered, now);
  }
  if (!initial && timed_out) {
    leg(to).ended = true;
    EndBoth("DIALOG_LOST", CallDisposition::kAnswered, now);
  }
  return Take();
}

// ------------------------------------------------------------------- media

CallActions Call::OnMediaReply(absl::StatusOr<RelaySession> session,
                               MonoTime now) {
  media_busy_ = false;
  if (session.ok() && !media_.has_session()) {
    record_.relay = session->relay;
    record_.media_session = session->name;
    media_.SetSession(*std::move(session));
    if (record_.ended.has_value() && !media_deleted_) {
      media_deleted_ = true;
      actions_.push_back(CallDeleteMedia{record_.reason});
    }
  }
  if (exchange_.has_value()) {
    Exchange& exchange = *exchange_;
    const LegSide other = Other(exchange.from);
    const absl::Status error = session.ok()
                                   ? absl::OkStatus()
                                   : MakeError(absl::StatusCode::kUnavailable,
                                               "MEDIA_RELAY_UNAVAILABLE",
                                               "the media relay did not do it");
    const std::optional<SipMessage> held =
        std::exchange(exchange.held, std::nullopt);
    switch (exchange.stage) {
      case Exchange::Stage::kMediaForOffer:
        if (exchange.refused) {
          exchange_.reset();
        } else if (!error.ok()) {
          RefuseExchange(error, exchange.from, now);
        } else {
          SendInvite(now);
        }
        break;
      case Exchange::Stage::kMediaForAnswer: {
        exchange.stage = Exchange::Stage::kSent;
        const bool final = held->status_code() >= 200;
        if (!error.ok() || (exchange.refused && final)) {
          const bool initial = exchange.initial;
          if (final) {
            if (exchange.method == SipMethod::kInvite) {
              AckFor(other, exchange.cseq);
            }
            exchange.sent = false;
            if (initial) SendBye(other);
          }
          if (exchange.refused) {
            if (final) exchange_.reset();
          } else {
            RefuseExchange(error, exchange.from, now);
          }
          if (final && !initial) {
            EndBoth("MEDIA_RELAY_UNAVAILABLE", CallDisposition::kAnswered, now);
          }
        } else if (exchange.refused) {
          CancelOther(now);
        } else if (final) {
          DeliverSuccess(*held, now);
        } else {
          Forward(*held, now);
        }
        break;
      }
      case Exchange::Stage::kMediaForAck: {
        auto body = error.ok() ? media_.AnswerFor(other)
                               : absl::StatusOr<std::string>(error);
        const uint32_t cseq = exchange.late_ack_cseq;
        exchange_.reset();
        AckFor(other, cseq, body.ok() ? *body : "");
        if (body.ok()) {
          media_.Finish();
          SetState(media_.on_hold() ? CallState::kHeld : CallState::kAnswered);
        } else {
          media_.Abandon();
          EndBoth(ReasonOf(body.status()), CallDisposition::kFailed, now);
        }
        break;
      }
      default:
        break;
    }
  }
  // What came while the relay was at work.
  while (!media_busy_ && !waiting_.empty()) {
    const SipMessage response = std::move(waiting_.front());
    waiting_.pop_front();
    if (!exchange_.has_value()) continue;  // a repeated 2xx comes again
    SipMessage request = SipMessage::Request(exchange_->method, "");
    request.Add(HeaderId::kCseq, response.Value(HeaderId::kCseq));
    request.Add(HeaderId::kFrom, response.Value(HeaderId::kFrom));
    CallActions actions =
        OnResponse(Other(exchange_->from), request, response, now);
    for (CallAction& action : actions) actions_.push_back(std::move(action));
  }
  return Take();
}

}  // namespace sallyport::signaling_edge
