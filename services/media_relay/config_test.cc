#include "services/media_relay/config.h"

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/config/config_loader.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/peer_policy.h"

namespace sallyport::media_relay {
namespace {

using Config = config::v1::MediaRelayConfig;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Config Parse(const std::string& json) {
  Config config;
  EXPECT_TRUE(ParseConfig(json, &config).ok()) << json;
  return config;
}

std::set<std::string> FaultsOf(const Config& config) {
  ConfigFaults faults;
  ValidateConfig(config, &faults);
  std::set<std::string> fields;
  for (const FieldViolation& violation : faults.violations()) {
    fields.insert(violation.field);
  }
  return fields;
}

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

TEST(ValidateConfigTest, LeastConfiguration) {
  EXPECT_EQ(FaultsOf(Parse("{\"external\":{\"addresses\":[\"192.0.2.1\"]}}")),
            std::set<std::string>());
}

TEST(ValidateConfigTest, EveryFaultIsToldAtOnce) {
  const Config config = Parse(R"json({
    "external": {"addresses": ["0.0.0.0", "192.0.2.1", "192.0.2.2", "x"],
                 "advertised_addresses": ["198.51.100.1"]},
    "internal": {"addresses": ["10.0.0.1"],
                 "advertised_addresses": ["10.0.0.2"]},
    "stun_udp_port": 50000, "turn_tls_port": 70000,
    "relay_port_max": 50000, "loops": 1000,
    "peer_policy": {"allowed_prefixes": ["10.0.0.1/8"],
                    "denied_prefixes": ["nonsense"]},
    "session_lease": "1s", "nonce_lifetime": "18000s",
    "turn_tls": {"ca_file": "x"}, "turn_tls_second_port": 3478,
    "fast_path": "bpf", "send_software": true,
    "relay_sockets": "many", "ms_turn_version": 5,
    "limits": {"max_allocation_bytes_per_second": "5",
               "max_subject_bytes_per_second": "999",
               "max_tenant_bytes_per_second": "1",
               "max_bytes_per_second": "1"}
  })json");
  EXPECT_EQ(FaultsOf(config),
            (std::set<std::string>{"external.addresses[0]",
                                   "external.addresses[2]",
                                   "external.addresses[3]",
                                   "external.advertised_addresses",
                                   "internal.advertised_addresses",
                                   "stun_udp_port",
                                   "turn_tls_port",
                                   "relay_port_max",
                                   "loops",
                                   "peer_policy.allowed_prefixes[0]",
                                   "peer_policy.denied_prefixes[0]",
                                   "session_lease",
                                   "nonce_lifetime",
                                   "turn_tls.certificate_file",
                                   "turn_tls.key_file",
                                   "turn_tls.ca_file",
                                   "turn_tls_second_port",
                                   "fast_path",
                                   "send_software",
                                   "relay_sockets",
                                   "ms_turn_version",
                                   "limits.max_allocation_bytes_per_second",
                                   "limits.max_subject_bytes_per_second",
                                   "limits.max_tenant_bytes_per_second",
                                   "limits.max_bytes_per_second"}));
}

TEST(ValidateConfigTest, TheSessionListenerIsOutsideOfTheRelayPorts) {
  const std::string least =
      R"json("external": {"addresses": ["192.0.2.1"]})json";
  const auto faults = [&least](const std::string& listener) {
    return FaultsOf(
        Parse("{" + least + ", \"session_listener\": {" + listener + "}}"));
  };
  EXPECT_EQ(faults(R"json("listen_address": "192.0.2.1:7013",
      "advertised_target": "relay-0.test:7013", "busy_poll": "0.001s",
      "cpu": 3, "max_connections": 10)json"),
            std::set<std::string>());
  EXPECT_EQ(
      faults(R"json("listen_address": "relay:7013",
      "advertised_target": "relay", "busy_poll": "2s", "cpu": 1024,
      "max_connections": 100001)json"),
      (std::set<std::string>{
          "session_listener.listen_address",
          "session_listener.advertised_target", "session_listener.busy_poll",
          "session_listener.cpu", "session_listener.max_connections"}));
  EXPECT_EQ(faults(R"json("listen_address": "192.0.2.1:50000")json"),
            std::set<std::string>{"session_listener.listen_address"});
  EXPECT_EQ(faults(R"json("advertised_target": "relay:7013")json"),
            std::set<std::string>{"session_listener.advertised_target"});
}

TEST(SessionListenerOptionsTest, HasTheLimitsOfTheGrpcServer) {
  config::v1::MediaRelayConfig config = Parse(R"json({
    "server": {"max_message_bytes": 1000, "max_concurrent_streams": 7,
               "request_timeout": "3s", "tls_refresh_interval": "2s"},
    "session_listener": {"listen_address": "192.0.2.1:0", "cpu": 2,
                         "busy_poll": "0.002s", "max_connections": 5}})json");
  const GrpcLoopServerOptions options = SessionListenerOptionsFrom(config);
  EXPECT_EQ(options.listen_address, "192.0.2.1:0");
  EXPECT_EQ(options.connection.max_request, 1000u);
  EXPECT_EQ(options.connection.max_streams, 7u);
  EXPECT_EQ(options.connection.longest_call, absl::Seconds(3));
  EXPECT_EQ(options.tls_refresh, absl::Seconds(2));
  EXPECT_EQ(options.busy_poll, absl::Milliseconds(2));
  EXPECT_EQ(options.cpu, 2);
  EXPECT_EQ(options.max_connections, 5u);
  EXPECT_EQ(SessionTargetOf(config, 7013), ":7013");
  config.mutable_session_listener()->set_advertised_target("relay-0:7013");
  EXPECT_EQ(SessionTargetOf(config, 99), "relay-0:7013");
}

