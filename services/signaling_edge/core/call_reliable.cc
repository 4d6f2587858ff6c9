// Provisional responses that cannot get lost, on both legs of a call: PRACK,
// RFC 3262, with the descriptions that they and their PRACK may carry.
#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kMaxForks = 16;

absl::Status InviteOver() {
  return MakeError(absl::StatusCode::kFailedPrecondition, "DIALOG_ENDED",
                   "the INVITE that it belonged to is over");
}

}  // namespace

void Call::CloseExchange() {
  exchange_.reset();
  if (outer_.has_value()) exchange_ = std::exchange(outer_, std::nullopt);
}

void Call::DropInner() {
  if (!outer_.has_value()) return;
  if (!exchange_->refused) {
    RefuseRequest(exchange_->from, exchange_->transaction, exchange_->request,
                  InviteOver(), 481);
  }
  media_.Abandon();
  CloseExchange();
}

// Section 4: each of them once, and in order. Those of other branches of a
// fork are confirmed, and nothing of theirs is kept.
bool Call::TakeReliable(LegSide from, const SipMessage& request,
                        const SipMessage& response) {
  if (!IsReliableProvisional(response) || !exchange_->initial) return true;
  Leg& sender = leg(from);
  if (!sender.dialog.has_value() ||
      sender.dialog->id() != DialogIdOfResponse(response)) {
    if (forks_ >= kMaxForks) return false;
    auto fork = Dialog::AsCaller(request, response, sender.flow.is_tls());
    if (!fork.ok()) return false;
    ++forks_;
    SipMessage prack = fork->MakeRequest(SipMethod::kPrack);
    prack.Add(HeaderId::kRack, RackFor(response));
    actions_.push_back(CallSendRequest{from, std::move(prack)});
    return true;
  }
  const uint32_t rseq = RseqOf(response);
  if (sender.last_rseq != 0 && rseq != sender.last_rseq + 1) return false;
  sender.last_rseq = rseq;
  // Where the caller is not told reliably, nobody else's PRACK is waited for.
  if (!exchange_->reliable || exchange_->refused) {
    SendPrack(from, RackFor(response), "");
  }
  return true;
}

void Call::SendPrack(LegSide side, const std::string& rack,
                     std::string_view body) {
  Leg& receiver = leg(side);
  if (!receiver.dialog.has_value() || receiver.ended) return;
  SipMessage prack = receiver.dialog->MakeRequest(SipMethod::kPrack);
  prack.Add(HeaderId::kRack, rack);
  AddSdp(prack, body);
  actions_.push_back(CallSendRequest{side, std::move(prack)});
}

void Call::RespondReliably(int code, std::string_view body, std::string rack,
                           MonoTime now) {
  Exchange& exchange = *exchange_;
  SipMessage response =
      MakeLegResponse(exchange.from, exchange.request, code, body);
  // Section 3: it starts anywhere and grows by one.
  last_rseq_ = last_rseq_ == 0
                   ? 1 + static_cast<uint32_t>(random_.NextU64() & 0x3fffffff)
                   : last_rseq_ + 1;
  response.Add(HeaderId::kRequire, "100rel");
  response.SetUint(HeaderId::kRseq, last_rseq_);
  reliable_ = Reliable{.rseq = last_rseq_,
                       .transaction = exchange.transaction,
                       .response = response,
                       .described = !body.empty(),
                       .rack = std::move(rack),
                       .gap = timers_.sip.t1,
                       .again = now + timers_.sip.t1,
                       .give_up = now + timers_.sip.timeout()};
  actions_.push_back(
      CallRespond{exchange.from, exchange.transaction, std::move(response)});
}

void Call::OnReliableDeadline(MonoTime now) {
  if (!reliable_.has_value()) return;
  if (now >= reliable_->give_up) {
    reliable_.reset();
    AnswerFinally(504, "PRACK_MISSING", CallDisposition::kFailed, now);
    TakeWaiting(now);
  } else if (now >= reliable_->again) {
    reliable_->gap *= 2;
    reliable_->again = now + reliable_->gap;
    actions_.push_back(CallRespond{exchange_->from, reliable_->transaction,
                                   reliable_->response});
  }
}

void Call::OnPrack(LegSide from, const SipMessage& request,
                   TransactionId transaction, MonoTime now) {
  const auto rack = ParseRack(request.Value(HeaderId::kRack));
  if (!reliable_.has_value() || from != exchange_->from || !rack.ok() ||
      rack->response_number != reliable_->rseq ||
      rack->cseq.method != SipMethod::kInvite ||
      rack->cseq.number != CseqNumber(reliable_->response)) {
    RefuseRequest(
        from, transaction, request,
        MakeError(absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND",
                  "no response waits for this PRACK"));
    return;
  }
  const Reliable confirmed = *std::exchange(reliable_, std::nullopt);
  const LegSide other = Other(from);
  Exchange& invite = *exchange_;
  if (invite.late_offer && confirmed.described) {
    // Section 5: an offer in the response is answered by its PRACK.
    absl::Status status =
        HasSdp(request)
            ? media_.ReceiveAnswer(from, request.body())
            : MakeError(absl::StatusCode::kFailedPrecondition, "MEDIA_REFUSED",
                        "the offer was confirmed without an answer");
    if (!status.ok()) {
      Respond(from, transaction, request, SipStatusOf(status).code);
      RefuseExchange(status, from, now);
      return;
    }
    invite.prack = transaction;
    invite.prack_request = request;
    invite.rack = confirmed.rack;
    invite.stage = Exchange::Stage::kMediaForPrack;
    TellRelay(now);
    return;
  }
  if (confirmed.described) {
    invite.settled = true;
    media_.Finish();
  }
  if (HasSdp(request) && invite.settled && !confirmed.rack.empty()) {
    // A further offer: it goes on in the PRACK of the other leg.
    outer_ = std::exchange(exchange_, std::nullopt);
    exchange_ = Exchange();
    exchange_->from = from;
    exchange_->method = SipMethod::kPrack;
    exchange_->transaction = transaction;
    exchange_->request = request;
    exchange_->rack = confirmed.rack;
    CarryOver(now);
    // It was refused: the other leg is confirmed without.
    if (!outer_.has_value()) SendPrack(other, confirmed.rack, "");
    TakeWaiting(now);
    return;
  }
  if (MayHoldSdp(request)) {
    RefuseRequest(
        from, transaction, request,
        MakeError(absl::StatusCode::kFailedPrecondition, "MEDIA_NOT_ACCEPTABLE",
                  "this PRACK can bring no description"));
  } else {
    Respond(from, transaction, request, 200);
  }
  if (!confirmed.rack.empty()) SendPrack(other, confirmed.rack, "");
  TakeWaiting(now);
  ReanchorAtOnce(now);
}

void Call::OnPrackMedia(const absl::Status& error, MonoTime now) {
  Exchange& invite = *exchange_;
  invite.stage = Exchange::Stage::kSent;
  if (invite.refused) {
    RefuseRequest(invite.from, invite.prack, invite.prack_request, InviteOver(),
                  481);
    CancelOther(now);
    return;
  }
  const LegSide other = Other(invite.from);
  auto body =
      error.ok() ? media_.AnswerFor(other) : absl::StatusOr<std::string>(error);
  Respond(invite.from, invite.prack, invite.prack_request,
          body.ok() ? 200 : SipStatusOf(body.status()).code);
  if (!body.ok()) {
    RefuseExchange(body.status(), other, now);
    return;
  }
  SendPrack(other, invite.rack, *body);
  media_.Finish();
  invite.settled = true;
  invite.late_offer = false;
}

}  // namespace sallyport::signaling_edge
