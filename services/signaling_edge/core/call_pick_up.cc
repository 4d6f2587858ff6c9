// INVITE with Replaces of a leg that rings (RFC 3891 section 3): another device
// of the called party takes the call. The caller is answered as if the one that
// rang had; that one gets a CANCEL, and so does all else that rings.
//
// Who makes no offer gets one in our 2xx and answers it with its ACK (RFC 3261
// section 13.2.1), and the caller is answered then: the taker has no way back
// any more, and what fails from there on ends the call.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Failed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
}

}  // namespace

absl::Status Call::MayBePickedUp() const {
  const Leg& called = legs_[IndexOf(LegSide::kB)];
  if (!exchange_.has_value() || !exchange_->initial || exchange_->refused ||
      exchange_->stage != Exchange::Stage::kSent || MustWait() ||
      !called.dialog.has_value() ||
      called.dialog->state() != Dialog::State::kEarly ||
      (exchange_->late_offer && !exchange_->early && media_.offer_pending())) {
    return Failed("REQUEST_PENDING", "something else is under way on the call");
  }
  // The caller has who rings to talk to, and no relay can put another in its
  // place before both are asked anew.
  if (media_.passes_through() &&
      (exchange_->settled || !exchange_->described.empty())) {
    return Failed("MEDIA_NOT_SUPPORTED",
                  "its media goes end to end, and is agreed on already");
  }
  return absl::OkStatus();
}

bool Call::RingsAt(const DialogId& id) const {
  const Dialog* const known = dialog(LegSide::kB);
  return known != nullptr && known->state() == Dialog::State::kEarly &&
         known->id().call_id == id.call_id &&
         known->id().local_tag == id.local_tag &&
         std::find(early_tags_.begin(), early_tags_.end(), id.remote_tag) !=
             early_tags_.end();
}

absl::StatusOr<CallActions> Call::PickUp(const Party& taker,
                                         const SipMessage& invite,
                                         TransactionId transaction, Flow flow,
                                         std::string contact, MonoTime now) {
  SP_ASSIGN_OR_RETURN(Leg leg, LegOfTaker(LegSide::kB, invite, std::move(flow),
                                          std::move(contact)));
  leg.party = taker;
  taking_ = Taking{std::move(leg), transaction, invite, false, std::nullopt};
  if (absl::Status status = TakeDescriptionOfTaker(); !status.ok()) {
    RefusePickUp(status);
    return Take();
  }
  UpdateSuites();
  exchange_->stage = Exchange::Stage::kMediaForPickUp;
  TellRelay(now);
  return Take();
}

absl::Status Call::TakeDescriptionOfTaker() {
  const SipMessage& invite = taking_->invite;
  if (IsEncoded(invite)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "CONTENT_ENCODING_UNSUPPORTED",
                     "the body has a content coding");
  }
  if (!HasSdp(invite) && !invite.body().empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "BODY_TYPE_UNSUPPORTED",
                     "the body is no session description");
  }
  const bool offers = HasSdp(invite);
  if (media_.passes_through() && !offers && exchange_->late_offer) {
    return Failed("MEDIA_REFUSED",
                  "its media goes end to end, and neither side offers any");
  }
  if (!offers) return media_.PickUpByAnswer();
  if (exchange_->late_offer) return media_.PickUpByOffer(invite.body());
  if (!media_.passes_through()) return media_.PickUp(invite.body());
  SP_ASSIGN_OR_RETURN(taking_->declined, media_.DeclineTaker(invite.body()));
  return absl::OkStatus();
}

void Call::RefusePickUp(const absl::Status& status) {
  const Taking taking = *std::exchange(taking_, std::nullopt);
  media_.UndoPickUp();
  UpdateSuites();
  if (taking.cancelled) return;
  const SipStatus answer = SipStatusOf(status);
  actions_.push_back(CallRefused{LegSide::kB, status, answer.code,
                                 CallRefused::What::kMediaChange});
  actions_.push_back(
      CallRespond{LegSide::kB, taking.transaction,
                  MakeResponse(taking.invite, answer.code, answer.phrase,
                               taking.leg.dialog->id().local_tag)});
}

