// The SIP ladder of a call as text for people.

#ifndef SALLYPORT_TOOLS_CLI_TRACE_TEXT_H_
#define SALLYPORT_TOOLS_CLI_TRACE_TEXT_H_

#include <string>
#include <vector>

#include "sallyport/signaling_edge/v1/call.pb.h"
#include "tools/cli/trace_notes.h"

namespace sallyport::cli {

// Three lines of life: caller, edge, called. With `messages`, each message
// whole below its arrow. `notes` are lines of their own at their time.
std::string TraceText(const signaling_edge::v1::CallTrace& trace, bool messages,
                      std::vector<TraceNote> notes = {});

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TRACE_TEXT_H_
