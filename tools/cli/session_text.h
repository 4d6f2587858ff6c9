// Media sessions and drains as lines for people.

#ifndef SALLYPORT_TOOLS_CLI_SESSION_TEXT_H_
#define SALLYPORT_TOOLS_CLI_SESSION_TEXT_H_

#include <string>

#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"

namespace sallyport::cli {

// One line of `sessions --follow`.
std::string SessionLine(const media_relay::v1::WatchSessionsResponse& event);
// One line of `drain`.
std::string DrainLine(const media_relay::v1::DrainResponse& progress);
std::string DrainLine(const signaling_edge::v1::DrainResponse& progress);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SESSION_TEXT_H_
