// What is known of a voicemail port.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_PORT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_PORT_H_

#include <string>

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

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_PORT_H_
