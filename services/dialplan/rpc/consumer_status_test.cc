#include "services/dialplan/rpc/consumer_status.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

ConsumerState State(const std::string& consumer, int streams, int64_t sent,
                    int64_t active, int report) {
  ConsumerState out;
  out.consumer = consumer;
  out.identity = "spiffe://t.test/signaling_edge";
  out.streams = streams;
  out.sent_version = sent;
  out.active_version = active;
  if (report > 0) out.report_time = absl::FromUnixSeconds(report);
  return out;
}

TEST(ConsumerStatusTest, OneLineForEachConsumer) {
  std::vector<pb::DialplanStatus> seen(3);
  // Its stream is at a, its last report went to b; c it has left long ago.
  AddConsumers({State("edge-0", 1, 9, 7, 10)}, "a", seen[0]);
  AddConsumers({State("edge-0", 0, 0, 9, 20), State("edge-1", 1, 9, 0, 0)}, "b",
               seen[1]);
  AddConsumers({State("edge-0", 0, 3, 3, 5), State("edge-2", 0, 2, 2, 5)}, "c",
               seen[2]);
  pb::DialplanStatus out;
  MergeConsumers(seen, out);
  ASSERT_EQ(out.consumers_size(), 3);
  const pb::ConsumerStatus& first = out.consumers(0);
  EXPECT_EQ(first.consumer(), "edge-0");
  EXPECT_TRUE(first.connected());
  EXPECT_EQ(first.replica(), "a");
  EXPECT_EQ(first.sent_version(), 9);
  EXPECT_EQ(first.active_version(), 9);
  EXPECT_EQ(first.report_time().seconds(), 20);
  EXPECT_EQ(out.consumers(1).replica(), "b");
  EXPECT_FALSE(out.consumers(1).has_report_time());
  EXPECT_FALSE(out.consumers(2).connected());
  EXPECT_EQ(out.consumers(2).replica(), "c");
}

// Nobody has its stream: it is shown where it reported last.
TEST(ConsumerStatusTest, WithoutStreamTheLastReportCounts) {
  std::vector<pb::DialplanStatus> seen(2);
  AddConsumers({State("edge-0", 0, 5, 5, 30)}, "a", seen[0]);
  AddConsumers({State("edge-0", 0, 6, 6, 40)}, "b", seen[1]);
  for (int i = 0; i < 2; ++i) {
    pb::DialplanStatus out;
    MergeConsumers(seen, out);
    ASSERT_EQ(out.consumers_size(), 1);
    EXPECT_EQ(out.consumers(0).replica(), "b");
    EXPECT_EQ(out.consumers(0).active_version(), 6);
    std::swap(seen[0], seen[1]);
  }
}

}  // namespace
}  // namespace sallyport::dialplan
