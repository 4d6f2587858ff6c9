#include "services/capf/core/procedure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sallyport::capf {
namespace {

constexpr ProcedureKind kKinds[] = {
    ProcedureKind::kSignerRotation, ProcedureKind::kEnableMixedMode,
    ProcedureKind::kDisableMixedMode, ProcedureKind::kEnableFipsMode,
    ProcedureKind::kDisableFipsMode};

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

Procedure New(ProcedureKind kind) {
  return NewProcedure("tenants/a/procedures/p", "a", kind, kNow);
}

TEST(ProcedureTest, EveryKindHasItsStepsAndName) {
  std::set<std::string> names;
  for (const ProcedureKind kind : kKinds) {
    EXPECT_GE(StepsOf(kind).size(), 2u);
    names.insert(std::string(ProcedureKindName(kind)));
    EXPECT_EQ(New(kind).steps.size(), StepsOf(kind).size());
  }
  EXPECT_EQ(names.size(), std::size(kKinds));
  EXPECT_TRUE(StepsOf(static_cast<ProcedureKind>(99)).empty());
}

// CCE-30: no step before the one before it has succeeded.
TEST(ProcedureTest, StepsAreTakenInOrderUntilItIsDone) {
  Procedure p = New(ProcedureKind::kDisableMixedMode);
  EXPECT_EQ(p.next(), 0u);
  StepTaken(p, "3 phones", kNow + absl::Seconds(1));
  EXPECT_TRUE(p.steps[0].done);
  EXPECT_EQ(p.steps[0].detail, "3 phones");
  EXPECT_EQ(p.steps[0].done_time, kNow + absl::Seconds(1));
  EXPECT_EQ(p.state, ProcedureState::kReady);
  StepBlocked(p, "PHONES_LOCKED_OUT: SEP1", kNow + absl::Seconds(2));
  EXPECT_EQ(p.state, ProcedureState::kBlocked);
  EXPECT_EQ(p.next(), 1u);
  EXPECT_FALSE(p.blocked_reason.empty());
  StepTaken(p, "", kNow);
  EXPECT_TRUE(p.blocked_reason.empty());
  StepTaken(p, "", kNow);
  EXPECT_EQ(p.state, ProcedureState::kReady);
  StepTaken(p, "", kNow);
  EXPECT_EQ(p.state, ProcedureState::kDone);
  EXPECT_FALSE(p.open());
  const Procedure before = p;
  StepTaken(p, "again", kNow);
  StepBlocked(p, "again", kNow);
  EXPECT_EQ(p, before);
}

// What would lock a phone out is never undone by a cancellation.
TEST(ProcedureTest, ItCanBeGivenUpUntilItsPointOfNoReturn) {
  Procedure p = New(ProcedureKind::kSignerRotation);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(CanCancel(p)) << i;
    StepTaken(p, "", kNow);
  }
  EXPECT_TRUE(CanCancel(p));
  StepTaken(p, "", kNow);  // the old signer left the lists
  EXPECT_TRUE(WasTaken(p, ProcedureAction::kReplaceSigner));
  EXPECT_FALSE(CanCancel(p));
  p = New(ProcedureKind::kEnableMixedMode);
  for (int i = 0; i < 3; ++i) StepTaken(p, "", kNow);
  EXPECT_TRUE(CanCancel(p));
  Cancelled(p, "undone", kNow);
  EXPECT_EQ(p.state, ProcedureState::kCancelled);
  EXPECT_FALSE(CanCancel(p));
}

}  // namespace
}  // namespace sallyport::capf
