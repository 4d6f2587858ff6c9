#include "services/common/digit_analysis/plan_index.h"

#include <gtest/gtest.h>

#include <memory>

namespace sallyport {
namespace {

std::shared_ptr<const PlanSnapshot> MakeSnapshot() {
  auto s = std::make_shared<PlanSnapshot>();
  s->tenants = {{"tenants/t", {"a.test", "B.test"}}, {"tenants/u", {"u.test"}}};
  s->dial_plans = {{"tenants/t/dialPlans/d"}};
  PeerEntry gw1;
  gw1.name = "tenants/t/peers/gw1";
  gw1.fqdn = "gw1.a.test";
  gw1.incoming_port = 5061;
  PeerEntry gw2;
  gw2.name = "tenants/t/peers/gw2";
  gw2.fqdn = "gw2.a.test";
  gw2.x509_subjects = {"Trunk.A.test"};
  gw2.incoming_port = 5061;
  PeerEntry gw3;
  gw3.name = "tenants/t/peers/gw3";
  gw3.address = "192.0.2.3";
  gw3.incoming_port = 5060;
  s->peers = {gw1, gw2, gw3};
  UserEntry alice;
  alice.name = "tenants/t/users/alice";
  alice.username = "alice";
  alice.domain = "a.test";
  alice.device_name = "SEP001122334455";
  UserEntry alice2 = alice;
  alice2.name = "tenants/t/users/alice-line2";
  alice2.username = "alice2";
  s->users = {alice, alice2};
  s->phones = {{"tenants/t/phones/p", "SEP001122334455"}};
  s->calling_search_spaces = {{"tenants/t/callingSearchSpaces/c"}};
  return s;
}

TEST(PlanIndexTest, FindsByName) {
  const PlanIndex index(MakeSnapshot());
  ASSERT_NE(index.Tenant("tenants/t"), nullptr);
  EXPECT_EQ(index.Tenant("tenants/x"), nullptr);
  ASSERT_NE(index.DialPlan("tenants/t/dialPlans/d"), nullptr);
  ASSERT_NE(index.Peer("tenants/t/peers/gw1"), nullptr);
  EXPECT_EQ(index.Peer("tenants/t/peers/gw1")->fqdn, "gw1.a.test");
  ASSERT_NE(index.User("tenants/t/users/alice"), nullptr);
  ASSERT_NE(index.Phone("tenants/t/phones/p"), nullptr);
  ASSERT_NE(index.CallingSearchSpace("tenants/t/callingSearchSpaces/c"),
            nullptr);
  EXPECT_EQ(index.CallingSearchSpace(""), nullptr);
}

TEST(PlanIndexTest, DomainsIgnoreCaseAndUsernamesDoNot) {
  const PlanIndex index(MakeSnapshot());
  ASSERT_NE(index.TenantOfDomain("b.TEST"), nullptr);
  EXPECT_EQ(index.TenantOfDomain("b.TEST")->name, "tenants/t");
  EXPECT_EQ(index.TenantOfDomain("c.test"), nullptr);
  ASSERT_NE(index.UserAt("alice", "A.Test"), nullptr);
  EXPECT_EQ(index.UserAt("Alice", "a.test"), nullptr);
  EXPECT_EQ(index.UserAt("alice", "u.test"), nullptr);
}

TEST(PlanIndexTest, DevicesGivePhoneAndUsers) {
  const PlanIndex index(MakeSnapshot());
  ASSERT_NE(index.PhoneByDevice("SEP001122334455"), nullptr);
  EXPECT_EQ(index.PhoneByDevice("sep001122334455"), nullptr);
  EXPECT_EQ(index.UsersOfDevice("SEP001122334455").size(), 2u);
  EXPECT_TRUE(index.UsersOfDevice("SEP000000000000").empty());
}

// The pair (subject, incoming port) identifies the trunk (protocols.md 8).
TEST(PlanIndexTest, PeerBySubjectAndPort) {
  const PlanIndex index(MakeSnapshot());
  ASSERT_NE(index.PeerBySubject("GW1.a.test", 5061), nullptr);
  EXPECT_EQ(index.PeerBySubject("gw1.a.test", 5060), nullptr);
  // A peer with subjects of its own is not known by its FQDN.
  EXPECT_EQ(index.PeerBySubject("gw2.a.test", 5061), nullptr);
  ASSERT_NE(index.PeerBySubject("trunk.a.test", 5061), nullptr);
  EXPECT_EQ(index.PeerBySubject("trunk.a.test", 5061)->name,
            "tenants/t/peers/gw2");
  ASSERT_NE(index.PeerByAddress("192.0.2.3", 5060), nullptr);
  EXPECT_EQ(index.PeerByAddress("192.0.2.3", 5061), nullptr);
}

}  // namespace
}  // namespace sallyport
