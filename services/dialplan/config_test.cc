#include "services/dialplan/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/status/error_reason.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;

std::vector<std::string> Faults(const config::v1::DialplanConfig& config) {
  ConfigFaults faults;
  ValidateConfig(config, &faults);
  std::vector<std::string> out;
  for (const FieldViolation& v : faults.violations()) out.push_back(v.field);
  return out;
}

TEST(ConfigTest, Defaults) {
  config::v1::DialplanConfig config;
  config.mutable_store()->set_sqlite_file("plan.db");
  EXPECT_THAT(Faults(config), testing::IsEmpty());
  EXPECT_THAT(Watchers(config), ElementsAre("signaling_edge", "capf"));
  EXPECT_EQ(SnapshotHistory(config), 20'000u);
  const PlanEditor::Options options = EditorOptions(config);
  EXPECT_EQ(options.request_retention, absl::Hours(24));
  EXPECT_EQ(options.limits.tenants, 1000u);
  EXPECT_EQ(options.limits.users, 1'000'000u);
}

TEST(ConfigTest, WhatIsSetCounts) {
  config::v1::DialplanConfig config;
  config.add_watchers("signaling_edge");
  config.set_snapshot_history(5);
  config.mutable_request_id_retention()->set_seconds(60);
  config.mutable_limits()->set_max_peers(3);
  EXPECT_THAT(Watchers(config), ElementsAre("signaling_edge"));
  EXPECT_EQ(SnapshotHistory(config), 5u);
  EXPECT_EQ(EditorOptions(config).request_retention, absl::Minutes(1));
  EXPECT_EQ(EditorOptions(config).limits.peers, 3u);
}

TEST(ConfigTest, PostgresIsAStore) {
  config::v1::DialplanConfig config;
  config.mutable_store()->mutable_postgres()->set_connection(
      "host=db dbname=sallyport user=dialplan sslmode=verify-full");
  EXPECT_THAT(Faults(config), testing::IsEmpty());
}

TEST(ConfigTest, DecisionListener) {
  config::v1::DialplanConfig config;
  config.mutable_store()->set_sqlite_file("plan.db");
  config::v1::DecisionListener& decisions = *config.mutable_decision_listener();
  decisions.set_listen_address("[::]:7011");
  decisions.mutable_busy_poll()->set_nanos(500'000);
  decisions.set_cpu(0);
  EXPECT_THAT(Faults(config), testing::IsEmpty());
  decisions.set_listen_address("dialplan.test:7011");
  decisions.mutable_busy_poll()->set_seconds(2);
  decisions.set_cpu(1024);
  decisions.set_max_connections(100'001);
  EXPECT_THAT(Faults(config), ElementsAre("decision_listener.listen_address",
                                          "decision_listener.busy_poll",
                                          "decision_listener.cpu",
                                          "decision_listener.max_connections"));
}

TEST(ConfigTest, AllFaultsAtOnce) {
  config::v1::DialplanConfig config;
  config.mutable_store()->mutable_postgres()->set_connection("host=db");
  config.set_snapshot_history(2'000'000);
  config.mutable_watch_heartbeat_interval()->set_seconds(20);
  config.mutable_request_id_retention()->set_seconds(-1);
  config.add_watchers("");
  EXPECT_THAT(Faults(config),
              ElementsAre("store.postgres.connection", "snapshot_history",
                          "watch_heartbeat_interval", "request_id_retention",
                          "watchers[0]"));
  config.clear_store();
  EXPECT_THAT(Faults(config), testing::Contains("store"));
}

}  // namespace
}  // namespace sallyport::dialplan
