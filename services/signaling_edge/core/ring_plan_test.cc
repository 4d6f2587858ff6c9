#include "services/signaling_edge/core/ring_plan.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

const MonoTime kNow = MonoTime::FromOrigin(absl::Hours(1));

// Lines a, b, c, each of one user of its name, in groups.
class RingPlanTest : public testing::Test {
 protected:
  RingPlanTest() {
    auto snapshot = std::make_shared<PlanSnapshot>();
    for (const char* id : {"a", "b", "c"}) {
      UserEntry user;
      user.name = std::string("users/") + id;
      snapshot->users.push_back(user);
      LineEntry line;
      line.name = id;
      line.users = {user.name};
      line.busy_trigger = 2;
      lines_.push_back(line);
    }
    index_ = std::make_unique<PlanIndex>(std::move(snapshot));
  }

  void AddGroup(HuntAlgorithm algorithm, const std::vector<int>& lines,
                HuntAction all = HuntAction::kNextMemberThenNextGroup) {
    auto group = std::make_unique<LineGroupEntry>();
    group->name = "g" + std::to_string(groups_.size());
    group->algorithm = algorithm;
    group->ring_no_answer_reversion = absl::Seconds(10);
    group->on_busy = group->on_no_answer = group->on_not_available = all;
    HuntStage stage{group.get(), {}};
    for (const int line : lines) stage.lines.push_back(&lines_[line]);
    groups_.push_back(std::move(group));
    resolution_.outcome = Resolution::Outcome::kHunt;
    resolution_.hunt.push_back(std::move(stage));
  }

  // Who rings, step by step, when nobody ever answers: "a b c".
  std::string Order(RingOutcome outcome = RingOutcome::kNoAnswer) {
    RingPlan plan(resolution_, *index_);
    std::string out;
    auto step = plan.First(memory_);
    for (; step.has_value(); step = plan.After(outcome, memory_)) {
      if (!out.empty()) out += ' ';
      for (const RingTarget& target : step->targets) out += target.line->name;
    }
    outcome_ = plan.outcome();
    return out;
  }

  std::vector<LineEntry> lines_;
  std::vector<std::unique_ptr<LineGroupEntry>> groups_;
  std::unique_ptr<PlanIndex> index_;
  Resolution resolution_;
  HuntMemory memory_;
  RingOutcome outcome_ = RingOutcome::kBusy;
};

// protocols.md section 12.
TEST_F(RingPlanTest, TopDown) {
  AddGroup(HuntAlgorithm::kTopDown, {1, 0, 2});
  EXPECT_EQ(Order(), "b a c");
  EXPECT_EQ(Order(), "b a c");
  EXPECT_EQ(outcome_, RingOutcome::kNoAnswer);
}

TEST_F(RingPlanTest, CircularGoesOnAfterTheLastTriedForOneRound) {
  AddGroup(HuntAlgorithm::kCircular, {0, 1, 2});
  RingPlan first(resolution_, *index_);
  EXPECT_EQ(first.First(memory_)->targets[0].line->name, "a");  // and answers
  EXPECT_EQ(Order(), "b c a");
  EXPECT_EQ(Order(), "b c a");
}

TEST_F(RingPlanTest, LongestIdleFirstAndOnlyWhoIsIdle) {
  AddGroup(HuntAlgorithm::kLongestIdle, {0, 1, 2});
  for (const char* line : {"a", "b", "c"}) memory_.OnCallBegan(line);
  memory_.OnCallEnded("c", kNow);
  memory_.OnCallEnded("a", kNow + absl::Seconds(1));
  EXPECT_EQ(Order(), "c a");
  memory_.OnCallEnded("b", kNow + absl::Seconds(2));
  EXPECT_EQ(Order(), "c a b");
}

TEST_F(RingPlanTest, BroadcastRingsAllWhoAreIdleAtOnce) {
  AddGroup(HuntAlgorithm::kBroadcast, {0, 1, 2});
  memory_.OnCallBegan("b");
  EXPECT_EQ(Order(), "ac");
}

TEST_F(RingPlanTest, NobodyFreeIsBusy) {
  AddGroup(HuntAlgorithm::kTopDown, {0});
  memory_.OnCallBegan("a");
  EXPECT_EQ(Order(), "a");  // a second call is waiting room
  memory_.OnCallBegan("a");
  EXPECT_EQ(Order(), "");
  EXPECT_EQ(outcome_, RingOutcome::kBusy);
  // The next group is asked then.
  AddGroup(HuntAlgorithm::kTopDown, {1});
  EXPECT_EQ(Order(RingOutcome::kBusy), "b");
}

TEST_F(RingPlanTest, WhatAGroupDoesWhenAMemberFails) {
  const struct {
    HuntAction action;
    const char* order;
  } kRows[] = {{HuntAction::kNextMemberThenNextGroup, "a b c"},
               {HuntAction::kNextMemberOnly, "a b"},
               {HuntAction::kNextGroup, "a c"},
               {HuntAction::kStop, "a"}};
  for (const auto& row : kRows) {
    for (const RingOutcome outcome :
         {RingOutcome::kBusy, RingOutcome::kNoAnswer,
          RingOutcome::kNotAvailable}) {
      resolution_.hunt.clear();
      AddGroup(HuntAlgorithm::kTopDown, {0, 1}, row.action);
      AddGroup(HuntAlgorithm::kTopDown, {2});
      EXPECT_EQ(Order(outcome), row.order);
      EXPECT_EQ(outcome_, outcome);
    }
  }
}

TEST_F(RingPlanTest, TheGroupSaysHowLongOneRings) {
  AddGroup(HuntAlgorithm::kTopDown, {0});
  RingPlan plan(resolution_, *index_);
  EXPECT_EQ(plan.First(memory_)->no_answer, absl::Seconds(10));
}

TEST_F(RingPlanTest, ALineOfItsOwn) {
  resolution_.outcome = Resolution::Outcome::kLine;
  resolution_.line = &lines_[0];
  resolution_.users = {index_->User("users/a"), index_->User("users/b")};
  lines_[0].no_answer_duration = absl::Seconds(12);
  {
    RingPlan plan(resolution_, *index_);
    const auto step = plan.First(memory_);
    EXPECT_EQ(step->targets.size(), 2u);  // a shared line
    EXPECT_EQ(step->no_answer, absl::InfiniteDuration());
    EXPECT_EQ(plan.forwarder(), "a");
  }
  lines_[0].forward_no_answer.number = "9";
  RingPlan plan(resolution_, *index_);
  EXPECT_EQ(plan.First(memory_)->no_answer, absl::Seconds(12));
  EXPECT_FALSE(plan.After(RingOutcome::kNoAnswer, memory_).has_value());
  memory_.OnCallBegan("a");
  memory_.OnCallBegan("a");
  RingPlan busy(resolution_, *index_);
  EXPECT_FALSE(busy.First(memory_).has_value());
  EXPECT_EQ(busy.outcome(), RingOutcome::kBusy);
}

}  // namespace
}  // namespace sallyport::signaling_edge
