#include "tools/cli/port_rules.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "TCP in 443 clients", one for each rule.
std::vector<std::string> Short(const std::vector<PortRule>& rules) {
  std::vector<std::string> out;
  for (const PortRule& rule : rules) {
    out.push_back(absl::StrCat(rule.transport, " ", rule.direction, " ",
                               rule.ports, " ", rule.far_side));
  }
  return out;
}

media_relay::v1::RelayStatus Relay() {
  media_relay::v1::RelayStatus relay;
  const auto add = [&](const char* protocol, uint32_t port) {
    auto& listener = *relay.add_listeners();
    listener.set_protocol(protocol);
    listener.mutable_address()->set_address("10.0.0.1");
    listener.mutable_address()->set_port(port);
    listener.set_advertised_address("198.51.100.1");
  };
  add("stun_udp", 3478);
  add("stun_tcp", 3478);
  add("turn_tls", 443);
  add("turn_dtls", 3478);
  relay.set_relay_port_min(50000);
  relay.set_relay_port_max(59999);
  return relay;
}

// AVE-03: the list follows the configuration.
TEST(PortRulesTest, WithoutPartnersClientsAndMedia) {
  const std::vector<PortRule> rules = RelayPortRules(Relay());
  EXPECT_THAT(
      Short(rules),
      ElementsAre("UDP in 3478 clients", "TCP in 3478 clients",
                  "TCP in 443 clients",
                  "UDP in and out 50000-59999 gateways, phones, peers"));
  EXPECT_EQ(rules[0].address, "198.51.100.1");
}

// AVE-49, AVE-50: each partner by its generation.
TEST(PortRulesTest, PartnersByTheirGeneration) {
  media_relay::v1::RelayStatus relay = Relay();
  relay.add_federated_partners()->set_name("new");
  auto& old = *relay.add_federated_partners();
  old.set_name("old");
  old.set_uses_relay_ports(true);
  std::vector<std::string> rules = Short(RelayPortRules(relay));
  rules.erase(rules.begin(), rules.begin() + 4);
  EXPECT_THAT(rules, ElementsAre("UDP in and out 3478 partner new",
                                 "TCP out 50000-59999 partner new",
                                 "UDP in and out 50000-59999 partner old",
                                 "TCP in and out 50000-59999 partner old"));
}

TEST(PortRulesTest, EdgesAndCapf) {
  signaling_edge::v1::EdgeStatus edge;
  for (const char* protocol : {"sip_udp", "sip_tls", "sccp_tls"}) {
    auto& listener = *edge.add_listeners();
    listener.set_protocol(protocol);
    listener.mutable_address()->set_port(5061);
  }
  EXPECT_THAT(Short(EdgePortRules(edge)),
              ElementsAre("UDP in and out 5061 phones, gateways, trunks",
                          "TCP in and out 5061 phones, gateways, trunks",
                          "TCP in and out 5061 voicemail servers"));
  EXPECT_EQ(EdgePortRules(edge)[0].why, "SIP in clear");
  capf::v1::CapfStatus capf;
  for (const char* protocol : {"capf", "tftp"}) {
    capf.add_listeners()->set_protocol(protocol);
  }
  EXPECT_THAT(Short(CapfPortRules(capf)),
              ElementsAre("TCP in 0 phones", "UDP in 0 phones"));
}

TEST(PortRulesTest, TheGuideSaysWhatProtects) {
  // AVE-24: the size of the range is no measure, needless services are.
  EXPECT_THAT(PortGuidance(), HasSubstr("smaller range of relay ports is no "
                                        "smaller target"));
  EXPECT_THAT(PortGuidance(), HasSubstr("run no service that nobody needs"));
  // AVE-33: why media and translation do not agree.
  EXPECT_THAT(PortGuidance(),
              HasSubstr("Media goes to the addresses that descriptions name"));
  // AVE-34: translation is no protection.
  EXPECT_THAT(PortGuidance(),
              HasSubstr("Translating addresses protects nobody"));
  // AVE-35: the two things that are.
  EXPECT_THAT(PortGuidance(), HasSubstr("Let these through, in front of every "
                                        "edge and relay, and nothing else"));
}

}  // namespace
}  // namespace sallyport::cli
