#include "services/signaling_edge/io/call_record_desk.h"

#include <memory>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

const MonoTime kNow = MonoTime::FromOrigin(absl::Hours(1));

CallRecord Record(uint64_t id, const char* session) {
  CallRecord out;
  out.id = id;
  out.media_session = session;
  return out;
}

std::shared_ptr<const CallRecord> Shared(const CallRecord& record) {
  return std::make_shared<const CallRecord>(record);
}

TEST(CallRecordDeskTest, WithoutMediaTheRecordIsWhole) {
  CallRecordDesk desk(absl::Seconds(3));
  EXPECT_EQ(desk.OnEnded(Shared(Record(1, "")), kNow)->id, 1u);
  EXPECT_EQ(desk.deadline(), MonoTime::InfiniteFuture());
}

// One leg: nobody was called, and so no relay has anything to tell.
TEST(CallRecordDeskTest, ARefusedCallIsWholeAtOnce) {
  CallRecordDesk desk(absl::Seconds(3));
  CallRecord refused = Record(1, "");
  refused.legs.resize(1);
  EXPECT_EQ(desk.OnEnded(Shared(refused), kNow)->legs.size(), 1u);
  EXPECT_FALSE(desk.OnStatistics(refused).has_value());
  EXPECT_TRUE(desk.TakeAll().empty());
}

TEST(CallRecordDeskTest, WaitsForStatisticsOnce) {
  CallRecordDesk desk(absl::Seconds(3));
  EXPECT_FALSE(desk.OnEnded(Shared(Record(1, "s")), kNow).has_value());
  EXPECT_EQ(desk.deadline(), kNow + absl::Seconds(3));
  CallRecord whole = Record(1, "s");
  whole.legs.resize(1);
  whole.legs[0].statistics.packets_received = 50;
  EXPECT_EQ(desk.OnStatistics(whole)->legs[0].statistics.packets_received, 50u);
  EXPECT_FALSE(desk.OnStatistics(whole).has_value());
  EXPECT_TRUE(desk.OnDeadline(kNow + absl::Hours(1)).empty());
}

TEST(CallRecordDeskTest, GivesUpAndLosesNothing) {
  CallRecordDesk desk(absl::Seconds(3));
  desk.OnEnded(Shared(Record(1, "s")), kNow);
  desk.OnEnded(Shared(Record(2, "s")), kNow + absl::Seconds(1));
  EXPECT_TRUE(desk.OnDeadline(kNow + absl::Seconds(2)).empty());
  const auto late = desk.OnDeadline(kNow + absl::Seconds(3));
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].id, 1u);
  ASSERT_EQ(desk.TakeAll().size(), 1u);
  EXPECT_TRUE(desk.TakeAll().empty());
}

}  // namespace
}  // namespace sallyport::signaling_edge