TEST(ValidateConfigTest, AddressesAreSaidOrLearnt) {
  EXPECT_EQ(FaultsOf(Parse(R"json({"external": {"addresses": ["env:RELAY_IP"],
          "advertised_sources": ["env:NODE_IP", "file:/etc/node/address",
              "http://169.254.169.254/latest/meta-data/public-ipv4",
              "stun:stun.example.net", "stun:[2001:db8::1]:3479"]},
          "topology": {"kind": "TOPOLOGY_KIND_SINGLE"}})json")),
            std::set<std::string>());
  EXPECT_EQ(
      FaultsOf(Parse(R"json({"external": {"addresses": ["env:", "192.0.2.1"],
          "advertised_addresses": ["198.51.100.1", "198.51.100.2"],
          "advertised_sources": ["env:", "file:relative", "https://x/",
              "stun:", "stun:h:0", "http://h:x/", "somewhere"]},
          "internal": {"addresses": ["10.0.0.1"],
                       "advertised_sources": ["env:X"]},
          "advertised_refresh": "0.5s"})json")),
      (std::set<std::string>{
          "external.addresses[0]", "external.advertised_addresses",
          "external.advertised_sources", "external.advertised_sources[0]",
          "external.advertised_sources[1]", "external.advertised_sources[2]",
          "external.advertised_sources[3]", "external.advertised_sources[4]",
          "external.advertised_sources[5]", "external.advertised_sources[6]",
          "internal.advertised_addresses", "advertised_refresh"}));
}

