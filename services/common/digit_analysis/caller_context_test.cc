#include "services/common/digit_analysis/caller_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"

namespace sallyport {
namespace {

using testing::ElementsAre;

class CallerContextTest : public testing::Test {
 protected:
  CallerContextTest() {
    plan_.tenants = {{.name = "tenants/t"}};
    DialPlanEntry dial_plan;
    dial_plan.name = "tenants/t/dialPlans/d";
    dial_plan.security_mode = SecurityMode::kSecured;
    dial_plan.dialling_restriction = "tenants/t/diallingRestrictions/plan";
    dial_plan.interdigit_timeout = absl::Seconds(4);
    plan_.dial_plans = {dial_plan};
    UserEntry ann;
    ann.name = "tenants/t/users/ann";
    ann.username = "ann";
    ann.dial_plan = dial_plan.name;
    ann.calling_search_space = "device";
    plan_.users = {ann};
    LineEntry first;
    first.name = "tenants/t/lines/a";
    first.directory_number = "4001";
    first.calling_search_space = "line-a";
    first.external_phone_number_mask = "+1201555XXXX";
    first.users = {ann.name};
    LineEntry second = first;
    second.name = "tenants/t/lines/b";
    second.directory_number = "\\+12015554002";
    second.calling_search_space = "line-b";
    plan_.lines = {first, second};
    PhoneEntry phone;
    phone.name = "tenants/t/phones/p";
    phone.dial_plan = dial_plan.name;
    phone.calling_search_space = "device";
    phone.owner_user = ann.name;
    phone.lines = {second.name, first.name};
    plan_.phones = {phone};
    PeerEntry peer;
    peer.name = "tenants/t/peers/gw";
    peer.dial_plan = dial_plan.name;
    peer.calling_search_space = "peer";
    peer.rerouting_search_space = "reroute";
    plan_.peers = {peer};
  }

  CallerContext Context(const std::string& caller,
                        const std::string& calling = "") {
    index_ = std::make_unique<PlanIndex>(std::make_shared<PlanSnapshot>(plan_));
    callers_ = std::make_unique<CallerIndex>(*index_);
    query_.tenant = "tenants/t";
    query_.caller = caller.empty() ? "" : "tenants/t/" + caller;
    query_.calling = calling;
    return ContextOf(query_, *index_, *callers_);
  }

  PlanSnapshot plan_;
  RouteQuery query_;
  std::unique_ptr<PlanIndex> index_;
  std::unique_ptr<CallerIndex> callers_;
};

// protocols.md section 11.2: line CSS followed by device CSS.
TEST_F(CallerContextTest, LineBeforeDevice) {
  CallerContext c = Context("users/ann", "4001");
  EXPECT_THAT(c.search_spaces, ElementsAre("line-a", "device"));
  EXPECT_EQ(c.external_mask, "+1201555XXXX");
  EXPECT_EQ(c.mode, SecurityMode::kSecured);
  EXPECT_EQ(c.interdigit_timeout, absl::Seconds(4));
  EXPECT_EQ(c.restriction, "tenants/t/diallingRestrictions/plan");
  c = Context("users/ann", "+12015554002");
  EXPECT_THAT(c.search_spaces, ElementsAre("line-b", "device"));
  // Without a number that is a line's, the first button of the phone.
  c = Context("users/ann");
  EXPECT_THAT(c.search_spaces, ElementsAre("line-b", "device"));
  plan_.lines[0].calling_search_space = "device";
  c = Context("users/ann", "4001");
  EXPECT_THAT(c.search_spaces, ElementsAre("device"));
}

TEST_F(CallerContextTest, PhonesAndLinesAreTheirUsers) {
  CallerContext c = Context("phones/p", "4001");
  EXPECT_EQ(c.user, &index_->snapshot().users[0]);
  EXPECT_THAT(c.search_spaces, ElementsAre("line-a", "device"));
  c = Context("lines/a");
  EXPECT_EQ(c.user, &index_->snapshot().users[0]);
  EXPECT_EQ(c.line, &index_->snapshot().lines[0]);
  plan_.phones[0].owner_user.clear();
  c = Context("phones/p");
  EXPECT_EQ(c.user, nullptr);
  EXPECT_THAT(c.search_spaces, ElementsAre("line-b", "device"));
  EXPECT_EQ(c.restriction, "tenants/t/diallingRestrictions/plan");
  plan_.lines[0].users.clear();
  c = Context("lines/a");
  EXPECT_THAT(c.search_spaces, ElementsAre("line-a"));
  EXPECT_EQ(c.restriction, "");
}

TEST_F(CallerContextTest, TheLineIsThatOfTheNumber) {
  Context("users/ann");
  const PlanSnapshot& plan = index_->snapshot();
  const UserEntry& ann = plan.users[0];
  EXPECT_EQ(callers_->LineOf(ann, "4001"), &plan.lines[0]);
  EXPECT_EQ(callers_->LineOf(ann, "+12015554002"), &plan.lines[1]);
  EXPECT_EQ(callers_->LineOf(ann, "ann"), &plan.lines[1]);
  UserEntry nobody;
  nobody.name = "tenants/t/users/nobody";
  EXPECT_EQ(callers_->LineOf(nobody, "4001"), nullptr);
}

TEST_F(CallerContextTest, AUsersOwnRestrictionComesFirst) {
  plan_.users[0].dialling_restriction = "own";
  EXPECT_EQ(Context("users/ann").restriction, "own");
}

TEST_F(CallerContextTest, Peers) {
  EXPECT_THAT(Context("peers/gw").search_spaces, ElementsAre("peer"));
  query_.rerouted = true;
  EXPECT_THAT(Context("peers/gw").search_spaces, ElementsAre("reroute"));
  plan_.peers[0].status = PeerStatus::kDisabled;
  EXPECT_EQ(Context("peers/gw").refused, "PEER_DISABLED");
  plan_.peers[0].status = PeerStatus::kNoNewCalls;
  EXPECT_EQ(Context("peers/gw").refused, "PEER_NO_NEW_CALLS");
}

TEST_F(CallerContextTest, WhoMayNotCall) {
  EXPECT_EQ(Context("users/nobody").refused, "CALLER_UNKNOWN");
  plan_.users[0].disabled = true;
  EXPECT_EQ(Context("users/ann").refused, "USER_DISABLED");
  EXPECT_EQ(Context("phones/p").refused, "USER_DISABLED");
  plan_.phones[0].disabled = true;
  EXPECT_EQ(Context("phones/p").refused, "PHONE_DISABLED");
  query_.search_space = "x";
  EXPECT_THAT(Context("").search_spaces, ElementsAre("x"));
  EXPECT_EQ(Context("").refused, "");
}

TEST_F(CallerContextTest, AllPhonesOfAUser) {
  PhoneEntry second = plan_.phones[0];
  second.name = "tenants/t/phones/q";
  PhoneEntry nobodys = second;
  nobodys.name = "tenants/t/phones/r";
  nobodys.owner_user.clear();
  plan_.phones.push_back(second);
  plan_.phones.push_back(nobodys);
  Context("users/ann");
  std::vector<std::string> names;
  for (const PhoneEntry* phone : callers_->PhonesOf(plan_.users[0])) {
    names.push_back(phone->name);
  }
  EXPECT_THAT(names, ElementsAre("tenants/t/phones/p", "tenants/t/phones/q"));
  UserEntry other;
  other.name = "tenants/t/users/bob";
  EXPECT_TRUE(callers_->PhonesOf(other).empty());
}

}  // namespace
}  // namespace sallyport
