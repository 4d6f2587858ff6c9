#include "tools/cli/cli_config.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

std::string Write(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/cli.json";
  std::ofstream(path) << text;
  return path;
}

constexpr char kGood[] = R"({
  "tls": {"certificate_file": "a.pem", "key_file": "a.key",
          "ca_file": "ca.pem"},
  "trust_domain": "demo.sallyport.test",
  "dialplan": {"target": "127.0.0.1:7001"},
  "signaling_edges": [{"target": "127.0.0.1:7002"}]
})";

TEST(CliConfigTest, ReadsAFile) {
  SP_ASSERT_OK_AND_ASSIGN(const auto config, LoadCliConfig(Write(kGood)));
  EXPECT_EQ(config.dialplan().target(), "127.0.0.1:7001");
  EXPECT_EQ(config.signaling_edges_size(), 1);
  EXPECT_EQ(TenantOf(config), "default");
}

TEST(CliConfigTest, ReadsTheFileOfTheEnvironment) {
  ASSERT_EQ(setenv(kConfigVariable, Write(kGood).c_str(), 1), 0);
  EXPECT_THAT(LoadCliConfig(""), IsOk());
  ASSERT_EQ(unsetenv(kConfigVariable), 0);
  EXPECT_THAT(LoadCliConfig(""), HasReason("CONFIG_NOT_GIVEN"));
}

TEST(CliConfigTest, NamesEveryFault) {
  config::v1::CliConfig config;
  config.add_media_relays();
  const absl::Status status = CheckCliConfig(config);
  EXPECT_THAT(status, HasReason("CONFIG_INVALID"));
  EXPECT_EQ(FieldViolationsOf(status).size(), 5);
}

TEST(CliConfigTest, RefusesUnknownFields) {
  EXPECT_THAT(LoadCliConfig(Write(R"({"dialplam": {}})")),
              HasReason("CONFIG_INVALID"));
}

}  // namespace
}  // namespace sallyport::cli