TEST(ExpandAddressesTest, TakesThemFromTheEnvironment) {
  setenv("SALLYPORT_TEST_IPS", "192.0.2.1,2001:db8::1", 1);
  Config config = Parse(R"json({"external": {"addresses":
      ["env:SALLYPORT_TEST_IPS"]}})json");
  ASSERT_TRUE(ExpandAddresses(&config).ok());
  EXPECT_THAT(config.external().addresses(),
              ElementsAre("192.0.2.1", "2001:db8::1"));
  // What was learnt is as if it had been said.
  SetAdvertised(
      {*IpAddress::Parse("198.51.100.1"), *IpAddress::Parse("2001:db8::2")},
      &config);
  const RelayFleetOptions options = FleetOptionsFrom(config, 1);
  EXPECT_EQ(options.core.turn.ipv4->advertised,
            *IpAddress::Parse("198.51.100.1"));
  EXPECT_EQ(options.core.turn.ipv6->advertised,
            *IpAddress::Parse("2001:db8::2"));
  for (const char* value : {"", "nonsense", "192.0.2.1;192.0.2.2"}) {
    setenv("SALLYPORT_TEST_IPS", value, 1);
    config = Parse(R"json({"external": {"addresses":
        ["env:SALLYPORT_TEST_IPS"]}})json");
    EXPECT_EQ(ReasonOf(ExpandAddresses(&config)), "CONFIG_INVALID") << value;
  }
}

TEST(ValidateConfigTest, ExternalAddressesAreRequired) {
  EXPECT_EQ(FaultsOf(Config()), (std::set<std::string>{"external.addresses"}));
}

TEST(ValidateConfigTest, InternalMustBeAnotherAddress) {
  EXPECT_EQ(FaultsOf(Parse(R"json({
    "external": {"addresses": ["192.0.2.1"]},
    "internal": {"addresses": ["192.0.2.1"]}})json")),
            (std::set<std::string>{"internal.addresses"}));
}

// The reason of each fault, by field.
std::map<std::string, std::string> ReasonsOf(const Config& config) {
  ConfigFaults faults;
  ValidateConfig(config, &faults);
  std::map<std::string, std::string> reasons;
  for (const FieldViolation& violation : faults.violations()) {
    const std::string& text = violation.description;
    reasons[violation.field] = text.substr(0, text.find(':'));
  }
  return reasons;
}

// AVE-37: every violation with its reason.
TEST(ValidateConfigTest, ASingleRelayMayBeBehindNat) {
  // AVE-29.
  EXPECT_THAT(ReasonsOf(Parse(R"json({
    "topology": {"kind": "TOPOLOGY_KIND_SINGLE"},
    "external": {"addresses": ["10.0.0.1", "2a00:1450::1"],
                 "advertised_addresses": ["8.8.4.4", "2a00:1450::1"]},
    "internal": {"addresses": ["10.9.0.1"]}})json")),
              IsEmpty());
  // AVE-30, and nothing that clients could reach.
  EXPECT_THAT(
      ReasonsOf(Parse(R"json({
    "topology": {"kind": "TOPOLOGY_KIND_SINGLE",
                 "virtual_addresses": ["8.8.8.8"]},
    "external": {"addresses": ["10.0.0.1"]},
    "internal": {"addresses": ["10.9.0.1"],
                 "advertised_addresses": ["10.9.0.2"]}})json")),
      UnorderedElementsAre(
          Pair("external.addresses[0]", "EXTERNAL_ADDRESS_NOT_PUBLIC"),
          Pair("internal.advertised_addresses", "INTERNAL_ADDRESS_TRANSLATED"),
          Pair("topology.virtual_addresses",
               "VIRTUAL_ADDRESS_WITHOUT_BALANCER")));
  EXPECT_THAT(ReasonsOf(Parse(R"json({
    "topology": {"kind": "TOPOLOGY_KIND_SINGLE"},
    "external": {"addresses": ["10.0.0.1"],
                 "advertised_addresses": ["192.168.0.1"]}})json")),
              ElementsAre(Pair("external.advertised_addresses[0]",
                               "ADVERTISED_ADDRESS_NOT_PUBLIC")));
}

