#include "services/signaling_edge/core/client_transaction.h"

#include <algorithm>
#include <utility>

namespace sallyport::signaling_edge {

void ClientTransaction::Terminate() {
  state_ = State::kTerminated;
  retransmit_at_ = end_at_ = MonoTime::InfiniteFuture();
  std::string().swap(wire_);
}

TransactionActions ClientTransaction::Start(MonoTime now) {
  end_at_ = now + timers_.timeout();  // timer F
  if (reliable_) return {SendToPeer{std::move(wire_)}};
  retransmit_at_ = now + gap_;  // timer E
  return {SendToPeer{wire_}};
}

TransactionActions ClientTransaction::OnResponse(const SipMessage& response,
                                                 MonoTime now) {
  if (state_ != State::kTrying && state_ != State::kProceeding) return {};
  if (response.status_code() < 200) {
    // From now on the request is repeated only every T2.
    state_ = State::kProceeding;
    return {DeliverResponse{}};
  }
  if (reliable_) {
    Terminate();  // timer K is zero
  } else {
    state_ = State::kCompleted;
    retransmit_at_ = MonoTime::InfiniteFuture();
    end_at_ = now + timers_.t4;
    std::string().swap(wire_);
  }
  return {DeliverResponse{}};
}

TransactionActions ClientTransaction::OnTransportError() {
  if (state_ != State::kTrying && state_ != State::kProceeding) return {};
  Terminate();
  return {ReportTransportError{}};
}

TransactionActions ClientTransaction::OnDeadline(MonoTime now) {
  if (now >= end_at_) {
    const bool unanswered = state_ != State::kCompleted;
    Terminate();
    if (unanswered) return {ReportTimeout{}};
    return {};
  }
  if (now < retransmit_at_) return {};
  gap_ = state_ == State::kProceeding ? timers_.t2
                                      : std::min(gap_ * 2, timers_.t2);
  retransmit_at_ = now + gap_;
  return {SendToPeer{wire_}};
}

}  // namespace sallyport::signaling_edge
