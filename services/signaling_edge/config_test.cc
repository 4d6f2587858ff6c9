#include "services/signaling_edge/config.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/config_loader.h"
#include "services/common/testing/test_certs.h"
#include "services/signaling_edge/io/loop_set.h"

namespace sallyport::signaling_edge {
namespace {

using Config = config::v1::SignalingEdgeConfig;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kGood[] = R"({
  "dialplan": {"target": "127.0.0.1:7001"},
  "listeners": [
    {"protocol": "LISTENER_PROTOCOL_SIP_UDP", "address": "127.0.0.1"},
    {"protocol": "LISTENER_PROTOCOL_SIP_TCP", "address": "127.0.0.1"},
    {"protocol": "LISTENER_PROTOCOL_SIP_TLS", "address": "127.0.0.1"}
  ],
  "sip_tls": {"certificate_file": "c.pem", "key_file": "k.pem"},
  "static_hosts": {"GW.example.test": "192.0.2.1, 2001:db8::1"},
  "timers": {"t1": "0.2s", "max_registration": "600s"},
  "limits": {"max_calls": 7, "max_message_bytes": 8192},
  "minimum_tls_version": "1.3"
})";

Config Parse(const std::string& json) {
  Config config;
  const absl::Status status = ParseConfig(json, &config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

std::vector<std::string> FaultyFields(const std::string& json) {
  ConfigFaults faults;
  ValidateConfig(Parse(json), &faults);
  std::vector<std::string> out;
  for (const auto& violation : faults.violations()) {
    out.push_back(violation.field);
  }
  return out;
}

TEST(ConfigTest, AGoodOneFillsInTheDefaults) {
  EXPECT_THAT(FaultyFields(kGood), IsEmpty());
  const Config config = Parse(kGood);
  const std::vector<ListenerSpec> listeners = ListenersOf(config);
  ASSERT_EQ(listeners.size(), 3u);
  EXPECT_EQ(listeners[0].bind.ToString(), "127.0.0.1:5060");
  EXPECT_EQ(listeners[2].bind.ToString(), "127.0.0.1:5061");
  EXPECT_EQ(listeners[2].logical_port, 5061u);
  EXPECT_EQ(listeners[2].transport, SipTransport::kTls);
  const EdgeOptions options = CoreOptionsOf(config);
  EXPECT_EQ(options.sip.t1, absl::Milliseconds(200));
  EXPECT_EQ(options.sip.t2, absl::Seconds(4));
  EXPECT_EQ(options.max_registration, absl::Minutes(10));
  EXPECT_EQ(options.max_calls, 7u);
  EXPECT_EQ(options.max_connections, 10'000u);
  EXPECT_EQ(options.parse.max_header_bytes, 8192u);
  EXPECT_EQ(options.parse.max_body, 8192u);
  EXPECT_TRUE(TlsFilesOf(config).only_tls13);
  EXPECT_EQ(HostsOf(config).static_hosts.at("gw.example.test").size(), 2u);
}

// UM-32: leave to make a certificate for oneself. UM-110: without TLS none is
// needed.
TEST(ConfigTest, OwnCertificates) {
  std::string json = kGood;
  json.insert(json.rfind('}'), R"(, "self_signed_certificate":
      {"file": "self.pem", "dns_names": ["edge.test"]})");
  EXPECT_THAT(FaultyFields(json), IsEmpty());
  EXPECT_EQ(TlsFilesOf(Parse(json)).self_signed_file, "self.pem");
  EXPECT_THAT(TlsFilesOf(Parse(json)).self_signed_names,
              ElementsAre("edge.test"));
  json = kGood;
  json.insert(json.rfind('}'), R"(, "renew_sip_certificates": true,
      "self_signed_certificate": {"file": "f", "dns_names": ["a,DNS:b"]})");
  EXPECT_THAT(
      FaultyFields(json),
      UnorderedElementsAre("renew_sip_certificates", "self_signed_certificate",
                           "self_signed_certificate.dns_names[0]"));
  constexpr char kClear[] = R"({
    "dialplan": {"target": "127.0.0.1:7001"},
    "listeners": [{"protocol": "LISTENER_PROTOCOL_SIP_TCP",
                   "address": "127.0.0.1"}]})";
  EXPECT_THAT(FaultyFields(kClear), IsEmpty());
  EXPECT_FALSE(HasTls(Parse(kClear)));
}

TEST(ConfigTest, AnEphemeralPortKeepsItsLogicalOne) {
  const Config config = Parse(R"({"listeners": [
      {"protocol": "LISTENER_PROTOCOL_SIP_TLS", "address": "::1",
       "ephemeral_port": true}]})");
  EXPECT_EQ(ListenersOf(config)[0].bind.port(), 0);
  EXPECT_EQ(ListenersOf(config)[0].logical_port, 5061u);
}

