// The server half of one INVITE: RFC 3261 section 17.2.1 as amended by RFC
// 6026, over reliable and unreliable transports.
//
//   Proceeding --2xx-----> Accepted ------L-------------> Terminated
//        \-----3xx..6xx--> Completed --ACK--> Confirmed --I--> Terminated
//                               \------H (reported)--------> Terminated

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_INVITE_SERVER_TRANSACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_INVITE_SERVER_TRANSACTION_H_

#include <string>

#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/transaction_action.h"

namespace sallyport::signaling_edge {

// Every input returns what the caller must now do, before the next input. The
// user sends the 100 itself, at once, and repeats a 2xx until its ACK comes.
// Thread-compatible.
class InviteServerTransaction {
 public:
  enum class State {
    kProceeding,
    kAccepted,
    kCompleted,
    kConfirmed,
    kTerminated
  };

  InviteServerTransaction(const TransactionTimers& timers, bool reliable)
      : timers_(timers), reliable_(reliable) {}

  // The same INVITE again: answered with the last response, if any.
  TransactionActions OnRepeatedInvite() const;
  TransactionActions OnAck(MonoTime now);
  // `wire` is the whole response. One that comes too late (a second final one,
  // a provisional one after it) is dropped.
  TransactionActions OnUserResponse(int status_code, std::string wire,
                                    MonoTime now);
  // The transaction stays: its timers end it (RFC 6026 section 7.1).
  TransactionActions OnTransportError() const;
  TransactionActions OnDeadline(MonoTime now);

  State state() const { return state_; }
  bool terminated() const { return state_ == State::kTerminated; }
  // When to call OnDeadline(); InfiniteFuture() while no timer is armed.
  MonoTime deadline() const {
    return retransmit_at_ < end_at_ ? retransmit_at_ : end_at_;
  }

 private:
  void Terminate();

  TransactionTimers timers_;
  bool reliable_;
  State state_ = State::kProceeding;
  MonoTime retransmit_at_ = MonoTime::InfiniteFuture();  // timer G
  MonoTime end_at_ = MonoTime::InfiniteFuture();         // timers H, I, L
  absl::Duration gap_;
  std::string last_response_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_INVITE_SERVER_TRANSACTION_H_
