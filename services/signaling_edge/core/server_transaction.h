// The server half of one request other than INVITE and ACK: RFC 3261 section
// 17.2.2.
//
//   Trying --1xx--> Proceeding --2xx..6xx--> Completed --J--> Terminated
//       \-----------2xx..6xx------------------/

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SERVER_TRANSACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SERVER_TRANSACTION_H_

#include <string>

#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/transaction_action.h"

namespace sallyport::signaling_edge {

// Timer J is zero over a reliable transport: the final response ends the
// transaction. A user that never answers holds it until timeout(), when it
// ends in silence, as a late 408 helps nobody (RFC 4320). Thread-compatible.
class ServerTransaction {
 public:
  enum class State { kTrying, kProceeding, kCompleted, kTerminated };

  ServerTransaction(const TransactionTimers& timers, bool reliable,
                    MonoTime now)
      : timers_(timers), reliable_(reliable), end_at_(now + timers.timeout()) {}

  TransactionActions OnRepeatedRequest() const;
  TransactionActions OnUserResponse(int status_code, std::string wire,
                                    MonoTime now);
  TransactionActions OnTransportError();  // ends it
  TransactionActions OnDeadline(MonoTime now);

  State state() const { return state_; }
  bool terminated() const { return state_ == State::kTerminated; }
  MonoTime deadline() const { return end_at_; }

 private:
  void Terminate();

  TransactionTimers timers_;
  bool reliable_;
  State state_ = State::kTrying;
  MonoTime end_at_;
  std::string last_response_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SERVER_TRANSACTION_H_
