// The client half of one INVITE: RFC 3261 section 17.1.1 as amended by RFC
// 6026.
//
//   Calling --1xx--> Proceeding --2xx--> Accepted --M--> Terminated
//      |  \--2xx-----------|----------------/
//      |                   \--3xx..6xx (ACK)--> Completed --D--> Terminated
//      \--B (reported)--> Terminated

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_INVITE_CLIENT_TRANSACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_INVITE_CLIENT_TRANSACTION_H_

#include <memory>
#include <string>

#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/transaction_action.h"

namespace sallyport::signaling_edge {

// The ACK to a response other than 2xx (section 17.1.1.3), and the CANCEL of a
// request (section 9.1). Both carry the request's topmost Via, so its branch.
SipMessage MakeAckToRefusal(const SipMessage& invite,
                            const SipMessage& response);
SipMessage MakeCancel(const SipMessage& request);

// It acknowledges refusals itself; the ACK to a 2xx is the dialog's. Once a
// provisional response came there is no timer: how long to let it ring is the
// user's affair. Thread-compatible.
class InviteClientTransaction {
 public:
  enum class State {
    kCalling,
    kProceeding,
    kAccepted,
    kCompleted,
    kTerminated
  };

  // `invite` is complete: Via with branch, Route, CSeq; not null.
  InviteClientTransaction(const TransactionTimers& timers, bool reliable,
                          std::shared_ptr<const SipMessage> invite);

  // Sends the INVITE; once, first.
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
  TransactionActions OnRefusal(const SipMessage& response, MonoTime now);
  void Terminate();
  void Free();

  TransactionTimers timers_;
  bool reliable_;
  std::shared_ptr<const SipMessage> invite_;  // until a final response
  State state_ = State::kCalling;
  MonoTime retransmit_at_ = MonoTime::InfiniteFuture();  // timer A
  MonoTime end_at_ = MonoTime::InfiniteFuture();         // timers B, D, M
  absl::Duration gap_;
  // What may have to be sent again: the INVITE, later the ACK.
  std::string wire_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_INVITE_CLIENT_TRANSACTION_H_
