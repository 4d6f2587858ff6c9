#include "services/dialplan/rpc/consumer_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sallyport::dialplan {
namespace {

TEST(ConsumerTableTest, OneLineForEachIdentityAndInstance) {
  ConsumerTable table;
  table.StreamOpened("edge", "e0");
  table.StreamOpened("edge", "e0");
  table.StreamOpened("capf", "e0");
  table.Sent("edge", "e0", 7);
  ConsumerState report;
  report.identity = "edge";
  report.consumer = "e0";
  report.active_version = 6;
  report.error = "LATE";
  report.report_time = absl::FromUnixSeconds(5);
  table.Reported(report);
  table.StreamClosed("edge", "e0");
  std::vector<ConsumerState> all = table.All();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].identity, "edge");
  EXPECT_EQ(all[1].streams, 1);
  EXPECT_EQ(all[1].sent_version, 7);
  EXPECT_EQ(all[1].active_version, 6);
  EXPECT_EQ(all[1].error, "LATE");
  // A report does not close streams, nor a stream forget the report.
  table.StreamClosed("edge", "e0");
  all = table.All();
  EXPECT_EQ(all[1].streams, 0);
  EXPECT_EQ(all[1].active_version, 6);
}

TEST(ConsumerTableTest, IsBoundedAndKeepsWhoIsConnected) {
  ConsumerTable table;
  table.StreamOpened("edge", "live");
  for (size_t i = 0; i < ConsumerTable::kMaxConsumers + 50; ++i) {
    ConsumerState report;
    report.identity = "edge";
    report.consumer = absl::StrCat("e", i);
    report.report_time = absl::FromUnixSeconds(static_cast<int64_t>(i) + 1);
    table.Reported(report);
  }
  const std::vector<ConsumerState> all = table.All();
  EXPECT_EQ(all.size(), ConsumerTable::kMaxConsumers);
  bool live = false, oldest = false, newest = false;
  for (const ConsumerState& state : all) {
    live |= state.consumer == "live";
    oldest |= state.consumer == "e0";
    newest |=
        state.consumer == absl::StrCat("e", ConsumerTable::kMaxConsumers + 49);
  }
  EXPECT_TRUE(live);
  EXPECT_FALSE(oldest);
  EXPECT_TRUE(newest);
}

}  // namespace
}  // namespace sallyport::dialplan