void Call::OnPickUpMedia(const absl::Status& error, MonoTime now) {
  Exchange& exchange = *exchange_;
  exchange.stage = Exchange::Stage::kSent;
  if (!taking_.has_value()) {  // the call is over
    CancelOther(now);
    return;
  }
  // A caller that has made no offer gets the taker's, and answers it with its
  // ACK; a taker that has made none gets the caller's.
  const bool offers = HasSdp(taking_->invite);
  const bool late = exchange.late_offer && offers;
  const bool told = exchange.settled || !exchange.described.empty();
  absl::StatusOr<std::string> answer = std::string();
  absl::StatusOr<std::string> body = exchange.described;
  if (!error.ok()) {
    answer = error;
  } else if (taking_->declined.has_value()) {
    answer = *taking_->declined;
  } else if (!offers) {
    answer = media_.OfferFor(LegSide::kB);
  } else if (late) {
    body = media_.OfferFor(LegSide::kA);
  } else {
    answer = media_.AnswerForTaker();
    if (!told) body = media_.AnswerFor(LegSide::kA);
  }
  if (exchange.settled) body = std::string();
  absl::Status status = answer.ok() ? body.status() : answer.status();
  if (taking_->cancelled) status = Failed("CANCELLED", "given up");
  if (!status.ok()) {
    RefusePickUp(status);
    if (exchange.late_offer && !exchange.early) {
      return;  // the relay is told with the offer of who answers
    } else if (!media_.has_session()) {
      ForgetRelay(now);
    } else if (error.ok()) {
      TellRelay(now);  // as it was
    }
    return;
  }
  Taking taking = *std::exchange(taking_, std::nullopt);
  Leg& called = leg(LegSide::kB);
  left_behind_ = called.flow;
  waiting_.clear();
  actions_.push_back(
      CallCancelInvite{LegSide::kB, exchange.cseq,
                       "SIP;cause=200;text=\"Call completed elsewhere\""});
  called = std::move(taking.leg);
  called.dialog->AcceptTarget(taking.invite);
  LegRecord& row = leg_record(LegSide::kB);
  row.party = called.party;
  row.flow = called.flow;
  row.sip_call_id = called.dialog->id().call_id;
  if (late) {
    exchange.early = false;
    late_taker_ = LateTaker{taking.transaction, std::move(taking.invite)};
  } else {
    AnswerTaker(taking.transaction, taking.invite, *answer, now);
    if (!offers || taking.declined.has_value()) {
      exchange.taken = true;
      exchange.declined = taking.declined.has_value();
      exchange.early = exchange.late_offer;
      exchange.sent = false;  // what was sent is cancelled
      exchange.stage = Exchange::Stage::kTakerAck;
      exchange.give_up = MonoTime::InfiniteFuture();  // unacknowledged_ has one
      return;
    }
    // The caller has an answer of the one that rang, and gets an offer instead.
    if (told && !leg(LegSide::kA).owed_offer) realign_ = LegSide::kA;
  }
  AnswerExchange(*std::move(body), 200, now);
}

void Call::OnTakerAck(const SipMessage& ack, MonoTime now) {
  Exchange& exchange = *exchange_;
  if (exchange.declined) {
    SendInvite(now);
    return;
  }
  if (absl::Status status =
          HasSdp(ack) ? media_.ReceiveAnswer(LegSide::kB, ack.body())
                      : Failed("MEDIA_REFUSED",
                               "the offer was accepted without an answer");
      !status.ok()) {
    RefuseExchange(status, LegSide::kB, now);
    return;
  }
  if (exchange.early) {
    media_.OfferAnswer();
    media_.PrepareOffer(LegSide::kA);
  }
  UpdateSuites();
  exchange.stage = Exchange::Stage::kMediaForTaker;
  TellRelay(now);
}

void Call::OnTakerMedia(const absl::Status& error, MonoTime now) {
  Exchange& exchange = *exchange_;
  if (exchange.refused) {
    CloseExchange();
    return;
  }
  const bool told = exchange.settled || !exchange.described.empty();
  absl::StatusOr<std::string> body = exchange.described;
  if (!error.ok()) {
    body = error;
  } else if (exchange.early) {
    body = media_.OfferFor(LegSide::kA);
  } else if (exchange.settled) {
    body = std::string();
  } else if (!told) {
    body = media_.AnswerFor(LegSide::kA);
  }
  if (!body.ok()) {
    RefuseExchange(body.status(), LegSide::kB, now);
    return;
  }
  if (told && !leg(LegSide::kA).owed_offer) realign_ = LegSide::kA;
  AnswerExchange(*std::move(body), 200, now);
}

void Call::AnswerTaker(TransactionId transaction, const SipMessage& invite,
                       std::string_view body, MonoTime now) {
  Leg& taker = leg(LegSide::kB);
  taker.dialog->Confirm();
  SipMessage reply = MakeResponse(invite, 200, ReasonPhrase(200),
                                  taker.dialog->id().local_tag);
  reply.Add(HeaderId::kContact, Cat("<", taker.contact, ">"));
  reply.Add(HeaderId::kAllow, kCallMethods);
  taker.timer.OnRequest(invite, reply, now);
  AddSecurity(LegSide::kB, reply);
  AddSdp(reply, body);
  RespondUntilAck(LegSide::kB, transaction, std::move(reply), now);
}

void Call::EndLateOffer(int code) {
  if (late_taker_.has_value()) {
    const LateTaker taker = *std::exchange(late_taker_, std::nullopt);
    Respond(LegSide::kB, taker.transaction, taker.invite, code);
    leg(LegSide::kB).dialog->Terminate();
    leg(LegSide::kB).ended = true;
  } else if (!exchange_->early) {
    AckFor(Other(exchange_->from), exchange_->late_ack_cseq);
  }
}

bool Call::IsLeftBehind(LegSide from, const SipMessage& request) const {
  return left_behind_.has_value() && from == LegSide::kB &&
         request.Value(HeaderId::kCallId) == called_call_id_;
}

}  // namespace sallyport::signaling_edge
