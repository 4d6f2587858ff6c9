#include "tools/cli/port_rules.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sallyport::cli {
namespace {

template <typename Listener>
std::string AddressOf(const Listener& listener) {
  return listener.advertised_address().empty() ? listener.address().address()
                                               : listener.advertised_address();
}

std::string Upper(const std::string& protocol) {
  return protocol.find("udp") != std::string::npos ||
                 protocol.find("dtls") != std::string::npos ||
                 protocol == "tftp"
             ? "UDP"
             : "TCP";
}

}  // namespace

std::vector<PortRule> RelayPortRules(
    const media_relay::v1::RelayStatus& relay) {
  std::vector<PortRule> rules;
  std::set<std::string> addresses;
  std::set<std::string> udp_ports;
  for (const auto& listener : relay.listeners()) {
    const std::string transport = Upper(listener.protocol());
    const std::string port = absl::StrCat(listener.address().port());
    addresses.insert(AddressOf(listener));
    if (transport == "UDP") udp_ports.insert(port);
    // DTLS comes to the port of STUN.
    if (listener.protocol() == "turn_dtls") continue;
    rules.push_back({transport, "in", AddressOf(listener), port, "clients",
                     listener.protocol() == "turn_tls"
                         ? "TURN over TLS, A/V Edge clients"
                         : "STUN, TURN, A/V Edge clients"});
  }
  const std::string all = absl::StrJoin(addresses, ", ");
  const std::string range =
      absl::StrCat(relay.relay_port_min(), "-", relay.relay_port_max());
  rules.push_back({"UDP", "in and out", all, range, "gateways, phones, peers",
                   "media of calls and allocations"});
  for (const auto& partner : relay.federated_partners()) {
    const std::string who = "partner " + partner.name();
    if (partner.uses_relay_ports()) {
      rules.push_back({"UDP", "in and out", all, range, who,
                       "media with relays of OCS 2007"});
      rules.push_back({"TCP", "in and out", all, range, who,
                       "media with relays of OCS 2007"});
    } else {
      rules.push_back({"UDP", "in and out", all, absl::StrJoin(udp_ports, ", "),
                       who, "media with relays of R2, by their port 3478"});
      rules.push_back({"TCP", "out", all, range, who,
                       "media with relays of R2, to their port 443"});
    }
  }
  return rules;
}

std::vector<PortRule> EdgePortRules(
    const signaling_edge::v1::EdgeStatus& edge) {
  std::vector<PortRule> rules;
  for (const auto& listener : edge.listeners()) {
    const std::string& protocol = listener.protocol();
    const bool sccp = protocol.find("sccp") != std::string::npos;
    const bool tls = protocol.find("tls") != std::string::npos;
    rules.push_back(
        {Upper(protocol), "in and out", AddressOf(listener),
         absl::StrCat(listener.address().port()),
         sccp ? "voicemail servers" : "phones, gateways, trunks",
         absl::StrCat(sccp ? "SCCP" : "SIP", tls ? " over TLS" : " in clear")});
  }
  return rules;
}

std::vector<PortRule> CapfPortRules(const capf::v1::CapfStatus& capf) {
  std::vector<PortRule> rules;
  for (const auto& listener : capf.listeners()) {
    const std::string& protocol = listener.protocol();
    rules.push_back({Upper(protocol), "in", listener.address().address(),
                     absl::StrCat(listener.address().port()), "phones",
                     protocol == "capf"   ? "certificates of phones"
                     : protocol == "tvs"  ? "trust verification"
                     : protocol == "tftp" ? "files of phones; within their "
                                            "network alone"
                                          : "files of phones by HTTP; within "
                                            "their network alone"});
  }
  return rules;
}

std::string PortGuidance() {
  return "Let these through, in front of every edge and relay, and nothing "
         "else; gRPC, metrics\nand what `sallyport listeners` shows besides "
         "are for our own network.\n"
         "- A smaller range of relay ports is no smaller target: a port is "
         "open only while\n  somebody uses it. What helps is to run no "
         "service that nobody needs.\n"
         "- Translating addresses protects nobody: it brings no rule and looks "
         "into no packet,\n  and an address that is hidden is found. With the "
         "two above it adds nothing.\n"
         "- Media goes to the addresses that descriptions name. A translation "
         "that the relay\n  does not know of (advertised_addresses) breaks "
         "it.\n";
}

}  // namespace sallyport::cli
