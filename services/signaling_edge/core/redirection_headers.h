// How the party that a call was sent on to learns where it was going before:
// Diversion (RFC 5806) and History-Info (RFC 7044).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REDIRECTION_HEADERS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REDIRECTION_HEADERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/resolution.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// The values of Diversion fields, the latest first. With a `mailbox`, the
// redirecting number that it stands for is named by it; of three or more only
// the first and the last are told (protocols.md section 13).
std::vector<std::string> DiversionsOf(const Resolution& resolution,
                                      std::string_view domain);

// The values of History-Info fields, the first target first; `target` is the
// URI that the call goes to now. Empty when it was never sent on.
std::vector<std::string> HistoryOf(const Resolution& resolution,
                                   std::string_view domain,
                                   std::string_view target);

// What a trusted peer says of the way before us; at most a few.
std::vector<std::string> DiversionsIn(const SipMessage& invite);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REDIRECTION_HEADERS_H_
