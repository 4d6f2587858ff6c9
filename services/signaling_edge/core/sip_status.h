// The only place where an absl::Status becomes a SIP response.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_STATUS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace sallyport::signaling_edge {

struct SipStatus {
  int code = 500;
  std::string_view phrase;  // of a literal; lives for ever
};

// The response for an error: by its reason if the table knows it, else by its
// canonical code. Only the code's standard phrase goes to the peer: what the
// status says, and its reason, are for our own log and metrics. OK is 200.
SipStatus SipStatusOf(const absl::Status& status);

// The standard phrase of a status code; that of its class when it has none.
std::string_view ReasonPhrase(int code);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_STATUS_H_
