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
#include "services/signaling_edge/core/sccp_writer.h"

namespace sallyport::signaling_edge {

// A configured port, by the plan in force.
struct SccpPort {
  std::string device_name;
  std::string group;       // tenants/{t}/voicemailPortGroups/{g}
  std::string peer;        // tenants/{t}/peers/{p}: the voicemail server
  std::string line;        // tenants/{t}/lines/{l}
  std::string number;      // of the line
  std::string domain;      // of the tenant
  bool encrypted = false;  // TLS and SRTP; else neither
  bool answers_calls = false;
  bool notifies = false;
  bool sends_message_waiting = false;

  bool operator==(const SccpPort&) const = default;
};

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
};
struct SccpClose {};  // the connection is of no use any more

using SccpAction = std::variant<SccpSendOctets, SccpSendSip, SccpPortUp,
                                SccpPortDown, SccpRefused, SccpClose>;
using SccpActions = std::vector<SccpAction>;

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_ACTION_H_