// AVE-31, AVE-32, AVE-37.
TEST(ValidateConfigTest, RelaysBehindABalancerArePublicEach) {
  EXPECT_THAT(ReasonsOf(Parse(R"json({
    "topology": {"kind": "TOPOLOGY_KIND_LOAD_BALANCED",
                 "virtual_addresses": ["8.8.8.8", "2a00:1450::8"]},
    "external": {"addresses": ["8.8.4.4"]}})json")),
              IsEmpty());
  EXPECT_THAT(
      ReasonsOf(Parse(R"json({
    "topology": {"kind": "TOPOLOGY_KIND_LOAD_BALANCED",
                 "virtual_addresses": ["10.0.0.8"]},
    "external": {"addresses": ["10.0.0.1"],
                 "advertised_addresses": ["8.8.4.4"]}})json")),
      UnorderedElementsAre(
          Pair("external.addresses[0]", "EXTERNAL_ADDRESS_NOT_PUBLIC"),
          Pair("external.advertised_addresses[0]",
               "EXTERNAL_ADDRESS_TRANSLATED"),
          Pair("topology.virtual_addresses[0]", "VIRTUAL_ADDRESS_NOT_PUBLIC")));
  EXPECT_EQ(FaultsOf(Parse(R"json({
    "topology": {"kind": "TOPOLOGY_KIND_LOAD_BALANCED"},
    "external": {"addresses": ["8.8.4.4"]}})json")),
            (std::set<std::string>{"topology.virtual_addresses"}));
  EXPECT_EQ(
      FaultsOf(Parse(R"json({
    "topology": {}, "external": {"addresses": ["8.8.4.4"]},
    "federated_partners": [{}, {"name": "p",
                                "generation": "PARTNER_GENERATION_R2"}]
    })json")),
      (std::set<std::string>{"topology.kind", "federated_partners[0].name",
                             "federated_partners[0].generation"}));
}

// AVE-49: which relays are a partner's is told once.
TEST(ValidateConfigTest, PartnersHavePrefixesOfTheirOwn) {
  EXPECT_EQ(FaultsOf(Parse(R"json({
    "external": {"addresses": ["8.8.4.4"]},
    "federated_partners": [
      {"name": "a", "generation": "PARTNER_GENERATION_R2",
       "prefixes": ["8.8.8.0/24", "nonsense"]},
      {"name": "b", "generation": "PARTNER_GENERATION_OCS_2007",
       "prefixes": ["8.8.8.8"]},
      {"name": "c", "generation": "PARTNER_GENERATION_R2",
       "prefixes": ["8.8.9.0/24", "2a00:1450::/32"]}]})json")),
            (std::set<std::string>{"federated_partners[0].prefixes[1]",
                                   "federated_partners[1].prefixes"}));
}

TEST(FleetOptionsTest, PartnersAreHeldToTheirWay) {
  const RelayFleetOptions options = FleetOptionsFrom(Parse(R"json({
    "external": {"addresses": ["8.8.4.4"]},
    "federated_partners": [
      {"name": "a", "generation": "PARTNER_GENERATION_R2",
       "prefixes": ["9.9.9.0/24"]},
      {"name": "b", "generation": "PARTNER_GENERATION_OCS_2007",
       "prefixes": ["1.1.1.1"]},
      {"name": "c", "generation": "PARTNER_GENERATION_OCS_2007"}]})json"),
                                                     1);
  const PeerPolicy policy(options.core.policy);
  ASSERT_EQ(options.core.policy.partners.size(), 2u);
  EXPECT_EQ(policy.Check(At("9.9.9.9", 3478)), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("9.9.9.9", 50000)), PeerVerdict::kPartnerWay);
  EXPECT_EQ(policy.Check(At("9.9.9.9", 443), PeerTransport::kTcp),
            PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("1.1.1.1", 3478)), PeerVerdict::kPartnerWay);
  EXPECT_EQ(policy.Check(At("1.1.1.1", 50000), PeerTransport::kTcp),
            PeerVerdict::kAllowed);
  EXPECT_EQ(policy.CheckAccepted(At("1.1.1.1", 0).ip), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.CheckAccepted(At("9.9.9.9", 0).ip),
            PeerVerdict::kPartnerWay);
}

