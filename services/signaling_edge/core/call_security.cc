// How secure a call is, told to who shows it (CUC-63): in INVITEs and their
// answers, and when it changes later, as it does when the keys of DTLS-SRTP
// come, by a refresh of the session.
#include <algorithm>
#include <string_view>

#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// Something else is under way on the call.
constexpr absl::Duration kSoon = absl::Seconds(2);
// What a party refuses so often it does not want to know.
constexpr uint32_t kMaxTries = 5;

}  // namespace

// As call managers write it: what it says is of the far side, which stands in
// From or To.
void Call::AddSecurity(LegSide to, SipMessage& message) {
  Leg& receiver = leg(to);
  if (!receiver.told_security) return;
  receiver.told = record_.security();
  std::string_view status = "NotAuthenticated";
  if (receiver.told == CallSecurity::kAuthenticated) {
    status = "Authenticated";
  } else if (receiver.told == CallSecurity::kEncrypted) {
    status = "Encrypted";
  }
  message.Add(HeaderId::kCallInfo,
              Cat("<urn:x-cisco-remotecc:callinfo>;security=", status,
                  ";orientation=", to == LegSide::kA ? "to" : "from"));
}

bool Call::OwesSecurity(LegSide side) const {
  const Leg& one = legs_[IndexOf(side)];
  return one.told_security && !one.ended && one.told != record_.security();
}

void Call::TellSecurity(MonoTime now) {
  tell_at_ = MonoTime::InfiniteFuture();
  if (!record_.answered.has_value() || record_.ended.has_value()) return;
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    if (!OwesSecurity(side)) continue;
    Leg& one = leg(side);
    if (now >= one.tell_after && settled() && one.update_cseq == 0 &&
        one.dialog.has_value() &&
        one.dialog->state() == Dialog::State::kConfirmed) {
      one.tell_after = now + kSoon;
      if (SendRefresh(side, now)) {
        one.telling = one.update_cseq != 0;
        if (exchange_.has_value()) exchange_->telling = true;
      }
    }
    if (OwesSecurity(side)) {
      tell_at_ = std::min(tell_at_,
                          one.tell_after > now ? one.tell_after : now + kSoon);
    }
  }
}

void Call::TellAgain(LegSide side, int code, MonoTime now) {
  Leg& one = leg(side);
  const bool busy = code == 0 || code == 491 || code >= 500;
  if (!busy || ++one.tell_tries >= kMaxTries) {
    one.tell_tries = 0;  // until it changes again
    return;
  }
  one.told.reset();
  // RFC 3261 section 14.1: who has chosen the Call-ID waits for longer.
  const absl::Duration shortest =
      side == LegSide::kB ? absl::Milliseconds(2100) : absl::ZeroDuration();
  one.tell_after =
      now + shortest + absl::Milliseconds(10) * (random_.NextU64() % 190);
}

}  // namespace sallyport::signaling_edge
