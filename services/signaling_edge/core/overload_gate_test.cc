#include "services/signaling_edge/core/overload_gate.h"

#include <set>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"

namespace sallyport::signaling_edge {
namespace {

class OverloadGateTest : public testing::Test {
 protected:
  void Samples(int count, const LoadSample& sample) {
    for (int i = 0; i < count; ++i) {
      now_ += absl::Milliseconds(50);
      gate_.OnSample(sample, now_);
    }
  }
  int Of100(LoadClass who) {
    int taken = 0;
    for (int i = 0; i < 100; ++i) taken += gate_.Admit(who, now_) ? 1 : 0;
    return taken;
  }

  FakeRandom random_;
  OverloadGate gate_{{}, random_};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

TEST_F(OverloadGateTest, WithoutLoadEverybodyIsTaken) {
  Samples(100, {.lag = absl::Milliseconds(3), .queue_fill = 0.01});
  EXPECT_EQ(gate_.level(), 0);
  EXPECT_EQ(Of100(LoadClass::kStranger), 100);
}

TEST_F(OverloadGateTest, ALateLoopRefusesStrangersFirst) {
  Samples(7, {.lag = absl::Milliseconds(500)});  // 0.35 s
  EXPECT_LE(Of100(LoadClass::kStranger), 5);
  EXPECT_GT(Of100(LoadClass::kFamiliar), 50);
  EXPECT_EQ(Of100(LoadClass::kProven), 100);
  Samples(20, {.lag = absl::Milliseconds(500)});
  EXPECT_EQ(Of100(LoadClass::kFamiliar), 0);
  // Something always gets through, or nobody would notice that it is over.
  EXPECT_GT(Of100(LoadClass::kProven), 0);
  EXPECT_LT(Of100(LoadClass::kProven), 30);
}

TEST_F(OverloadGateTest, AFullQueueCountsAsALateLoopDoes) {
  Samples(8, {.queue_fill = 0.6});
  EXPECT_LT(Of100(LoadClass::kStranger), 30);
  Samples(45, {});
  EXPECT_EQ(gate_.level(), 0);
}

// A flood beyond what can be read: refusing those who are proven would not
// empty the queue.
TEST_F(OverloadGateTest, AQueueThatStrangersFillIsTheirs) {
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 50; ++k) gate_.OnMessage(/*proven=*/k == 0);
    Samples(1, {.queue_fill = 1});
  }
  EXPECT_EQ(Of100(LoadClass::kStranger), 0);
  EXPECT_EQ(Of100(LoadClass::kFamiliar), 0);
  EXPECT_EQ(Of100(LoadClass::kProven), 100);
  // One that the proven fill is not.
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 50; ++k) gate_.OnMessage(/*proven=*/k != 0);
    Samples(1, {.queue_fill = 1});
  }
  EXPECT_LT(Of100(LoadClass::kProven), 30);
}

// A machine that stood still for a moment.
TEST_F(OverloadGateTest, OneLateTurnIsNoOverload) {
  for (int i = 0; i < 100; ++i) {
    Samples(3, {.lag = absl::Seconds(1)});
    Samples(1, {});
  }
  EXPECT_EQ(gate_.level(), 0);
}

// At the target it neither rises nor falls: it does not swing.
TEST_F(OverloadGateTest, ItRestsBetweenHalfTheTargetAndTheTarget) {
  Samples(8, {.lag = absl::Milliseconds(200)});
  const double level = gate_.level();
  EXPECT_GT(level, 0);
  Samples(100, {.lag = absl::Milliseconds(40)});
  EXPECT_EQ(gate_.level(), level);
}

TEST_F(OverloadGateTest, WithoutNewsNobodyIsRefused) {
  Samples(15, {.lag = absl::Milliseconds(500)});
  EXPECT_EQ(Of100(LoadClass::kStranger), 0);
  now_ += absl::Seconds(1);
  EXPECT_EQ(Of100(LoadClass::kStranger), 100);
}

TEST_F(OverloadGateTest, RetriesAreSpread) {
  std::set<int> seen;
  for (int i = 0; i < 100; ++i) seen.insert(gate_.RetryAfter());
  EXPECT_GE(*seen.begin(), 2);
  EXPECT_LE(*seen.rbegin(), 8);
  EXPECT_GT(seen.size(), 3u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
