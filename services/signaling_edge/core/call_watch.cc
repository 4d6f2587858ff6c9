// What a call makes of its media: live statistics, silence, the longest time,
// and another relay when the one that it had is gone.
#include <algorithm>
#include <utility>

#include "services/signaling_edge/core/call.h"

namespace sallyport::signaling_edge {
namespace {

// Between two tries to take media elsewhere, and how long it is tried.
constexpr absl::Duration kAgain = absl::Seconds(2);
constexpr absl::Duration kPatience = absl::Seconds(30);
// A forged datagram can spoil one DTLS handshake; the next one follows within
// seconds.
constexpr absl::Duration kKeyingPatience = absl::Seconds(10);

}  // namespace

CallActions Call::OnMediaEvent(const MediaEvent& event, MonoTime now) {
  if (event.statistics.has_value()) {
    for (size_t i = 0; i < 2; ++i) {
      record_.legs[i].statistics = (*event.statistics)[i];
    }
  }
  for (size_t i = 0; i < 2; ++i) {
    LegRecord& row = record_.legs[i];
    if (row.dtls && event.suites[i].has_value()) row.suite = event.suites[i];
  }
  Leg& one = leg(event.leg);
  switch (event.kind) {
    case MediaEvent::Kind::kStatistics:
      break;
    case MediaEvent::Kind::kSilent:
      if (!one.silent_since.has_value()) one.silent_since = now;
      break;
    case MediaEvent::Kind::kHeard:
      one.silent_since.reset();
      break;
    case MediaEvent::Kind::kKeyed:
      one.unkeyed_since.reset();
      break;
    case MediaEvent::Kind::kKeyingFailed:
      if (!one.unkeyed_since.has_value()) one.unkeyed_since = now;
      break;
    case MediaEvent::Kind::kLost:
      // Or it is forgotten already.
      if (record_.ended.has_value() || relay_lost_ || !media_.has_session()) {
        break;
      }
      relay_lost_ = true;
      for (Leg& each : legs_) {
        each.silent_since.reset();
        each.unkeyed_since.reset();
      }
      reanchor_at_ = now;
      reanchor_until_ = now + kPatience;
      Reanchor(now);
      break;
  }
  TellSecurity(now);
  return Take();
}

MonoTime Call::WatchDeadline() const {
  MonoTime next = std::min(reanchor_at_, *record_.answered + timers_.longest);
  for (const Leg& one : legs_) {
    if (one.unkeyed_since.has_value()) {
      next = std::min(next, *one.unkeyed_since + kKeyingPatience);
    }
  }
  // Who is on hold is silent by right.
  if (timers_.silence > absl::ZeroDuration() &&
      record_.state == CallState::kAnswered) {
    for (const Leg& one : legs_) {
      if (!one.silent_since.has_value()) continue;
      next = std::min(next,
                      std::max(*one.silent_since, unheld_) + timers_.silence);
    }
  }
  return next;
}

void Call::OnWatchDeadline(MonoTime now) {
  if (record_.ended.has_value()) return;
  if (!record_.answered.has_value()) {
    if (now >= reanchor_at_) ReanchorEarly(now);
    return;
  }
  if (now < WatchDeadline()) return;
  if (now >= *record_.answered + timers_.longest) {
    EndBoth("MAX_CALL_DURATION", CallDisposition::kAnswered, now);
  } else if (now >= reanchor_at_) {
    Reanchor(now);
  } else {
    const bool unkeyed =
        std::any_of(legs_.begin(), legs_.end(), [&](const Leg& one) {
          return one.unkeyed_since.has_value() &&
                 now >= *one.unkeyed_since + kKeyingPatience;
        });
    EndBoth(unkeyed ? "DTLS_HANDSHAKE_FAILED" : "MEDIA_SILENT",
            CallDisposition::kAnswered, now);
  }
}

void Call::ForgetRelay(MonoTime now) {
  const Exchange& invite = *exchange_;
  relay_lost_ = false;
  leg(LegSide::kA).owed_offer = invite.settled || !invite.described.empty();
  leg(LegSide::kB).owed_offer =
      !taking_.has_value() &&
      (invite.taken || invite.settled ||
       (invite.sent && (!invite.late_offer || invite.early)));
  media_.LoseSession(
      {leg(LegSide::kA).owed_offer, leg(LegSide::kB).owed_offer});
  reanchor_at_ = now + kAgain;
  reanchor_until_ = now + kPatience;
}

void Call::ReanchorEarly(MonoTime now) {
  // Afterwards the answer decides, which makes a session if it has to.
  reanchor_at_ =
      now < reanchor_until_ ? now + kAgain : MonoTime::InfiniteFuture();
  if (!exchange_.has_value() || !exchange_->initial || exchange_->refused ||
      MustWait()) {
    return;
  }
  if (relay_lost_) ForgetRelay(now);
  // RFC 3311 section 5.1: not before both have an answer for sure. Who allows
  // no UPDATE is told by the re-INVITE after the answer.
  if (!exchange_->settled) return;
  for (const Leg& one : legs_) {
    if (!one.dialog.has_value() || !one.allows_update) return;
  }
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    if (!leg(side).owed_offer) continue;
    outer_ = std::exchange(exchange_, std::nullopt);
    if (!StartOwnOffer(side, now, SipMethod::kUpdate)) CloseExchange();
    return;
  }
  reanchor_at_ = reanchor_until_ = MonoTime::InfiniteFuture();
}

void Call::ReanchorFrom(MonoTime answered) {
  if (!relay_lost_ && !legs_[0].owed_offer && !legs_[1].owed_offer) {
    reanchor_at_ = reanchor_until_ = MonoTime::InfiniteFuture();
    return;
  }
  reanchor_at_ = answered + kAgain;
  reanchor_until_ = answered + kPatience;
}

void Call::ReanchorAtOnce(MonoTime now) {
  if (reanchor_at_ < MonoTime::InfiniteFuture() &&
      (settled() || !record_.answered.has_value())) {
    Reanchor(now);
  }
}

void Call::Reanchor(MonoTime now) {
  if (!record_.answered.has_value()) {
    ReanchorEarly(now);
    return;
  }
  if (now >= reanchor_until_) {
    EndBoth("MEDIA_RELAY_LOST", CallDisposition::kAnswered, now);
    return;
  }
  reanchor_at_ = now + kAgain;
  if (!settled()) return;
  if (relay_lost_) {
    relay_lost_ = false;
    media_.LoseSession();
    realign_.reset();
    for (Leg& one : legs_) one.owed_offer = !one.ended;
  }
  // The first offer has the session made; each tells one side where media goes
  // from now on.
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    if (!leg(side).owed_offer) continue;
    StartOwnOffer(side, now);
    return;
  }
  reanchor_at_ = reanchor_until_ = MonoTime::InfiniteFuture();
}

}  // namespace sallyport::signaling_edge
