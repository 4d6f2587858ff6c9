#include "services/common/digit_analysis/plan_defaults.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport {
namespace {

PlanSnapshot MakePlan() {
  PlanSnapshot s;
  TenantEntry tenant;
  tenant.name = "tenants/t";
  tenant.domains = {"a.test", "b.test"};
  tenant.default_dial_plan = "tenants/t/dialPlans/clear";
  s.tenants = {tenant};
  DialPlanEntry clear;
  clear.name = "tenants/t/dialPlans/clear";
  clear.calling_search_space = "tenants/t/callingSearchSpaces/clear";
  DialPlanEntry secured;
  secured.name = "tenants/t/dialPlans/secured";
  secured.security_mode = SecurityMode::kSecured;
  s.dial_plans = {clear, secured};
  return s;
}

TEST(TenantOfTest, TakesTheFirstTwoParts) {
  EXPECT_EQ(TenantOf("tenants/t/peers/p"), "tenants/t");
  EXPECT_EQ(TenantOf("tenants/t"), "tenants/t");
  EXPECT_EQ(TenantOf("keys/k"), "");
  EXPECT_EQ(TenantOf(""), "");
}

// UM-66, UM-94: a secured plan means TLS to 5061, an unsecured one does not.
TEST(PlanDefaultsTest, PeersFollowTheirPlan) {
  PlanSnapshot s = MakePlan();
  PeerEntry in_default;
  in_default.name = "tenants/t/peers/a";
  PeerEntry in_secured;
  in_secured.name = "tenants/t/peers/b";
  in_secured.dial_plan = "tenants/t/dialPlans/secured";
  PeerEntry explicit_one = in_secured;
  explicit_one.name = "tenants/t/peers/c";
  explicit_one.port = 7000;
  explicit_one.incoming_port = 7001;
  explicit_one.transport = SipTransport::kUdp;
  explicit_one.calling_search_space = "tenants/t/callingSearchSpaces/own";
  PeerEntry lost;
  lost.name = "tenants/u/peers/d";
  s.peers = {in_default, in_secured, explicit_one, lost};
  ResolveDefaults(s);

  EXPECT_EQ(s.peers[0].dial_plan, "tenants/t/dialPlans/clear");
  EXPECT_EQ(s.peers[0].transport, SipTransport::kTcp);
  EXPECT_EQ(s.peers[0].port, 5060u);
  EXPECT_EQ(s.peers[0].incoming_port, 5060u);
  EXPECT_EQ(s.peers[0].calling_search_space,
            "tenants/t/callingSearchSpaces/clear");
  EXPECT_EQ(s.peers[1].transport, SipTransport::kTls);
  EXPECT_EQ(s.peers[1].port, 5061u);
  EXPECT_EQ(s.peers[1].incoming_port, 5061u);
  EXPECT_EQ(s.peers[1].calling_search_space, "");
  EXPECT_EQ(s.peers[2].transport, SipTransport::kUdp);
  EXPECT_EQ(s.peers[2].port, 7000u);
  EXPECT_EQ(s.peers[2].incoming_port, 7001u);
  EXPECT_EQ(s.peers[2].calling_search_space,
            "tenants/t/callingSearchSpaces/own");
  EXPECT_EQ(s.peers[3].dial_plan, "");
}

TEST(PlanDefaultsTest, UsersFollowTheirPhoneThenTheTenant) {
  PlanSnapshot s = MakePlan();
  UserEntry with_phone;
  with_phone.name = "tenants/t/users/a";
  with_phone.calling_search_space = "tenants/t/callingSearchSpaces/user";
  UserEntry alone;
  alone.name = "tenants/t/users/b";
  alone.domain = "b.test";
  UserEntry explicit_one;
  explicit_one.name = "tenants/t/users/c";
  explicit_one.dial_plan = "tenants/t/dialPlans/secured";
  explicit_one.realm = "voice";
  explicit_one.max_contacts = 9;
  s.users = {with_phone, alone, explicit_one};
  PhoneEntry phone;
  phone.name = "tenants/t/phones/p";
  phone.dial_plan = "tenants/t/dialPlans/secured";
  phone.calling_search_space = "tenants/t/callingSearchSpaces/device";
  phone.owner_user = "tenants/t/users/a";
  PhoneEntry bare;
  bare.name = "tenants/t/phones/q";
  s.phones = {phone, bare};
  ResolveDefaults(s);

  EXPECT_EQ(s.users[0].dial_plan, "tenants/t/dialPlans/secured");
  EXPECT_EQ(s.users[0].calling_search_space,
            "tenants/t/callingSearchSpaces/device");
  EXPECT_EQ(s.users[0].domain, "a.test");
  EXPECT_EQ(s.users[0].realm, "a.test");
  EXPECT_EQ(s.users[0].max_contacts, 4u);
  EXPECT_EQ(s.users[1].dial_plan, "tenants/t/dialPlans/clear");
  EXPECT_EQ(s.users[1].calling_search_space,
            "tenants/t/callingSearchSpaces/clear");
  EXPECT_EQ(s.users[1].realm, "b.test");
  EXPECT_EQ(s.users[2].dial_plan, "tenants/t/dialPlans/secured");
  EXPECT_EQ(s.users[2].realm, "voice");
  EXPECT_EQ(s.users[2].max_contacts, 9u);
  EXPECT_EQ(s.phones[1].dial_plan, "tenants/t/dialPlans/clear");
}

TEST(PatternsOfUserTest, NumbersAndDiallableNames) {
  UserEntry user;
  user.username = "1001";
  user.phone_numbers = {"+12015550123", "1001", "20-01"};
  EXPECT_EQ(PatternsOfUser(user),
            (std::vector<std::string>{"\\+12015550123", "1001", "2001"}));
  user.phone_numbers.clear();
  user.username = "dad";  // a name, though 'a' and 'd' are DTMF digits
  EXPECT_TRUE(PatternsOfUser(user).empty());
}

TEST(PlanDefaultsTest, ASecondTimeChangesNothing) {
  PlanSnapshot s = MakePlan();
  PeerEntry peer;
  peer.name = "tenants/t/peers/a";
  s.peers = {peer};
  ResolveDefaults(s);
  const PlanSnapshot once = s;
  ResolveDefaults(s);
  EXPECT_EQ(s, once);
}

}  // namespace
}  // namespace sallyport
