#include "services/common/digit_analysis/plan_index.h"

#include <gtest/gtest.h>

#include <memory>
#include <type_traits>

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
  PeerEntry gw4;
  gw4.name = "tenants/t/peers/gw4";
  gw4.address = "192.0.2.4";
  gw4.source_addresses = {"198.51.100.0/24", "192.0.2.44"};
  gw4.incoming_port = 5060;
  s->peers = {gw1, gw2, gw3, gw4};
  UserEntry alice;
  alice.name = "tenants/t/users/alice";
  alice.username = "alice";
  alice.domain = "a.test";
  s->users = {alice};
  PhoneEntry phone;
  phone.name = "tenants/t/phones/p";
  phone.device_name = "SEP001122334455";
  phone.owner_user = alice.name;
  PhoneEntry lobby;
  lobby.name = "tenants/t/phones/lobby";
  lobby.device_name = "SEP001122334466";
  s->phones = {lobby, phone};
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

TEST(PlanIndexTest, DevicesGivePhoneAndUser) {
  const PlanIndex index(MakeSnapshot());
  ASSERT_NE(index.PhoneByDevice("SEP001122334455"), nullptr);
  EXPECT_EQ(index.PhoneByDevice("sep001122334455"), nullptr);
  ASSERT_NE(index.UserOfDevice("SEP001122334455"), nullptr);
  EXPECT_EQ(index.UserOfDevice("SEP001122334455")->username, "alice");
  EXPECT_EQ(index.UserOfDevice("SEP001122334466"), nullptr);
  EXPECT_EQ(index.UserOfDevice("SEP000000000000"), nullptr);
}

TEST(PlanIndexTest, AnUnknownPlanIsTheStrictest) {
  const PlanIndex index(MakeSnapshot());
  EXPECT_EQ(index.ModeOf("tenants/t/dialPlans/d"), SecurityMode::kUnsecured);
  EXPECT_EQ(index.ModeOf("tenants/t/dialPlans/x"), SecurityMode::kSecured);
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
  // Where it sends from is not where it is called.
  EXPECT_EQ(index.PeerByAddress("192.0.2.4", 5060), nullptr);
  ASSERT_NE(index.PeerByAddress("192.0.2.44", 5060), nullptr);
  ASSERT_EQ(index.peers_with_prefixes().size(), 1u);
  EXPECT_EQ(index.peers_with_prefixes()[0]->name, "tenants/t/peers/gw4");
}

TEST(PlanIndexTest, FindsEveryKindByName) {
  auto snapshot = std::make_shared<PlanSnapshot>();
  ForEachList(*snapshot, [](auto& list) {
    list.resize(2);
    list[0].name = "tenants/t/x/a";
    list[1].name = "tenants/t/x/b";
  });
  const PlanIndex index(snapshot);
  size_t kinds = 0;
  ForEachList(*snapshot, [&](const auto& list) {
    using Entry = typename std::decay_t<decltype(list)>::value_type;
    EXPECT_EQ(index.Find<Entry>("tenants/t/x/b"), &list[1]);
    EXPECT_EQ(index.Find<Entry>("tenants/t/x/c"), nullptr);
    ++kinds;
  });
  EXPECT_EQ(kinds, 28u);
}

}  // namespace
}  // namespace sallyport
