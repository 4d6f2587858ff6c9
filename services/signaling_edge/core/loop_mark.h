// Loops through others (RFC 5393 section 4.2): the branch of our Via says what
// an INVITE was when we routed it, so that we know it when it comes back the
// same. We are a B2BUA: Call-ID, tags and Vias are new on each turn, so the
// first do not count and the last are handed on as marks. What decides the
// route counts: who calls, from which number, whom.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_MARK_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_MARK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// What the branch of our Via shall end with when `invite`, of the party with
// this resource, is sent on: a mark of the INVITE as it came, behind those that
// it bears of earlier turns. `key` keeps others from making one. What a forward
// added (Diversion, History-Info) counts, as it may lead elsewhere: a spiral is
// no loop. FAILED_PRECONDITION, LOOP_DETECTED when one of those marks is the
// same.
absl::StatusOr<std::string> LoopMarks(
    const SipMessage& invite, std::string_view resource, uint64_t key,
    const std::vector<EdgeListener>& listeners);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_MARK_H_