TEST(FleetOptionsTest, DefaultsAreThoseOfTheDocuments) {
  const RelayFleetOptions options = FleetOptionsFrom(
      Parse("{\"external\":{\"addresses\":[\"192.0.2.1\"]}}"), 3);
  ASSERT_EQ(options.listeners.size(), 1u);
  EXPECT_EQ(options.listeners[0], At("192.0.2.1", 3478));  // AVE-02
  EXPECT_EQ(options.core.ports.first, 50000);
  EXPECT_EQ(options.core.ports.last, 59999);
  EXPECT_EQ(options.core.ports.quarantine, absl::Seconds(60));
  EXPECT_EQ(options.core.turn.authenticator.realm, "sallyport");
  EXPECT_FALSE(options.core.turn.authenticator.answer_wrong_integrity);
  EXPECT_EQ(options.core.turn.authenticator.ms_turn_version, 4u);
  EXPECT_EQ(options.core.turn.allocation_quota.per_subject, 10u);
  EXPECT_FALSE(options.core.turn.ipv6.has_value());
  EXPECT_EQ(options.loops, 3u);
  EXPECT_TRUE(options.pin);
}

// AVE-36: clients are told the public address. AVE-43: those of the inside
// listener get ports on the external address.
TEST(FleetOptionsTest, AdvertisedAddressesAndOwnPorts) {
  const Config config = Parse(R"json({
    "server": {"listen_address": "0.0.0.0:7013"},
    "external": {"addresses": ["10.0.0.1", "2001:db8::1"],
                 "advertised_addresses": ["198.51.100.1", "2001:db8::2"]},
    "internal": {"addresses": ["10.9.0.1"]},
    "loops": 1,
    "peer_policy": {"allowed_prefixes": ["10.0.0.0/8"]}})json");
  const RelayFleetOptions options = FleetOptionsFrom(config, 8);
  EXPECT_EQ(options.loops, 1u);
  EXPECT_EQ(options.listeners.size(), 3u);
  EXPECT_EQ(options.core.turn.ipv4->advertised.ToString(), "198.51.100.1");
  EXPECT_EQ(options.core.turn.ipv6->local.ToString(), "2001:db8::1");
  // Nobody reaches our own ports through us, on any of our addresses.
  const PeerPolicy policy(options.core.policy);
  for (const uint16_t port : {3478, 7013, 9464}) {
    EXPECT_EQ(policy.Check(At("10.0.0.1", port)), PeerVerdict::kDeniedPort);
    EXPECT_EQ(policy.Check(At("10.9.0.1", port)), PeerVerdict::kDeniedPort);
  }
  EXPECT_EQ(policy.Check(At("10.0.0.1", 50001)), PeerVerdict::kAllowed);

  const auto uris =
      TurnUris(config, options.listeners, options.stream_listeners);
  ASSERT_EQ(uris.size(), 6u);
  EXPECT_EQ(uris[0].uri, "turn:198.51.100.1:3478?transport=udp");
  EXPECT_FALSE(uris[0].internal);
  EXPECT_EQ(uris[1].uri, "turn:[2001:db8::2]:3478?transport=udp");
  EXPECT_EQ(uris[2].uri, "turn:10.9.0.1:3478?transport=udp");
  EXPECT_TRUE(uris[2].internal);
  EXPECT_EQ(uris[3].uri, "turn:198.51.100.1:3478?transport=tcp");
  EXPECT_EQ(uris[5].uri, "turn:10.9.0.1:3478?transport=tcp");
}

