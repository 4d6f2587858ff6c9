// The client half of one request other than INVITE and ACK: RFC 3261 section
// 17.1.2.
//
//   Trying --1xx--> Proceeding --2xx..6xx--> Completed --K--> Terminated
//      \---------------2xx..6xx--------------/
//   F (reported) in Trying and Proceeding --> Terminated

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CLIENT_TRANSACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CLIENT_TRANSACTION_H_

#include <string>
#include <utility>

#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/transaction_action.h"

namespace sallyport::signaling_edge {

// Thread-compatible.
class ClientTransaction {
 public:
  enum class State { kTrying, kProceeding, kCompleted, kTerminated };

  // `wire` is the whole request.
  ClientTransaction(const TransactionTimers& timers, bool reliable,
                    std::string wire)
      : timers_(timers),
        reliable_(reliable),
        gap_(timers.t1),
        wire_(std::move(wire)) {}

  // Sends the request; once, first.
  TransactionActions Start(MonoTime now);
  TransactionActions OnResponse(const SipMessage& response, MonoTime now);
  TransactionActions OnTransportError();
  TransactionActions OnDeadline(MonoTime now);

  State state() const { return state_; }
  bool terminated() const { return state_ == State::kTerminated; }
  MonoTime deadline() const {
    return retransmit_at_ < end_at_ ? retransmit_at_ : end_at_;
  }

 private:
  void Terminate();

  TransactionTimers timers_;
  bool reliable_;
  State state_ = State::kTrying;
  MonoTime retransmit_at_ = MonoTime::InfiniteFuture();  // timer E
  MonoTime end_at_ = MonoTime::InfiniteFuture();         // timers F, K
  absl::Duration gap_;
  std::string wire_;  // kept while it may have to be sent again
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CLIENT_TRANSACTION_H_
