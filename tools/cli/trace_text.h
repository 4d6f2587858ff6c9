// The SIP ladder of a call as text for people.

#ifndef SALLYPORT_TOOLS_CLI_TRACE_TEXT_H_
#define SALLYPORT_TOOLS_CLI_TRACE_TEXT_H_

#include <string>

#include "sallyport/signaling_edge/v1/call.pb.h"

namespace sallyport::cli {

// Three lines of life: caller, edge, called. With `messages`, each message
// whole below its arrow.
std::string TraceText(const signaling_edge::v1::CallTrace& trace,
                      bool messages);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TRACE_TEXT_H_
