#include "services/common/config/server_config.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/config_loader.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Check(const std::string& json) {
  pb::ServerConfig config;
  EXPECT_THAT(ParseConfig(json, &config), IsOk());
  ConfigFaults faults;
  CheckServerConfig("server", config, &faults);
  std::vector<std::string> fields;
  for (const auto& v : faults.violations()) fields.push_back(v.field);
  return fields;
}

TEST(ServerConfigTest, TheLeastThatIsRight) {
  EXPECT_THAT(Check(R"({"tls": {"certificate_file": "c", "key_file": "k",
                                "ca_file": "a"},
                        "trust_domain": "demo.sallyport.test"})"),
              IsEmpty());
}

TEST(ServerConfigTest, AllThatIsRequired) {
  EXPECT_THAT(
      Check("{}"),
      UnorderedElementsAre("server.tls.certificate_file", "server.tls.key_file",
                           "server.tls.ca_file", "server.trust_domain"));
}

TEST(ServerConfigTest, EveryFaultAtOnce) {
  EXPECT_THAT(
      Check(R"({
    "listen_address": "7001",
    "metrics_address": "localhost:99999",
    "tls": {"certificate_file": "c", "key_file": "k", "ca_file": "a"},
    "trust_domain": "Demo Test",
    "drain_timeout": "-1s",
    "log_level": 17,
    "max_message_bytes": 4000000000,
    "log_queue_bytes": 268435457
  })"),
      UnorderedElementsAre("server.listen_address", "server.metrics_address",
                           "server.trust_domain", "server.drain_timeout",
                           "server.log_level", "server.log_queue_bytes",
                           "server.max_message_bytes"));
}

TEST(ServerConfigTest, RoleBindings) {
  EXPECT_THAT(Check(R"({
    "tls": {"certificate_file": "c", "key_file": "k", "ca_file": "a"},
    "trust_domain": "t",
    "role_bindings": [
      {"identity": "spiffe://t/operator/ann", "role": "ROLE_VIEWER",
       "tenants": ["*"]},
      {"identity": "spiffe://other/operator/ann", "role": "ROLE_VIEWER",
       "tenants": ["a"]},
      {"identity": "spiffe://t/dialplan", "tenants": ["a/b", ""]},
      {"identity": "spiffe://t/operator/", "role": "ROLE_ADMIN"}
    ]})"),
              UnorderedElementsAre("server.role_bindings[1].identity",
                                   "server.role_bindings[2].identity",
                                   "server.role_bindings[2].role",
                                   "server.role_bindings[2].tenants[0]",
                                   "server.role_bindings[2].tenants[1]",
                                   "server.role_bindings[3].identity",
                                   "server.role_bindings[3].tenants"));
}

TEST(ServerConfigTest, ListenAddresses) {
  for (const char* good : {"127.0.0.1:0", "[::1]:7001", "localhost:65535"}) {
    EXPECT_TRUE(IsListenAddress(good)) << good;
  }
  for (const char* bad : {"", ":", ":1", "a", "a:", "a:65536", "a:-1", "a:+1",
                          "::1:7001", "a:http", "a:000001"}) {
    EXPECT_FALSE(IsListenAddress(bad)) << bad;
  }
}

TEST(ClientConfigTest, TargetIsRequiredOnlyWhereItIs) {
  pb::ClientConfig config;
  ConfigFaults optional;
  CheckClientConfig("relay", config, false, &optional);
  EXPECT_TRUE(optional.empty());
  config.mutable_timeout()->set_seconds(-1);
  config.set_expected_service("a/b");
  ConfigFaults required;
  CheckClientConfig("relay", config, true, &required);
  std::vector<std::string> fields;
  for (const auto& v : required.violations()) fields.push_back(v.field);
  EXPECT_THAT(fields, UnorderedElementsAre("relay.target", "relay.timeout",
                                           "relay.expected_service"));
}

}  // namespace
}  // namespace sallyport
