#include "services/dialplan/core/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RecordPtr Record(PlanEntry entry) {
  return std::make_shared<PlanRecord>(TestRecord(std::move(entry)));
}

TEST(PlanTest, PutReturnsWhatWasThereAndRestoreUndoes) {
  Plan plan;
  EXPECT_EQ(plan.Put(Record(TestTenant())), nullptr);
  EXPECT_EQ(plan.Put(Record(TestPlan(SecurityMode::kSecured, "d"))), nullptr);
  EXPECT_EQ(plan.Put(Record(TestPeer("gw", "d"))), nullptr);
  PeerEntry moved = TestPeer("gw", "d");
  moved.fqdn = "new.t.test";
  const RecordPtr before = plan.Put(Record(moved));
  ASSERT_NE(before, nullptr);
  EXPECT_THAT(plan.HoldersOf("subject/gw.t.test:5061"), IsEmpty());
  EXPECT_THAT(plan.HoldersOf("subject/new.t.test:5061"),
              ElementsAre("tenants/t/peers/gw"));
  plan.Restore("tenants/t/peers/gw", before);
  EXPECT_THAT(plan.HoldersOf("subject/gw.t.test:5061"),
              ElementsAre("tenants/t/peers/gw"));
  EXPECT_THAT(plan.HoldersOf("subject/new.t.test:5061"), IsEmpty());
  EXPECT_THAT(plan.ReferrersOf("tenants/t/dialPlans/d"),
              ElementsAre("tenants/t/peers/gw"));
  plan.Restore("tenants/t/peers/gw", nullptr);
  EXPECT_EQ(plan.Find("tenants/t/peers/gw"), nullptr);
  EXPECT_THAT(plan.ReferrersOf("tenants/t/dialPlans/d"), IsEmpty());
  EXPECT_THAT(plan.KeysOf("tenants/t/peers/gw"), IsEmpty());
  EXPECT_EQ(plan.Remove("tenants/t/peers/gw"), nullptr);
}

// The incoming port is part of the key, and follows the plan's mode.
TEST(PlanTest, KeysFollowTheDialPlan) {
  Plan plan;
  TenantEntry tenant = TestTenant();
  tenant.default_dial_plan = "tenants/t/dialPlans/d";
  plan.Put(Record(tenant));
  plan.Put(Record(TestPlan(SecurityMode::kUnsecured, "d")));
  PeerEntry peer = TestPeer("gw", "d");
  peer.dial_plan = "";  // by the tenant's default
  plan.Put(Record(peer));
  EXPECT_THAT(plan.HoldersOf("subject/gw.t.test:5060"),
              ElementsAre("tenants/t/peers/gw"));
  plan.Put(Record(TestPlan(SecurityMode::kSecured, "d")));
  EXPECT_THAT(plan.HoldersOf("subject/gw.t.test:5060"), IsEmpty());
  EXPECT_THAT(plan.HoldersOf("subject/gw.t.test:5061"),
              ElementsAre("tenants/t/peers/gw"));
}

TEST(PlanTest, UnderGivesOneKindOfOneTenant) {
  Plan plan;
  plan.Put(Record(TestTenant("t")));
  plan.Put(Record(TestTenant("t2")));
  plan.Put(Record(TestUser("a", "d", "t")));
  plan.Put(Record(TestUser("b", "d", "t2")));
  plan.Put(Record(TestPlan(SecurityMode::kSecured, "d")));
  EXPECT_EQ(plan.Under<UserEntry>("tenants/t/").size(), 1u);
  EXPECT_EQ(plan.Under<UserEntry>("tenants/t/dial").size(), 0u);
  EXPECT_EQ(plan.Under<UserEntry>("tenants/").size(), 2u);
  EXPECT_EQ(plan.Get<PeerEntry>("tenants/t/users/a"), nullptr);
  ASSERT_NE(plan.Get<UserEntry>("tenants/t/users/a"), nullptr);
}

TEST(PlanTest, APhoneGivesItsUserTheDialPlan) {
  Plan plan;
  plan.Put(Record(TestTenant()));
  UserEntry user = TestUser("a", "d");
  user.dial_plan = "";
  plan.Put(Record(user));
  EXPECT_EQ(plan.Effective(user).dial_plan, "");
  PhoneEntry phone;
  phone.name = "tenants/t/phones/p";
  phone.device_name = "SEP1";
  phone.dial_plan = "tenants/t/dialPlans/phones";
  phone.owner_user = user.name;
  plan.Put(Record(phone));
  ASSERT_NE(plan.PhoneOf(user), nullptr);
  EXPECT_EQ(plan.Effective(user).dial_plan, "tenants/t/dialPlans/phones");
}

}  // namespace
}  // namespace sallyport::dialplan
