// What keeps a call honest while nothing happens: session timers on both legs
// (RFC 4028), and offers of our own.
#include <utility>

#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// Something else is under way on the call, or the far side was busy.
constexpr absl::Duration kSoon = absl::Seconds(2);
constexpr absl::Duration kLater = absl::Seconds(5);

}  // namespace

bool Call::StartOwnOffer(LegSide to, MonoTime now, SipMethod method) {
  const std::string& said = media_.agreed(Other(to));
  const bool nobody = alone() && to == LegSide::kA;
  if ((said.empty() && !nobody) || exchange_.has_value() || !acknowledged() ||
      media_busy_) {
    return false;
  }
  exchange_ = Exchange();
  exchange_->from = Other(to);
  exchange_->own = true;
  exchange_->method = method;
  exchange_->request = SipMessage::Request(method, "");
  if (nobody) {
    media_.OfferAlone();
    SendOffer(now);
    return true;
  }
  AddSdp(exchange_->request, said);
  CarryOver(now);
  return true;
}

void Call::RefreshLegs(MonoTime now) {
  if (!record_.answered.has_value()) return;
  // The two legs share one offer at a time: who is due first comes first, and
  // of both at once the called, whose session began first.
  const bool called_first = leg(LegSide::kB).timer.refresh_at() <=
                            leg(LegSide::kA).timer.refresh_at();
  const LegSide first = called_first ? LegSide::kB : LegSide::kA;
  for (const LegSide side : {first, Other(first)}) {
    if (record_.ended.has_value()) return;
    Leg& one = leg(side);
    if (now >= one.timer.expires_at()) {
      EndBoth("SESSION_EXPIRED", CallDisposition::kAnswered, now);
    } else if (now >= one.timer.refresh_at()) {
      Refresh(side, now);
    }
  }
}

void Call::Refresh(LegSide side, MonoTime now) {
  Leg& one = leg(side);
  if (one.ended || one.update_cseq != 0 || !one.dialog.has_value() ||
      one.dialog->state() != Dialog::State::kConfirmed) {
    one.timer.TryAgain(now + kSoon);
    return;
  }
  one.timer.TryAgain(MonoTime::InfiniteFuture());  // till it is answered
  if (!SendRefresh(side, now)) one.timer.TryAgain(now + kSoon);
}

bool Call::SendRefresh(LegSide side, MonoTime now) {
  Leg& one = leg(side);
  if (!one.allows_update) return StartOwnOffer(side, now);
  // Section 7.4: UPDATE needs no description.
  SipMessage update = one.dialog->MakeRequest(SipMethod::kUpdate);
  update.Add(HeaderId::kContact, Cat("<", one.contact, ">"));
  update.Add(HeaderId::kAllow, kCallMethods);
  update.Add(HeaderId::kSupported, "timer");
  one.timer.AddToRequest(update);
  AddSecurity(side, update);
  one.update_cseq = CseqNumber(update);
  actions_.push_back(CallSendRequest{side, std::move(update)});
  return true;
}

CallActions Call::OnRefreshed(LegSide from, const SipMessage& request,
                              const SipMessage& response, MonoTime now) {
  const int code = response.status_code();
  if (code < 200) return Take();
  Leg& sender = leg(from);
  sender.update_cseq = 0;
  const bool telling = std::exchange(sender.telling, false);
  if (!sender.dialog.has_value() || record_.ended.has_value()) return Take();
  sender.dialog->OnResponse(request, response);
  if (code < 300) {
    sender.timer.OnResponse(response, now);
    sender.tell_tries = 0;
    sender.tell_after = MonoTime::InfinitePast();
  } else if (code == 408 || code == 481) {
    sender.ended = true;
    EndBoth("DIALOG_LOST", CallDisposition::kAnswered, now);
  } else if (code == 405 || code == 501 ||
             (code == 422 && sender.timer.OnTooSmall(response))) {
    if (code != 422) sender.allows_update = false;
    if (telling) {
      sender.told.reset();
      sender.tell_after = now;
    } else {
      sender.timer.TryAgain(now);
    }
  } else if (telling) {
    TellAgain(from, code, now);
  } else {
    sender.timer.TryAgain(now + kLater);
  }
  TellSecurity(now);
  return Take();
}

}  // namespace sallyport::signaling_edge
