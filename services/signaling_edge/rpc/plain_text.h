// What others have written, fit for a string field: proto3 readers refuse the
// whole message for one that is no UTF-8.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_PLAIN_TEXT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_PLAIN_TEXT_H_

#include <string>
#include <string_view>

namespace sallyport::signaling_edge {

// UTF-8 without control characters; what is neither becomes "?".
std::string PlainText(std::string_view text);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_PLAIN_TEXT_H_
