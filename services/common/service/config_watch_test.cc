#include "services/common/service/config_watch.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/credential_issuer/config/v1/credential_issuer_config.pb.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Config = credential_issuer::config::v1::CredentialIssuerConfig;

TEST(ConfigWatchTest, TellsEachContentOnceAndFollowsLinks) {
  const std::string folder = testing::TempDir() + "/watch";
  const auto write = [](const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  };
  write(folder + ".1", "one");
  write(folder + ".2", "two");
  const std::string path = folder + ".json";
  unlink(path.c_str());
  ASSERT_EQ(symlink((folder + ".1").c_str(), path.c_str()), 0);
  ConfigWatch watch(path);
  EXPECT_EQ(watch.Changed(), std::nullopt);
  // As a mounted ConfigMap changes.
  ASSERT_EQ(symlink((folder + ".2").c_str(), (folder + ".new").c_str()), 0);
  ASSERT_EQ(rename((folder + ".new").c_str(), path.c_str()), 0);
  EXPECT_EQ(watch.Changed(), "two");
  EXPECT_EQ(watch.Changed(), std::nullopt);
  unlink(path.c_str());
  EXPECT_EQ(watch.Changed(), std::nullopt);
  write(path, "three");
  EXPECT_EQ(watch.Changed(), "three");
}

TEST(ConfigWatchTest, NamesTheFieldsThatDifferAtAnyDepth) {
  Config before;
  before.set_realm("r");
  before.add_relays()->set_relay("a");
  before.mutable_server()->set_trust_domain("t");
  Config after = before;
  EXPECT_THAT(ChangedFields(before, after), IsEmpty());
  after.mutable_server()->set_instance_id("i");
  after.mutable_relays(0)->add_internet_uris("turn:x");
  after.clear_realm();
  after.set_max_issues_per_second(5);
  EXPECT_THAT(
      ChangedFields(before, after),
      ElementsAre("server", "realm", "relays", "max_issues_per_second"));
  TakeField(after, "relays", &before);
  TakeField(after, "realm", &before);
  EXPECT_THAT(ChangedFields(before, after),
              ElementsAre("server", "max_issues_per_second"));
  EXPECT_EQ(before.relays_size(), 1);
}

TEST(ConfigWatchTest, TellsEachSettingWithBothValues) {
  Config before;
  before.set_realm("r");
  before.mutable_server()->set_trust_domain("t");
  Config after = before;
  EXPECT_THAT(ChangedSettings(before, after), IsEmpty());
  after.clear_realm();
  after.mutable_server()->mutable_tls()->set_key_file("k");
  after.mutable_server()->set_log_level(common::config::v1::LOG_LEVEL_DEBUG);
  after.mutable_server()->mutable_drain_timeout()->set_seconds(5);
  after.mutable_store();  // there, with nothing in it
  after.add_relays()->set_relay("a");
  EXPECT_THAT(
      ChangedSettings(before, after),
      ElementsAre(SettingDifference{"server.tls.key_file", "\"\"", "\"k\""},
                  SettingDifference{"server.log_level", "LOG_LEVEL_UNSPECIFIED",
                                    "LOG_LEVEL_DEBUG"},
                  SettingDifference{"server.drain_timeout", "", "seconds: 5"},
                  SettingDifference{"store", "", ""},
                  SettingDifference{"realm", "\"r\"", "\"\""},
                  SettingDifference{"relays", "", "relay: \"a\""}));
}

}  // namespace
}  // namespace sallyport