TEST(FleetOptionsTest, ConnectionsAreTakenOnTcpAndTlsPorts) {
  const char* const kJson = R"json({
    "external": {"addresses": ["10.0.0.1"]},
    "turn_tls": {"certificate_file": "c.pem", "key_file": "k.pem"},
    "turn_tls_second_port": 5349,
    "limits": {"max_connections": 20, "max_connections_per_source": 3},
    "peer_policy": {"allowed_prefixes": ["10.0.0.0/8"]}})json";
  Config config = Parse(kJson);
  EXPECT_EQ(FaultsOf(config), std::set<std::string>());
  RelayFleetOptions options = FleetOptionsFrom(config, 1);
  ASSERT_EQ(options.stream_listeners.size(), 3u);
  EXPECT_EQ(options.stream_listeners[0].local, At("10.0.0.1", 3478));
  EXPECT_FALSE(options.stream_listeners[0].tls);
  EXPECT_EQ(options.stream_listeners[1].local, At("10.0.0.1", 443));  // AVE-02
  EXPECT_TRUE(options.stream_listeners[1].tls);
  EXPECT_EQ(options.stream_listeners[2].local, At("10.0.0.1", 5349));
  EXPECT_EQ(options.connections.all, 20u);
  EXPECT_EQ(options.connections.per_subject, 3u);
  const PeerPolicy policy(options.core.policy);
  EXPECT_EQ(policy.Check(At("10.0.0.1", 5349)), PeerVerdict::kDeniedPort);
  const auto uris =
      TurnUris(config, options.listeners, options.stream_listeners);
  ASSERT_EQ(uris.size(), 4u);
  EXPECT_EQ(uris[2].uri, "turns:10.0.0.1:443?transport=tcp");
  config.set_turn_dtls(true);
  const auto with_dtls =
      TurnUris(config, options.listeners, options.stream_listeners);
  ASSERT_EQ(with_dtls.size(), 5u);
  EXPECT_EQ(with_dtls[4].uri, "turns:10.0.0.1:3478?transport=udp");
  config.clear_turn_dtls();

  // Without a certificate 443 is taken only when asked for: pseudo-TLS.
  config.clear_turn_tls();
  config.clear_turn_tls_second_port();
  EXPECT_EQ(FleetOptionsFrom(config, 1).stream_listeners.size(), 1u);
  config.set_turn_tls_port(443);
  options = FleetOptionsFrom(config, 1);
  ASSERT_EQ(options.stream_listeners.size(), 2u);
  EXPECT_FALSE(options.stream_listeners[1].tls);
  config.set_disable_tcp(true);
  EXPECT_TRUE(FleetOptionsFrom(config, 1).stream_listeners.empty());
}

TEST(ValidateConfigTest, AlternateServersAreOneOfEachFamily) {
  const char* const kJson = R"json({
    "external": {"addresses": ["192.0.2.1"]},
    "alternate_servers": ["192.0.2.9:3478", "[2001:db8::9]:3479"%s]})json";
  const Config good = Parse(absl::StrFormat(kJson, ""));
  EXPECT_EQ(FaultsOf(good), std::set<std::string>());
  const RelayFleetOptions options = FleetOptionsFrom(good, 1);
  EXPECT_EQ(options.core.turn.alternate_v4, At("192.0.2.9", 3478));
  EXPECT_EQ(options.core.turn.alternate_v6, At("2001:db8::9", 3479));
  EXPECT_EQ(
      FaultsOf(Parse(
          absl::StrFormat(kJson, ",\"192.0.2.10:3478\",\"relay.test:3478\""))),
      (std::set<std::string>{"alternate_servers[2]", "alternate_servers[3]"}));
}

TEST(ValidateConfigTest, ConnectionPortsMustDiffer) {
  EXPECT_EQ(FaultsOf(Parse(R"json({
    "external": {"addresses": ["192.0.2.1"]},
    "stun_tcp_port": 443, "turn_tls_second_port": 50001,
    "turn_tls": {"certificate_file": "c.pem", "key_file": "k.pem"}})json")),
            (std::set<std::string>{"turn_tls_port", "turn_tls_second_port"}));
}

}  // namespace
}  // namespace sallyport::media_relay
