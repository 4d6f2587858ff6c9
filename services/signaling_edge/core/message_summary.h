// The body of a message waiting notification (RFC 3842 section 5).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MESSAGE_SUMMARY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MESSAGE_SUMMARY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sallyport::signaling_edge {

struct MessageSummary {
  bool waiting = false;
  bool counted = false;  // the four that follow were given
  uint32_t fresh = 0;
  uint32_t old = 0;
  uint32_t urgent_fresh = 0;
  uint32_t urgent_old = 0;

  friend bool operator==(const MessageSummary&,
                         const MessageSummary&) = default;
};

// kInvalidArgument, BODY_TYPE_UNSUPPORTED, unless it says whether messages are
// waiting. Of the message classes only voice is kept; text of the sender's
// never is.
absl::StatusOr<MessageSummary> ParseMessageSummary(std::string_view body);

// `account` is the URI of whose mailbox it is.
std::string WriteMessageSummary(const MessageSummary& summary,
                                std::string_view account);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MESSAGE_SUMMARY_H_
