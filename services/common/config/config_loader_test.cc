#include "services/common/config/config_loader.h"

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::vector<std::string> FaultyFields(const absl::Status& status) {
  std::vector<std::string> out;
  for (const FieldViolation& v : FieldViolationsOf(status)) {
    out.push_back(v.field);
  }
  return out;
}

TEST(ConfigLoaderTest, ReadsTheProto3Mapping) {
  pb::ServerConfig config;
  ASSERT_THAT(ParseConfig(R"({
    "listen_address": "127.0.0.1:0",
    "trustDomain": "demo.sallyport.test",
    "tls": {"key_file": "k.pem"},
    "log_level": "LOG_LEVEL_DEBUG",
    "drain_timeout": "1.5s",
    "max_message_bytes": 1000,
    "disable_reflection": true,
    "ready_file": null,
    "role_bindings": [{"identity": "x", "role": 3, "tenants": ["*"]}]
  })",
                          &config),
              IsOk());
  EXPECT_EQ(config.listen_address(), "127.0.0.1:0");
  EXPECT_EQ(config.trust_domain(), "demo.sallyport.test");
  EXPECT_EQ(config.tls().key_file(), "k.pem");
  EXPECT_EQ(config.log_level(), pb::LOG_LEVEL_DEBUG);
  EXPECT_EQ(config.drain_timeout().nanos(), 500'000'000);
  EXPECT_EQ(config.max_message_bytes(), 1000u);
  EXPECT_TRUE(config.disable_reflection());
  EXPECT_EQ(config.role_bindings(0).role(), pb::ROLE_ADMIN);
}

TEST(ConfigLoaderTest, NamesEveryUnknownFieldAndWrongTypeAtOnce) {
  pb::ServerConfig config;
  const absl::Status status = ParseConfig(R"({
    "listen_adress": "127.0.0.1:0",
    "tls": {"key_file": 7, "cert": "c.pem"},
    "log_level": "LOUD",
    "disable_reflection": "yes",
    "max_message_bytes": {},
    "role_bindings": [{"identity": "x"}, {"tenants": "*"}, 3],
    "trust_domain": ["a"]
  })",
                                          &config);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status, HasReason("CONFIG_INVALID"));
  EXPECT_THAT(
      FaultyFields(status),
      UnorderedElementsAre("listen_adress", "tls.key_file", "tls.cert",
                           "log_level", "disable_reflection",
                           "max_message_bytes", "role_bindings[1].tenants",
                           "role_bindings[2]", "trust_domain"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("listen_adress is not a known field"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tls.key_file must be text, not a number"));
}

TEST(ConfigLoaderTest, AFieldUnderItsTwoNamesIsGivenTwice) {
  pb::ServerConfig config;
  const absl::Status status =
      ParseConfig(R"({"trust_domain": "a", "trustDomain": "b"})", &config);
  EXPECT_THAT(FaultyFields(status), UnorderedElementsAre("trust_domain"));
}

TEST(ConfigLoaderTest, SaysWhereTextStopsBeingJson) {
  pb::ServerConfig config;
  const absl::Status status =
      ParseConfig("{\"trust_domain\": \"a\",,}", &config);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("not a JSON object")));
  EXPECT_THAT(std::string(status.message()), HasSubstr(",,"));
  for (const char* bad : {"", "[]", "7", "{", "{\"a\"}", "\xff\xfe"}) {
    EXPECT_THAT(ParseConfig(bad, &config), HasReason("CONFIG_INVALID")) << bad;
  }
}

TEST(ConfigLoaderTest, RangesAndFormsAreCheckedToo) {
  pb::ServerConfig config;
  for (const char* bad :
       {R"({"drain_timeout": "soon"})", R"({"max_message_bytes": -1})",
        R"({"max_message_bytes": 4294967296})", R"({"drain_timeout": 5})",
        R"({"max_message_bytes": "many"})"}) {
    EXPECT_THAT(ParseConfig(bad, &config), HasReason("CONFIG_INVALID")) << bad;
  }
}

TEST(ConfigLoaderTest, SizeIsBounded) {
  pb::ServerConfig config;
  EXPECT_THAT(ParseConfig(std::string(kMaxConfigBytes + 1, ' '), &config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4 MiB")));
}

TEST(ConfigLoaderTest, LoadsAFileAndNamesItInErrors) {
  const std::string path = testing::TempDir() + "/config.json";
  std::ofstream(path) << R"({"trust_domain": "a.test"})";
  pb::ServerConfig config;
  ASSERT_THAT(LoadConfig(path, &config), IsOk());
  EXPECT_EQ(config.trust_domain(), "a.test");
  std::ofstream(path) << R"({"x": 1})";
  const absl::Status status = LoadConfig(path, &config);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_THAT(FaultyFields(status), UnorderedElementsAre("x"));
  std::remove(path.c_str());
  EXPECT_THAT(LoadConfig(path, &config),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
}

}  // namespace
}  // namespace sallyport
