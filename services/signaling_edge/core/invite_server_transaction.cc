#include "services/signaling_edge/core/invite_server_transaction.h"

#include <algorithm>
#include <utility>

namespace sallyport::signaling_edge {

void InviteServerTransaction::Terminate() {
  state_ = State::kTerminated;
  retransmit_at_ = end_at_ = MonoTime::InfiniteFuture();
  std::string().swap(last_response_);
}

TransactionActions InviteServerTransaction::OnRepeatedInvite() const {
  const bool answers =
      state_ == State::kProceeding || state_ == State::kCompleted;
  if (!answers || last_response_.empty()) return {};
  return {SendToPeer{last_response_}};
}

TransactionActions InviteServerTransaction::OnAck(MonoTime now) {
  if (state_ == State::kAccepted) return {DeliverAck{}};
  if (state_ != State::kCompleted) return {};
  retransmit_at_ = MonoTime::InfiniteFuture();
  if (reliable_) {
    Terminate();  // timer I is zero
  } else {
    state_ = State::kConfirmed;
    end_at_ = now + timers_.t4;
  }
  return {};
}

TransactionActions InviteServerTransaction::OnUserResponse(int status_code,
                                                           std::string wire,
                                                           MonoTime now) {
  const bool success = status_code >= 200 && status_code < 300;
  if (state_ == State::kAccepted) {
    // The user repeats its 2xx, or forwards that of another branch.
    if (!success) return {};
    return {SendToPeer{std::move(wire)}};
  }
  if (state_ != State::kProceeding) return {};
  TransactionActions actions{SendToPeer{wire}};
  if (success) {
    state_ = State::kAccepted;
    end_at_ = now + timers_.timeout();  // timer L
    std::string().swap(last_response_);
    return actions;
  }
  last_response_ = std::move(wire);
  if (status_code < 200) return actions;
  state_ = State::kCompleted;
  end_at_ = now + timers_.timeout();  // timer H
  if (!reliable_) {
    gap_ = timers_.t1;
    retransmit_at_ = now + gap_;  // timer G
  }
  return actions;
}

TransactionActions InviteServerTransaction::OnTransportError() const {
  if (terminated()) return {};
  return {ReportTransportError{}};
}

TransactionActions InviteServerTransaction::OnDeadline(MonoTime now) {
  if (now >= end_at_) {
    const bool unconfirmed = state_ == State::kCompleted;
    Terminate();
    if (unconfirmed) return {ReportTimeout{}};
    return {};
  }
  if (now < retransmit_at_) return {};
  gap_ = std::min(gap_ * 2, timers_.t2);
  retransmit_at_ = now + gap_;
  return {SendToPeer{last_response_}};
}

}  // namespace sallyport::signaling_edge
