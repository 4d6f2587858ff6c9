// What the other leg's failure becomes for the caller, and how a call's end is
// named. The far side's words are not repeated: only a code that means the
// same on our side of the edge crosses over (topology hiding).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_FAILURE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_FAILURE_H_

#include <string_view>

#include "services/signaling_edge/core/call_record.h"

namespace sallyport::signaling_edge {

// The code to answer with when the far side answered `code` (300 to 699).
// Redirections are not followed; a challenge of the far side is nobody's
// business here (no credentials are ever sent for it); what was between us and
// the far side alone becomes 500.
int CodeForCaller(int code);

// The stable reason for a far side's final `code`.
std::string_view ReasonForFailure(int code);

CallDisposition DispositionForFailure(int code);

// Of a call that we end ourselves before anybody is called, for this reason:
// kRefused where a rule of ours says so, else what became of it.
CallDisposition DispositionForRefusal(std::string_view reason);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_FAILURE_H_
