// Legs that go from one call to another, as transfers make them (RFC 3515, RFC
// 3891). A party keeps its dialog with us; whom it talks to, and by which relay
// session, changes by a re-INVITE.
#include <utility>

#include "services/common/status/check.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// As it would be without hold: who is transferred was mostly put on hold for
// that, and must not stay so.
std::string WithoutHold(std::string_view sdp) {
  std::string out;
  for (size_t i = 0; i < sdp.size();) {
    size_t end = sdp.find('\n', i);
    end = end == std::string_view::npos ? sdp.size() : end + 1;
    std::string_view line = sdp.substr(i, end - i);
    i = end;
    if (line.starts_with("a=sendonly") || line.starts_with("a=recvonly") ||
        line.starts_with("a=inactive")) {
      line = "a=sendrecv\r\n";
    }
    out.append(line);
  }
  return out;
}

}  // namespace

absl::Status Call::AcceptRequest(LegSide from, const SipMessage& request) {
  return leg(from).dialog->OnRequest(request);
}

bool Call::settled() const {
  return record_.answered.has_value() && !record_.ended.has_value() &&
         !exchange_.has_value() && acknowledged() && !media_busy_;
}

std::string Call::OfferOf(LegSide side) const {
  return WithoutHold(media_.agreed(side));
}

Call::HandedLeg Call::HandOver(LegSide side) {
  Leg& mine = leg(side);
  SP_CHECK(settled() && mine.dialog.has_value());
  HandedLeg handed{.party = mine.party,
                   .flow = mine.flow,
                   .contact = mine.contact,
                   .dialog = *std::move(mine.dialog),
                   .timer = mine.timer,
                   .allows_update = mine.allows_update,
                   .told_security = mine.told_security,
                   .offer = OfferOf(side)};
  mine.dialog.reset();
  mine.timer.Stop();
  mine.ended = true;
  return handed;
}

void Call::Take(LegSide side, HandedLeg handed) {
  Leg& mine = leg(side);
  mine.party = handed.party;
  mine.flow = handed.flow;
  mine.contact = handed.contact;
  mine.dialog = std::move(handed.dialog);
  mine.timer = handed.timer;
  mine.allows_update = handed.allows_update;
  mine.told_security = handed.told_security;
  mine.told.reset();
  mine.last_ack.reset();
  mine.ended = false;
  leg_record(side).sip_call_id = mine.dialog->id().call_id;
}

CallActions Call::Adopt(HandedLeg caller, MonoTime now) {
  // Nobody had asked for that 2xx.
  unacknowledged_[IndexOf(LegSide::kA)].reset();
  Take(LegSide::kA, std::move(caller));
  media_.Replace(LegSide::kA);
  // Who has picked it up may still owe an ACK.
  if (!StartOwnOffer(LegSide::kA, now)) realign_ = LegSide::kA;
  return Take();
}

CallActions Call::Join(HandedLeg a, HandedLeg b, MonoTime now) {
  record_.started = now;
  record_.answered = now;
  SetState(CallState::kProceeding);
  const std::string offer = b.offer;
  Take(LegSide::kA, std::move(a));
  Take(LegSide::kB, std::move(b));
  SetAnswered(now);
  // First one side hears of the other, then the other of its answer.
  realign_ = LegSide::kB;
  exchange_ = Exchange();
  exchange_->from = LegSide::kB;
  exchange_->own = true;
  exchange_->request = SipMessage::Request(SipMethod::kInvite, "");
  AddSdp(exchange_->request, offer);
  CarryOver(now);
  if (!exchange_.has_value()) {
    EndBoth("TRANSFER_FAILED", CallDisposition::kFailed, now);
  }
  return Take();
}

CallActions Call::Notify(LegSide to, int code, bool last) {
  Leg& receiver = leg(to);
  if (!receiver.dialog.has_value() || receiver.ended) return Take();
  SipMessage notify = receiver.dialog->MakeRequest(SipMethod::kNotify);
  notify.Add(HeaderId::kContact, Cat("<", receiver.contact, ">"));
  notify.Add(HeaderId::kEvent, "refer");
  // RFC 3515 section 2.4.4: the last one ends the subscription.
  notify.Add(HeaderId::kSubscriptionState,
             last ? "terminated;reason=noresource" : "active;expires=180");
  notify.Add(HeaderId::kContentType, "message/sipfrag;version=2.0");
  notify.SetBody(Cat("SIP/2.0 ", code, " ", ReasonPhrase(code), "\r\n"));
  actions_.push_back(CallSendRequest{to, std::move(notify)});
  return Take();
}

CallActions Call::EndLeg(LegSide from, const SipMessage& request,
                         TransactionId transaction) {
  Respond(from, transaction, request, 200);
  Leg& sender = leg(from);
  sender.ended = true;
  sender.timer.Stop();
  sender.dialog->Terminate();
  return Take();
}

CallActions Call::RespondTo(LegSide from, const SipMessage& request,
                            TransactionId transaction, int code) {
  SipMessage response = MakeLegResponse(from, request, code, "");
  if (code == 202) {
    response.Add(HeaderId::kContact, Cat("<", leg(from).contact, ">"));
    if (request.FirstNamed("Refer-Sub") == "false") {
      response.AddNamed("Refer-Sub", "false");  // RFC 4488 section 4
    }
  }
  actions_.push_back(CallRespond{from, transaction, std::move(response)});
  return Take();
}

}  // namespace sallyport::signaling_edge
