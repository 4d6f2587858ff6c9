#include "services/dialplan/core/tenant_rules.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TenantRulesTest : public PlanRulesTest {
 protected:
  static TenantEntry Limited(uint32_t peers, uint32_t patterns) {
    TenantEntry out = TestTenant();
    out.cluster_security_mode = ClusterSecurityMode::kMixed;
    out.limits.max_peers = peers;
    out.limits.max_patterns = patterns;
    return out;
  }
  static TenantEntry Rtm(const std::string& id) {
    TenantEntry out = TestTenant(id);
    out.rtm_profile = true;
    return out;
  }
};

TEST_F(TenantRulesTest, LimitsOfATenant) {
  Add(Limited(1, 1));
  Add(TestPeer("a", "secured"));
  EXPECT_THAT(Check(TestPeer("b", "secured")),
              ElementsAre("parent TENANT_LIMIT_REACHED"));
  // What is there may be changed.
  PeerEntry changed = TestPeer("a", "secured");
  changed.max_calls = 5;
  EXPECT_THAT(Check(changed), IsEmpty());
  Add(TestPattern("p", "9.!", "a"));
  EXPECT_THAT(Check(TestPattern("q", "8.!", "a")),
              ElementsAre("parent TENANT_LIMIT_REACHED"));
  Add(Limited(2, 2));
  Add(TestPeer("b", "secured"));
  Add(TestPattern("q", "8.!", "b"));
  EXPECT_THAT(Check(Limited(1, 1)),
              ElementsAre("tenant.limits.max_peers LIMIT_BELOW_USE",
                          "tenant.limits.max_patterns LIMIT_BELOW_USE"));
  EXPECT_THAT(faults_[0].description, HasSubstr("2"));
  plan_.Remove("tenants/t/peers/b");
  EXPECT_EQ(CountPeers(plan_, "tenants/t"), 1u);
}

// UM-01: the profile of one edge, whatever that of its tenant.
TEST_F(TenantRulesTest, Um01ProfileOfOneEdge) {
  TenantEntry tenant = TestTenant("r");
  Add(tenant);
  DialPlanEntry secured = TestPlan(SecurityMode::kSecured, "secured", "r");
  secured.edges = {"edge-0"};
  Add(secured);
  DialPlanEntry clear = TestPlan(SecurityMode::kUnsecured, "clear", "r");
  clear.edges = {"edge-0", "edge-1"};
  Add(clear);
  tenant.rtm_edges = {"edge-0"};
  EXPECT_THAT(Check(tenant),
              ElementsAre("tenant.rtm_edges SECURITY_MODE_NOT_AVAILABLE",
                          "tenant.rtm_edges EDGE_HAS_OTHER_MODE"));
  tenant.rtm_edges = {"edge-1"};
  Add(tenant);
  // UM-83 and UM-87 hold for that one, and for no other.
  secured.edges = {"edge-0", "edge-1"};
  EXPECT_THAT(Check(secured),
              ElementsAre("dial_plan.security_mode SECURITY_MODE_NOT_AVAILABLE",
                          "dial_plan.associated_edges[1] EDGE_HAS_OTHER_MODE"));
  secured.edges = {"edge-0", "edge-2"};
  Add(secured);
  // UM-88.
  clear.security_mode = SecurityMode::kSipSecured;
  EXPECT_THAT(Check(clear),
              ElementsAre("dial_plan.security_mode EDGES_STILL_ASSOCIATED"));
  EXPECT_TRUE(tenant.IsRtm("edge-1"));
  EXPECT_FALSE(tenant.IsRtm("edge-0"));
}

// UM-88: remove the servers, set the mode, associate again: in that order, and
// never two steps at once.
TEST_F(TenantRulesTest, Um88OrderIsEnforced) {
  Add(Rtm("r"));
  DialPlanEntry plan = TestPlan(SecurityMode::kSipSecured, "p", "r");
  plan.edges = {"edge-0"};
  Add(plan);
  DialPlanEntry both = plan;
  both.edges.clear();
  both.security_mode = SecurityMode::kUnsecured;
  EXPECT_THAT(Check(both),
              ElementsAre("dial_plan.security_mode EDGES_STILL_ASSOCIATED"));
  plan.edges.clear();
  Add(plan);
  Add(both);
  both.edges = {"edge-0"};
  Add(both);
}

// UM-03: what nobody has cannot be associated, as far as all edges are known;
// UM-05, UM-86: many edges to a plan, many plans to an edge.
TEST_F(TenantRulesTest, Um03UnknownEdgeIsNotAssociated) {
  DialPlanEntry before = TestPlan(SecurityMode::kSecured, "before");
  before.edges = {"edge-9"};
  Add(before);
  DialPlanEntry plan = TestPlan(SecurityMode::kSecured, "p");
  plan.edges = {"edge-0", "edge-9"};
  plan_.set_edge_survey({{}, std::vector<std::string>{"edge-0", "edge-1"}});
  EXPECT_THAT(Check(plan),
              ElementsAre("dial_plan.associated_edges[1] EDGE_NOT_FOUND"));
  EXPECT_THAT(faults_[0].description, HasSubstr("there are: edge-0, edge-1"));
  plan.edges = {"edge-0", "edge-1"};
  Add(plan);
  DialPlanEntry other = TestPlan(SecurityMode::kUnsecured, "q");
  other.edges = {"edge-1"};
  Add(other);
  // One that is gone for a while does not hinder other changes of the plan.
  plan_.set_edge_survey({{}, std::vector<std::string>{"edge-1"}});
  plan.edges = {"edge-0"};
  EXPECT_THAT(Check(plan), IsEmpty());
}

// UM-83, UM-87: a tenant cannot become RTM with what RTM cannot do.
TEST_F(TenantRulesTest, BecomingRtm) {
  Add(TestTenant("r"));
  DialPlanEntry clear = TestPlan(SecurityMode::kUnsecured, "clear", "r");
  clear.edges = {"edge-0"};
  Add(clear);
  DialPlanEntry sip = TestPlan(SecurityMode::kSipSecured, "sip", "r");
  sip.edges = {"edge-0"};
  Add(sip);
  Add(TestPlan(SecurityMode::kSecured, "secured", "r"));
  EXPECT_THAT(Check(Rtm("r")),
              testing::UnorderedElementsAre(
                  "tenant.compatibility_profile SECURITY_MODE_NOT_AVAILABLE",
                  "tenant.compatibility_profile EDGE_HAS_OTHER_MODE"));
}

// A change that strands thousands tells of some and counts the rest.
TEST_F(TenantRulesTest, ManyStrandedPeersAreCounted) {
  for (int i = 0; i < 30; ++i) {
    PeerEntry peer = TestPeer(absl::StrCat("p", i), "clear");
    peer.fqdn.clear();
    peer.address = absl::StrCat("192.0.2.", i);
    Add(peer);
  }
  EXPECT_THAT(Check(TestPlan(SecurityMode::kSecured, "clear")), SizeIs(21));
  EXPECT_EQ(faults_.back().description, "and 10 more faults");
}

}  // namespace
}  // namespace sallyport::dialplan
