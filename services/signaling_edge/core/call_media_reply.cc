// The replies of the media relay to a call, and what had to wait for them.
#include <string>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// What a relay may not do for a party is the party's affair, and what it cannot
// do its own.
absl::Status ErrorOf(const absl::Status& reply) {
  if (reply.ok()) return absl::OkStatus();
  const std::string reason = ReasonOf(reply);
  if (reason == "MEDIA_PEER_REFUSED") return reply;
  std::string text = "the media relay did not do it";
  if (!reason.empty()) CatTo(text, ": ", reason);
  return MakeError(absl::StatusCode::kUnavailable, "MEDIA_RELAY_UNAVAILABLE",
                   text);
}

}  // namespace

void Call::TellRelay(MonoTime now) {
  if (relay_lost_ && exchange_->initial) ForgetRelay(now);
  media_busy_ = true;
  if (media_.has_session()) {
    actions_.push_back(CallUpdateMedia{media_.wanted()});
  } else {
    actions_.push_back(CallCreateMedia{media_.wanted()});
  }
}

void Call::DeleteMedia(std::string reason) {
  media_deleted_ = true;
  actions_.push_back(CallDeleteMedia{
      media_.session().name, media_.session().relay, std::move(reason)});
}

CallActions Call::OnMediaReply(absl::StatusOr<RelaySession> session,
                               MonoTime now) {
  media_busy_ = false;
  if (session.ok() && !media_.has_session()) {
    record_.relay = session->relay;
    record_.media_session = session->name;
    media_.SetSession(*std::move(session));
    if (record_.ended.has_value() && !media_deleted_) {
      DeleteMedia(record_.reason);
    }
  } else if (session.ok()) {
    media_.OnUpdated(*session);
  }
  if (exchange_.has_value()) {
    Exchange& exchange = *exchange_;
    const LegSide other = Other(exchange.from);
    const absl::Status error = ErrorOf(session.status());
    if (!error.ok() && exchange.initial && !exchange.refused &&
        media_.has_session() && ReasonOf(error) != "MEDIA_PEER_REFUSED") {
      // Nobody has told yet that it is lost: another one may do.
      actions_.push_back(CallDeleteMedia{media_.session().name,
                                         media_.session().relay,
                                         "MEDIA_RELAY_UNAVAILABLE"});
      relay_lost_ = true;
      TellRelay(now);
      return Take();
    }
    const std::optional<SipMessage> held =
        std::exchange(exchange.held, std::nullopt);
    switch (exchange.stage) {
      case Exchange::Stage::kMediaForOffer:
        if (exchange.refused) {
          CloseExchange();
        } else if (!error.ok()) {
          RefuseExchange(error, exchange.from, now);
        } else if (!alone() || exchange.own) {
          SendInvite(now);
        } else if (exchange.late_offer) {
          DeliverAlone(now);
        } else {
          AnswerAlone(now);
        }
        break;
      case Exchange::Stage::kMediaForAlone:
        if (exchange.refused) {
          CloseExchange();
        } else if (!error.ok()) {
          RefuseExchange(error, exchange.from, now);
        } else {
          DeliverAlone(now);
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
            if (final) CloseExchange();
          } else {
            RefuseExchange(error, other, now);
          }
          if (final && !initial) {
            EndBoth(error.ok() ? "MEDIA_RELAY_UNAVAILABLE" : ReasonOf(error),
                    CallDisposition::kAnswered, now);
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
        auto body = !error.ok() ? absl::StatusOr<std::string>(error)
                    : exchange.early || alone() ? std::string()
                                                : media_.AnswerFor(other);
        const uint32_t cseq = exchange.late_ack_cseq;
        // Its own answer is what the caller was asked with.
        const bool acknowledged = exchange.early;
        if (late_taker_.has_value() && !body.ok()) {
          EndLateOffer(SipStatusOf(body.status()).code);
          CloseExchange();
        } else if (late_taker_.has_value()) {
          CloseExchange();
          const LateTaker taker = *std::exchange(late_taker_, std::nullopt);
          AnswerTaker(taker.transaction, taker.invite, *body, now);
        } else {
          CloseExchange();
          if (!acknowledged) AckFor(other, cseq, body.ok() ? *body : "");
        }
        if (body.ok()) {
          media_.Finish();
          SetAnswered(now);
          ReanchorAtOnce(now);
        } else {
          media_.Abandon();
          EndBoth(ReasonOf(body.status()), CallDisposition::kFailed, now);
        }
        break;
      }
      case Exchange::Stage::kMediaForPrack:
        OnPrackMedia(error, now);
        break;
      case Exchange::Stage::kMediaForPickUp:
        OnPickUpMedia(error, now);
        break;
      case Exchange::Stage::kMediaForTaker:
        OnTakerMedia(error, now);
        break;
      default:
        break;
    }
  }
  TakeWaiting(now);
  TellSecurity(now);
  return Take();
}

void Call::TakeWaiting(MonoTime now) {
  while (!MustWait() && !outer_.has_value() && !waiting_.empty()) {
    const SipMessage response = std::move(waiting_.front());
    waiting_.pop_front();
    if (!exchange_.has_value()) continue;  // a repeated 2xx comes again
    SipMessage request = SipMessage::Request(exchange_->method, "");
    request.Add(HeaderId::kCseq, response.Value(HeaderId::kCseq));
    request.Add(HeaderId::kFrom, response.Value(HeaderId::kFrom));
    CallActions before = Take();
    CallActions after =
        OnResponse(Other(exchange_->from), request, response, now);
    actions_ = std::move(before);
    for (CallAction& action : after) actions_.push_back(std::move(action));
  }
}

}  // namespace sallyport::signaling_edge
