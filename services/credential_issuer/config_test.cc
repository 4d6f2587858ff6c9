#include "services/credential_issuer/config.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/config_loader.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

config::v1::CredentialIssuerConfig Parse(const std::string& json) {
  config::v1::CredentialIssuerConfig config;
  EXPECT_THAT(ParseConfig(json, &config), IsOk());
  return config;
}

std::vector<std::string> Faults(const std::string& json) {
  ConfigFaults faults;
  ValidateConfig(Parse(json), &faults);
  std::vector<std::string> out;
  for (const auto& v : faults.violations()) out.push_back(v.field);
  return out;
}

TEST(ConfigTest, TheLeastThatIsRightAndItsDefaults) {
  const char json[] =
      R"({"store": {"sqlite_file": "f"}, "master_key_file": "k"})";
  EXPECT_THAT(Faults(json), IsEmpty());
  const auto config = Parse(json);
  EXPECT_EQ(RealmOf(config), "sallyport");
  EXPECT_EQ(LimitsOf(config).max_lifetime, absl::Hours(8));
  EXPECT_EQ(LimitsOf(config).default_lifetime, absl::Hours(1));
  EXPECT_EQ(LimitsOf(config).per_tenant_second, 1000u);
  EXPECT_EQ(LimitsOf(config).per_subject_minute, 60u);
  EXPECT_EQ(RingPolicyOf(config).rotation_interval, absl::Hours(24));
  EXPECT_EQ(RingPolicyOf(config).activation_delay, absl::Seconds(10));
  EXPECT_EQ(RingPolicyOf(config).acknowledge_timeout, absl::Seconds(60));
  EXPECT_EQ(HeartbeatOf(config), absl::Seconds(15));
  EXPECT_EQ(AuditRetentionOf(config), absl::Hours(24 * 30));
}

TEST(ConfigTest, PoliciesOfTenants) {
  const IssueLimits limits = LimitsOf(Parse(R"({"tenant_policies": [
    {"tenant": "tenants/a", "max_lifetime": "600s", "default_lifetime": "60s",
     "max_issues_per_second": 7},
    {"tenant": "tenants/b", "disabled": true}]})"));
  ASSERT_EQ(limits.tenants.size(), 2u);
  EXPECT_EQ(limits.tenants.at("a").max_lifetime, absl::Minutes(10));
  EXPECT_EQ(limits.tenants.at("a").default_lifetime, absl::Minutes(1));
  EXPECT_EQ(limits.tenants.at("a").per_second, 7u);
  EXPECT_FALSE(limits.tenants.at("a").disabled);
  EXPECT_TRUE(limits.tenants.at("b").disabled);
}

TEST(ConfigTest, WhatRelaysAreToldOfPolicies) {
  const auto limits = MediaLimitsOf(Parse(R"({"tenant_policies": [
    {"tenant": "tenants/a", "max_allocation_bytes_per_second": 16000,
     "max_subject_bytes_per_second": 32000,
     "max_tenant_bytes_per_second": 64000, "max_allocations": 4,
     "max_allocations_per_subject": 2},
    {"tenant": "tenants/b", "disabled": true}]})"));
  ASSERT_EQ(limits.tenants_size(), 1);
  EXPECT_EQ(limits.tenants(0).tenant(), "tenants/a");
  EXPECT_EQ(limits.tenants(0).max_allocation_bytes_per_second(), 16000u);
  EXPECT_EQ(limits.tenants(0).max_subject_bytes_per_second(), 32000u);
  EXPECT_EQ(limits.tenants(0).max_tenant_bytes_per_second(), 64000u);
  EXPECT_EQ(limits.tenants(0).max_allocations(), 4u);
  EXPECT_EQ(limits.tenants(0).max_allocations_per_subject(), 2u);
  EXPECT_THAT(
      Faults(R"({"store": {"sqlite_file": "f"}, "master_key_file": "k",
        "tenant_policies": [{"tenant": "tenants/a",
          "max_tenant_bytes_per_second": 999}]})"),
      testing::ElementsAre("tenant_policies[0].max_tenant_bytes_per_second"));
}

// AVE-18: no setting gives more than 8 hours.
TEST(ConfigTest, EightHoursAtMost) {
  EXPECT_EQ(LimitsOf(Parse(R"({"max_lifetime": "90000s"})")).max_lifetime,
            absl::Hours(8));
}

TEST(ConfigTest, EveryFaultAtOnce) {
  EXPECT_THAT(Faults("{}"), UnorderedElementsAre("store", "master_key_file"));
  EXPECT_THAT(
      Faults(R"({
    "store": {"postgres": {"connection": "host=db password=x"}},
    "acknowledge_timeout": "31s",
    "tenant_policies": [{"tenant": "a"}, {"tenant": "tenants/b"},
      {"tenant": "tenants/b", "max_lifetime": "0.5s"}, {},
      {"tenant": "tenants/c", "default_lifetime": "-1s"}],
    "master_key_file": "k",
    "default_lifetime": "-1s",
    "rotation_interval": "60s",
    "activation_delay": "50s",
    "issue_callers": ["a/b", ""],
    "relays": [{"relay": "r", "internet_uris": ["turn:a", "http://b"]},
               {"relay": "r", "intranet_uris": ["turn:a:0"]},
               {}]
  })"),
      UnorderedElementsAre(
          "store.postgres.connection", "acknowledge_timeout",
          "tenant_policies[0].tenant", "tenant_policies[2].tenant",
          "tenant_policies[2].max_lifetime", "tenant_policies[3].tenant",
          "tenant_policies[4].default_lifetime", "default_lifetime",
          "default_lifetime", "rotation_interval", "activation_delay",
          "issue_callers[0]", "issue_callers[1]", "relays[0].internet_uris[1]",
          "relays[1].relay", "relays[1].intranet_uris[0]", "relays[2].relay",
          "relays[2]"));
}

TEST(ConfigTest, RelaysKeepTheirNetworks) {
  const auto relays = RelaysOf(Parse(R"({"relays": [{
    "relay": "r", "location": "paris", "internet_uris": ["turn:a.test"],
    "intranet_uris": ["turns:a.lan:443?transport=tcp"]}]})"));
  ASSERT_EQ(relays.size(), 1u);
  EXPECT_EQ(relays[0].location, "paris");
  EXPECT_EQ(relays[0].weight, 1u);
  ASSERT_EQ(relays[0].addresses.size(), 2u);
  EXPECT_EQ(relays[0].addresses[0].network, ClientNetwork::kInternet);
  EXPECT_EQ(relays[0].addresses[1].network, ClientNetwork::kIntranet);
  EXPECT_EQ(relays[0].addresses[1].uri.port, 443);
}

}  // namespace
}  // namespace sallyport::credential_issuer
