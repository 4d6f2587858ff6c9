// What a voicemail port's session asks of the edge around it, and what it is
// told of the port.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_ACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_ACTION_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/signaling_edge/core/sccp_message.h"
#include "services/signaling_edge/core/sccp_port.h"
#include "services/signaling_edge/core/sccp_writer.h"

namespace sallyport::signaling_edge {

// What all calls of a registered port share.
struct SccpLine {
  SccpPort port;
  SccpWriter writer;
  std::vector<SccpCapability> capabilities;
};

struct SccpSendOctets {
  std::string octets;  // whole frames, to the port
};
struct SccpSendSip {
  std::string text;  // a message of the port's user agent, to the SIP core
};
struct SccpPortUp {};    // it has registered; also: it is still there
struct SccpPortDown {};  // it has unregistered
// A rule turned the port down, or something that it wanted.
struct SccpRefused {
  absl::Status status;
  bool registration = false;
  // Of the dialog that it was of: its Call-ID, and the SIP core's tag; or
  // empty.
  std::string call_id = {};
  std::string tag = {};
};
struct SccpClose {};  // the connection is of no use any more

using SccpAction = std::variant<SccpSendOctets, SccpSendSip, SccpPortUp,
                                SccpPortDown, SccpRefused, SccpClose>;
using SccpActions = std::vector<SccpAction>;

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_ACTION_H_