TEST(ConfigTest, VoicemailPortsHaveListenersOfTheirOwn) {
  const Config config = Parse(R"({"listeners": [
      {"protocol": "LISTENER_PROTOCOL_SCCP_TLS", "address": "127.0.0.1"},
      {"protocol": "LISTENER_PROTOCOL_SCCP_TCP", "address": "127.0.0.1"}]})");
  EXPECT_TRUE(HasTls(config));
  const std::vector<ListenerSpec> specs = ListenersOf(config);
  EXPECT_EQ(specs[0].bind.port(), 2443);
  EXPECT_EQ(ProtocolName(specs[0]), "sccp_tls");
  EXPECT_EQ(specs[1].bind.port(), 2000);
  EXPECT_EQ(ProtocolName(specs[1]), "sccp_tcp");
}

// RFC 3261 section 18.2.1.
TEST(ConfigTest, WhoListensForUdpListensForTcp) {
  const auto with = [](const std::string& listeners) {
    std::string json = kGood;
    const size_t begin = json.find('[', json.find("\"listeners\""));
    json.replace(begin, json.find(']', begin) + 1 - begin, listeners);
    return FaultyFields(json);
  };
  const std::string udp =
      R"({"protocol": "LISTENER_PROTOCOL_SIP_UDP", "address": "127.0.0.1")";
  const std::string tcp =
      R"({"protocol": "LISTENER_PROTOCOL_SIP_TCP", "address": "127.0.0.)";
  EXPECT_THAT(with("[" + tcp + "1\"}, " + udp + "}]"), IsEmpty());
  const std::string field = "listeners[0].without_tcp";
  EXPECT_THAT(with("[" + udp + "}]"), ElementsAre(field));
  EXPECT_THAT(with("[" + udp + "}, " + tcp + "2\"}]"), ElementsAre(field));
  EXPECT_THAT(with("[" + udp + "}, " + tcp + "1\", \"port\": 5062}]"),
              ElementsAre(field));
  EXPECT_THAT(with("[" + udp + ", \"without_tcp\": true}]"), IsEmpty());
  EXPECT_THAT(with("[" + tcp + "1\", \"without_tcp\": true}]"),
              ElementsAre(field));
}

TEST(ConfigTest, LongRequests) {
  Config config = Parse(kGood);
  EXPECT_EQ(CoreOptionsOf(config).long_requests.path_mtu, 0u);
  config.set_path_mtu(9000);
  config.mutable_timers()->mutable_long_requests_by_udp()->set_seconds(60);
  config.mutable_timers()->mutable_long_request_connect_timeout()->set_seconds(
      3);
  const EdgeOptions options = CoreOptionsOf(config);
  EXPECT_EQ(options.long_requests.path_mtu, 9000u);
  EXPECT_EQ(options.long_requests.udp_for, absl::Minutes(1));
  EXPECT_EQ(options.long_request_connect_timeout, absl::Seconds(3));
}

TEST(ConfigTest, AllFaultsAtOnce) {
  EXPECT_THAT(
      FaultyFields(R"({
        "media_relays": [{"target": "a:1"}, {"target": "a:1"}, {}],
        "listeners": [
          {"address": "127.0.0.1"},
          {"protocol": "LISTENER_PROTOCOL_SCCP_TLS", "address": "127.0.0.1"},
          {"protocol": "LISTENER_PROTOCOL_SIP_TLS"},
          {"protocol": "LISTENER_PROTOCOL_SIP_UDP", "address": "name.test"},
          {"protocol": "LISTENER_PROTOCOL_SIP_TCP", "address": "127.0.0.2",
           "port": 70000, "ephemeral_port": true}],
        "server_name_certificates": [{"server_name": "a"},
          {"server_name": "A", "certificate_file": "c", "key_file": "k"}],
        "static_trust": [{"trust_store": "other"}],
        "minimum_tls_version": "1.1",
        "path_mtu": 500,
        "timers": {"t1": "-1s", "min_registration": "7200s"},
        "limits": {"max_message_bytes": 10, "tracked_sources": 99999999},
        "static_hosts": {"a": "b"},
        "server_header": "x\ny",
        "service_route_host": "two words"
      })"),
      UnorderedElementsAre(
          "dialplan.target", "media_relays[1].target", "media_relays[2].target",
          "listeners[0].protocol", "listeners[2].advertised_address",
          "listeners[3].address", "listeners[4].port",
          "listeners[4].ephemeral_port", "sip_tls.certificate_file",
          "sip_tls.key_file", "server_name_certificates[0].certificate_file",
          "server_name_certificates[0].key_file",
          "server_name_certificates[1].server_name",
          "static_trust[0].trust_store", "static_trust[0].ca_file",
          "listeners[3].without_tcp", "path_mtu", "minimum_tls_version",
          "timers.t1", "timers.min_registration", "limits.max_message_bytes",
          "limits.tracked_sources", "static_hosts[\"a\"]", "server_header",
          "service_route_host"));
}

