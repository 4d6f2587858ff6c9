#include "services/capf/config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/config_loader.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::vector<std::string> FaultsOf(const std::string& json) {
  config::v1::CapfConfig config;
  EXPECT_THAT(ParseConfig(json, &config), IsOk());
  ConfigFaults faults;
  ValidateConfig(config, &faults);
  std::vector<std::string> fields;
  for (const FieldViolation& fault : faults.violations()) {
    fields.push_back(fault.field);
  }
  return fields;
}

constexpr char kGood[] = R"({"store":{"sqlite_file":"x.db"},
  "authority":{"key_file":"own/k","certificate_file":"own/c",
               "passphrase_file":"p"},"audit_file":"a")";

TEST(CapfConfigTest, LeastConfiguration) {
  EXPECT_THAT(FaultsOf(std::string(kGood) + "}"), ElementsAre());
  EXPECT_THAT(FaultsOf("{}"),
              UnorderedElementsAre("store", "authority.key_file",
                                   "authority.certificate_file",
                                   "authority.passphrase_file", "audit_file"));
}

// Keys never lie in clear, also not those that a token does not hold; what
// opens them does not lie beside them.
TEST(CapfConfigTest, NoPassphraseOrOneInABackupIsAFault) {
  EXPECT_THAT(FaultsOf(R"({"store":{"sqlite_file":"x.db"},"audit_file":"a",
      "authority":{"key_file":"own/k","certificate_file":"c"}})"),
              ElementsAre("authority.passphrase_file"));
  EXPECT_THAT(FaultsOf(R"({"store":{"sqlite_file":"x.db"},"audit_file":"a",
      "authority":{"certificate_file":"own/c","pkcs11":{"module_file":"m",
          "token_label":"t","key_label":"k","pin_file":"own/pin"}}})"),
              UnorderedElementsAre("authority.passphrase_file",
                                   "authority.pkcs11.pin_file"));
  EXPECT_THAT(
      FaultsOf(R"({"store":{"sqlite_file":"x.db"},"audit_file":"a",
      "server":{"tls":{"key_file":"own/../own/grpc"}},
      "capf":{"certificate_file":"c","key_file":"./own/port"},
      "authority":{"key_file":"own/k","certificate_file":"own/c",
          "passphrase_file":"own//p","est":{"url":"https://ca.test/est",
              "ca_file":"own/up","certificate_file":"own/e",
              "key_file":"own/e.key","password_file":"own/e.password"}}})"),
      UnorderedElementsAre("authority.passphrase_file", "server.tls.key_file",
                           "capf.key_file", "authority.est.key_file",
                           "authority.est.password_file"));
  // In the working folder.
  EXPECT_THAT(FaultsOf(R"({"store":{"sqlite_file":"x.db"},"audit_file":"a",
      "authority":{"key_file":"k","certificate_file":"c",
                   "passphrase_file":"p"}})"),
              ElementsAre("authority.passphrase_file"));
}

TEST(CapfConfigTest, AllFaultsAtOnce) {
  EXPECT_THAT(FaultsOf(std::string(kGood) +
                       R"(,"capf":{"address":"nowhere","port":70000,
                   "certificate_file":"x","server_names":["capf.test"],
                   "idle_timeout":"-1s"},
                  "lifetimes":{"lsc":"400000000s"},
                  "max_failed_attempts":11})"),
              UnorderedElementsAre("capf.port", "capf.address", "capf.key_file",
                                   "capf.server_names", "capf.idle_timeout",
                                   "lifetimes.lsc", "max_failed_attempts"));
}

TEST(CapfConfigTest, WhatDoesNotGoTogetherIsSaid) {
  EXPECT_THAT(
      FaultsOf(std::string(kGood) +
               R"(,"tftp_address":"0.0.0.0:69","phone_http_address":":6970",
                  "tvs_address":":2445",
                  "capf":{"certificate_file":"c","key_file":"k",
                          "certificate_as_authority":true},
                  "crl_delta_url":"https://crl.test/x",
                  "crl_url":"http://crl.test/x/","crl_http_address":":80",
                  "lifetimes":{"ctl_signer":"400000000s"}})"),
      UnorderedElementsAre("tftp_address", "phone_http_address", "tvs_address",
                           "capf.certificate_as_authority", "crl_delta_url",
                           "crl_url", "crl_http_address",
                           "lifetimes.ctl_signer"));
  EXPECT_THAT(
      FaultsOf(std::string(kGood) + R"(,"lifetimes":{"ctl_signer":"86400s"}})"),
      ElementsAre());
  // Another machine's database is reached by verified TLS only.
  EXPECT_THAT(FaultsOf(R"({"store":{"postgres":{"connection":"host=db"}},
      "authority":{"key_file":"own/k","certificate_file":"c",
                   "passphrase_file":"p"},"audit_file":"a"})"),
              ElementsAre("store.postgres.connection"));
}

TEST(CapfConfigTest, DeltaListsAreWhereListsAreServed) {
  config::v1::CapfConfig config;
  EXPECT_EQ(DeltaUrl(config), "");
  config.set_crl_url("http://crl.test");
  EXPECT_EQ(DeltaUrl(config), "");
  config.set_crl_http_address("0.0.0.0:80");
  EXPECT_EQ(DeltaUrl(config), "http://crl.test");
  config.set_crl_delta_url("http://other.test/x");
  EXPECT_EQ(DeltaUrl(config), "http://other.test/x");
}

TEST(CapfConfigTest, Defaults) {
  config::v1::CapfListenerConfig listener;
  EXPECT_EQ(CapfAddress(listener)->ToString(), "0.0.0.0:3804");
  listener.set_ephemeral_port(true);
  listener.set_address("127.0.0.1");
  EXPECT_EQ(CapfAddress(listener)->ToString(), "127.0.0.1:0");
  EXPECT_THAT(ListenerNames(listener)->dns_names, ElementsAre("localhost"));
  listener.add_server_names("DNS:capf.test");
  listener.add_server_names("IP:127.0.0.2");
  EXPECT_THAT(ListenerNames(listener)->dns_names, ElementsAre("capf.test"));
  EXPECT_THAT(ListenerNames(listener)->ip_addresses,
              ElementsAre(std::string("\x7f\x00\x00\x02", 4)));
  EXPECT_THAT(Watchers({}), ElementsAre("signaling_edge", "media_relay"));
}

}  // namespace
}  // namespace sallyport::capf
