#include "services/signaling_edge/core/server_transaction.h"

#include <utility>

namespace sallyport::signaling_edge {

void ServerTransaction::Terminate() {
  state_ = State::kTerminated;
  end_at_ = MonoTime::InfiniteFuture();
  std::string().swap(last_response_);
}

TransactionActions ServerTransaction::OnRepeatedRequest() const {
  if (last_response_.empty()) return {};
  return {SendToPeer{last_response_}};
}

TransactionActions ServerTransaction::OnUserResponse(int status_code,
                                                     std::string wire,
                                                     MonoTime now) {
  if (state_ != State::kTrying && state_ != State::kProceeding) return {};
  TransactionActions actions{SendToPeer{wire}};
  last_response_ = std::move(wire);
  if (status_code < 200) {
    state_ = State::kProceeding;
  } else if (reliable_) {
    Terminate();
  } else {
    state_ = State::kCompleted;
    end_at_ = now + timers_.timeout();  // timer J
  }
  return actions;
}

TransactionActions ServerTransaction::OnTransportError() {
  if (terminated()) return {};
  Terminate();
  return {ReportTransportError{}};
}

TransactionActions ServerTransaction::OnDeadline(MonoTime now) {
  if (now < end_at_) return {};
  const bool unanswered = state_ != State::kCompleted;
  Terminate();
  if (unanswered) return {ReportTimeout{}};
  return {};
}

}  // namespace sallyport::signaling_edge