// One for each core that the process may use, at most 4, unless it says.
TEST(ConfigTest, LoopsAreAsManyAsCores) {
  const size_t cores = ProcessorCount();
  EXPECT_GE(cores, 1u);
  Config config;
  EXPECT_EQ(LoopsOf(config), std::min<size_t>(cores, 4));
  config.set_loops(0);
  EXPECT_EQ(LoopsOf(config), std::min<size_t>(cores, 256));
  config.set_loops(7);
  EXPECT_EQ(LoopsOf(config), 7u);
}

TEST(ConfigTest, WhatIsNotServedIsRefusedAndNotIgnored) {
  std::string json = kGood;
  json.insert(json.rfind('}'), R"(, "loops": 257, "busy_poll": "2s",
      "proxy_protocol_prefixes": ["10.0.0.0/8", "balancer"],
      "registry": {"username": "x"}, "dns_servers": ["ns.test:53"])");
  EXPECT_THAT(
      FaultyFields(json),
      UnorderedElementsAre("loops", "busy_poll", "proxy_protocol_prefixes[1]",
                           "registry", "dns_servers[0]"));
}

TEST(ConfigTest, TheSharedRegistrarIsReadWithItsFiles) {
  const TestCa ca("A");
  std::string json = kGood;
  json.insert(json.rfind('}'), R"(, "registry_address": "redis.test",
      "registry": {"username": "edge", "key_file": "k",
                   "certificate_file": "c", "request_timeout": "-1s"})");
  EXPECT_THAT(FaultyFields(json),
              UnorderedElementsAre("registry.ca_file", "registry.password_file",
                                   "registry.request_timeout"));
  Config config;
  EXPECT_FALSE(RegistryOptionsOf(config)->has_value());
  config.set_registry_address("redis.test:6380");
  auto& registry = *config.mutable_registry();
  registry.set_password_file(WriteTestFile("password", "secret\n"));
  registry.set_ca_file(WriteTestFile("ca.pem", ca.pem()));
  const auto options = RegistryOptionsOf(config);
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_TRUE(options->has_value());
  EXPECT_EQ((*options)->host, "redis.test");
  EXPECT_EQ((*options)->port, 6380);
  EXPECT_EQ((*options)->password, "secret");
  EXPECT_NE((*options)->tls, nullptr);
  registry.set_password_file("absent");
  EXPECT_FALSE(RegistryOptionsOf(config).ok());
}

TEST(ConfigTest, StaticTrustIsReadByStore) {
  const TestCa a("A"), b("B");
  Config config;
  for (const TestCa* ca : {&a, &b}) {
    auto* trust = config.add_static_trust();
    trust->set_trust_store(std::string(kPeerTrustStore));
    trust->set_ca_file(WriteTestFile("ca.pem", ca->pem()));
  }
  const auto stores = StaticTrustOf(config);
  ASSERT_TRUE(stores.ok()) << stores.status();
  EXPECT_THAT(stores->at(std::string(kPeerTrustStore)),
              ElementsAre(a.certificate().der, b.certificate().der));
  config.mutable_static_trust(0)->set_ca_file("/nonexistent");
  EXPECT_FALSE(StaticTrustOf(config).ok());
}

TEST(ClusterConfigTest, WhatAClusterNeeds) {
  std::string json = kGood;
  json.insert(json.rfind('}'), R"(, "cluster": {
      "listen_address": "edge:7012", "peers": ["edges.svc:7012", "edges",
      "[2001:db8::1]:7012", "a:b:1", "10.0.0.1:7012", ":7012"]})");
  EXPECT_THAT(FaultyFields(json),
              UnorderedElementsAre("cluster.listen_address", "token_key_file",
                                   "cluster.peers[1]", "cluster.peers[3]",
                                   "cluster.peers[5]"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
