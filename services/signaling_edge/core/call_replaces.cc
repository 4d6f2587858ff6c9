// INVITE with Replaces (RFC 3891): a party takes its side of a call over with
// another device, or another dialog of the same. The other side sees a
// re-INVITE; the dialog that is replaced gets a BYE once the new one stands.
#include <string>
#include <utility>

#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {

absl::StatusOr<Call::Leg> Call::LegOfTaker(LegSide side,
                                           const SipMessage& invite, Flow flow,
                                           std::string contact) {
  SP_ASSIGN_OR_RETURN(
      Dialog dialog,
      Dialog::AsCallee(invite, HexOf(random_.NextU64()), flow.is_tls()));
  SessionTimer timer(timers_.session);
  SP_RETURN_IF_ERROR(timer.Check(invite));
  Leg taker;
  taker.party = leg(side).party;
  taker.flow = std::move(flow);
  taker.contact = std::move(contact);
  taker.dialog = std::move(dialog);
  taker.timer = timer;
  taker.told_security = leg(side).told_security;
  taker.allows_update = NamesToken(invite, HeaderId::kAllow, "UPDATE");
  return taker;
}

absl::StatusOr<CallActions> Call::Replace(LegSide side,
                                          const SipMessage& invite,
                                          TransactionId transaction, Flow flow,
                                          std::string contact, MonoTime now) {
  SP_ASSIGN_OR_RETURN(
      Leg taker, LegOfTaker(side, invite, std::move(flow), std::move(contact)));
  replaced_.emplace(std::exchange(leg(side), std::move(taker)));
  exchange_ = Exchange();
  exchange_->from = side;
  exchange_->transaction = transaction;
  exchange_->request = invite;
  media_.Replace(side);
  CarryOver(now);
  return Take();
}

void Call::FinishReplacing(LegSide side) {
  if (!replaced_.has_value()) return;
  Leg old = *std::exchange(replaced_, std::nullopt);
  const Leg& mine = leg(side);
  LegRecord& row = leg_record(side);
  row.flow = mine.flow;
  row.sip_call_id = mine.dialog->id().call_id;
  if (old.dialog.has_value() && !old.ended) {
    actions_.push_back(CallSendRequest{
        side, old.dialog->MakeRequest(SipMethod::kBye), old.flow});
  }
}

void Call::UndoReplacing(LegSide side) {
  if (!replaced_.has_value()) return;
  leg(side) = *std::exchange(replaced_, std::nullopt);
}

}  // namespace sallyport::signaling_edge
