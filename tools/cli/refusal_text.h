// A refusal with all that is known of it, for one who asks why.

#ifndef SALLYPORT_TOOLS_CLI_REFUSAL_TEXT_H_
#define SALLYPORT_TOOLS_CLI_REFUSAL_TEXT_H_

#include <string>

#include "google/protobuf/message.h"

namespace sallyport::cli {

// `refusal` is a sallyport.signaling_edge.v1.Refusal. A line of what and when,
// then a line for each thing that is known, the checks in their order, and an
// empty line. Pure.
std::string RefusalText(const google::protobuf::Message& refusal);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_REFUSAL_TEXT_H_
