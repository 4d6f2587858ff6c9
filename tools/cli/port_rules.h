// What a firewall in front of the services has to let through, from what they
// say that they listen on.

#ifndef SALLYPORT_TOOLS_CLI_PORT_RULES_H_
#define SALLYPORT_TOOLS_CLI_PORT_RULES_H_

#include <string>
#include <vector>

#include "sallyport/capf/v1/capf_status.pb.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"

namespace sallyport::cli {

// One line of it. A value.
struct PortRule {
  std::string transport;  // "UDP", "TCP"
  std::string direction;  // "in", "out", "in and out"
  std::string address;    // ours, as others know it
  std::string ports;      // ours: "3478", "50000-59999"
  std::string far_side;   // "clients, partners", "phones"
  std::string why;

  bool operator==(const PortRule&) const = default;
};

// AVE-03, AVE-49, AVE-50: clients and the range always, and for each partner
// what its generation needs.
std::vector<PortRule> RelayPortRules(const media_relay::v1::RelayStatus& relay);
std::vector<PortRule> EdgePortRules(const signaling_edge::v1::EdgeStatus& edge);
std::vector<PortRule> CapfPortRules(const capf::v1::CapfStatus& capf);

// What protects and what does not; lines.
std::string PortGuidance();

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_PORT_RULES_H_
