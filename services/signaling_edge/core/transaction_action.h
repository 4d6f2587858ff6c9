// What the four SIP transaction machines share: their timers, and what they
// ask of whoever owns them.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRANSACTION_ACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRANSACTION_ACTION_H_

#include <string>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"

namespace sallyport::signaling_edge {

// RFC 3261 section 17.1.1.1 and table 4. Immutable.
struct TransactionTimers {
  absl::Duration t1 = absl::Milliseconds(500);  // a round trip
  absl::Duration t2 = absl::Seconds(4);  // the longest gap of retransmissions
  absl::Duration t4 = absl::Seconds(5);  // how long a message may linger

  // How long a transaction may last: timers B, F, H, J, L and M.
  absl::Duration timeout() const { return 64 * t1; }
  // How long a client keeps absorbing final responses over UDP; D must be at
  // least 32 s.
  absl::Duration d() const {
    return timeout() > absl::Seconds(32) ? timeout() : absl::Seconds(32);
  }
};

// Send these octets to the peer of the transaction.
struct SendToPeer {
  std::string wire;
  friend bool operator==(const SendToPeer&, const SendToPeer&) = default;
};
// The response just given is the user's to see.
struct DeliverResponse {
  friend bool operator==(DeliverResponse, DeliverResponse) = default;
};
// The ACK just given confirms a 2xx: it is the dialog's.
struct DeliverAck {
  friend bool operator==(DeliverAck, DeliverAck) = default;
};
// No final response came (timers B, F), or no ACK to a refusal (timer H).
struct ReportTimeout {
  friend bool operator==(ReportTimeout, ReportTimeout) = default;
};
struct ReportTransportError {
  friend bool operator==(ReportTransportError, ReportTransportError) = default;
};

using TransactionAction = std::variant<SendToPeer, DeliverResponse, DeliverAck,
                                       ReportTimeout, ReportTransportError>;
using TransactionActions = absl::InlinedVector<TransactionAction, 2>;

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRANSACTION_ACTION_H_
