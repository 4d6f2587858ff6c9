#include "services/media_relay/rpc/load_report.h"

#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/config/proto_time.h"

namespace sallyport::media_relay {
namespace {

RelayLoopReport Loop(size_t sessions, size_t allocations, size_t ports,
                     double load) {
  RelayLoopReport out;
  out.sessions = sessions;
  out.allocations = allocations;
  out.ports_used = ports;
  out.ports_total = 100;
  out.packets_per_second = 10;
  out.bits_per_second = 20;
  out.load = load;
  return out;
}

TEST(LoadReportTest, LoopsAddUpAndTheBusiestCounts) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const v1::RelayLoad load =
      LoadOf({Loop(1, 2, 3, 0.25), Loop(4, 5, 6, 0.5)}, {50, 70}, now);
  EXPECT_EQ(load.session_count(), 5u);
  EXPECT_EQ(load.allocation_count(), 7u);
  EXPECT_EQ(load.ports_used(), 9u);
  EXPECT_EQ(load.ports_total(), 200u);
  EXPECT_EQ(load.packets_per_second(), 20u);
  EXPECT_EQ(load.bits_per_second(), 40u);
  EXPECT_EQ(load.busiest_loop_load(), 0.5);
  EXPECT_EQ(load.session_capacity(), 50u);
  EXPECT_EQ(load.allocation_capacity(), 70u);
  EXPECT_FALSE(load.draining());
  EXPECT_EQ(FromProto(load.measure_time()), now);
}

TEST(LoadReportTest, OneLoopThatDrainsIsARelayThatDrains) {
  RelayLoopReport draining;
  draining.draining = true;
  EXPECT_TRUE(LoadOf({Loop(0, 0, 0, 0), draining}, {}, absl::Now()).draining());
}

TEST(LoadReportTest, TheScarcestDecidesTheShare) {
  v1::RelayLoad load;
  EXPECT_EQ(ShareOf(load), 0);
  load.set_busiest_loop_load(0.125);
  EXPECT_EQ(ShareOf(load), 0.125);
  load.set_session_count(1);
  load.set_session_capacity(4);
  EXPECT_EQ(ShareOf(load), 0.25);
  load.set_allocation_count(3);
  load.set_allocation_capacity(8);
  EXPECT_EQ(ShareOf(load), 0.375);
  load.set_ports_used(1);
  load.set_ports_total(2);
  EXPECT_EQ(ShareOf(load), 0.5);
  load.set_session_count(9);
  EXPECT_EQ(ShareOf(load), 1);
}

}  // namespace
}  // namespace sallyport::media_relay
