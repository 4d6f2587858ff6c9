#include "services/dialplan/core/plan_findings.h"

#include <memory>
#include <string>
#include <vector>

#include "services/dialplan/core/number_way_fixture.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Partitions p and q; a search space c of p alone.
class PlanFindingsTest : public NumberWayTest {
 protected:
  std::vector<std::string> Find(const std::string& name) {
    RuleEffort effort;
    std::vector<std::string> out;
    descriptions_.clear();
    for (const NamedFault& found :
         FindingsOf(plan_, *plan_.Find("tenants/t/" + name), effort)) {
      EXPECT_EQ(found.resource, "tenants/t/" + name);
      out.push_back(found.fault.field + " " + found.fault.reason);
      descriptions_ += found.fault.description;
    }
    return out;
  }
  // Whatever the rules say.
  void Store(PlanEntry entry) {
    plan_.Put(std::make_shared<PlanRecord>(TestRecord(std::move(entry))));
  }
  static RoutePatternEntry Route(const std::string& id,
                                 const std::string& pattern,
                                 const std::string& partition) {
    RoutePatternEntry out = TestPattern(id, pattern, "gw");
    if (!partition.empty()) out.partition = "tenants/t/partitions/" + partition;
    return out;
  }

  std::string descriptions_;
};

TEST_F(PlanFindingsTest, PartitionsThatNobodySees) {
  EXPECT_THAT(Find("partitions/q"), IsEmpty());
  Store(Route("r", "9!", "q"));
  EXPECT_THAT(Find("partitions/q"),
              ElementsAre("partition.name PARTITION_NOT_SHOWN"));
  EXPECT_THAT(descriptions_, HasSubstr("the 1 patterns"));
  EXPECT_THAT(Find("routePatterns/r"), IsEmpty());
  Store(Route("s", "9!", "p"));
  EXPECT_THAT(Find("partitions/p"), IsEmpty());
  PartitionEntry off{"tenants/t/partitions/p"};
  off.disabled = true;
  Store(off);
  EXPECT_THAT(Find("partitions/p"),
              ElementsAre("partition.disabled PARTITION_DISABLED"));
  EXPECT_THAT(Find("routePatterns/s"), IsEmpty());
}

// UM-74: a policy at one end. UM-75, UM-76: gateways and PBXs that are covered,
// with what it costs.
TEST_F(PlanFindingsTest, IpsecAtOneEndAndOverGateways) {
  PeerEntry peer = TestPeer("gw9", "clear");
  peer.kind = PeerKind::kSipTrunk;
  Store(peer);
  EXPECT_THAT(Find("peers/gw9"), IsEmpty());
  peer.network_link.ipsec_at_peer = true;
  Store(peer);
  EXPECT_THAT(Find("peers/gw9"),
              ElementsAre("peer.ipsec_enabled IPSEC_ONE_SIDED"));
  peer.ipsec_enabled = true;
  Store(peer);
  EXPECT_THAT(Find("peers/gw9"), IsEmpty());
  peer.network_link.ipsec_at_peer = false;
  peer.kind = PeerKind::kIpPbx;
  peer.network_link.network_encryption = NetworkEncryption::kCovered;
  Store(peer);
  EXPECT_THAT(Find("peers/gw9"),
              ElementsAre("peer.network_link.ipsec_at_peer IPSEC_ONE_SIDED",
                          "peer.ipsec_enabled IPSEC_GATEWAY_NOT_EXEMPT",
                          "peer.network_link.network_encryption "
                          "NETWORK_ENCRYPTION_COVERS_GATEWAY"));
  EXPECT_THAT(descriptions_, HasSubstr("1 second of every 3"));
  peer.ipsec_enabled = false;
  peer.network_link.network_encryption = NetworkEncryption::kExempt;
  Store(peer);
  EXPECT_THAT(Find("peers/gw9"), IsEmpty());
}

TEST_F(PlanFindingsTest, SearchSpacesThatNobodyUses) {
  EXPECT_THAT(Find("callingSearchSpaces/c"),
              ElementsAre("calling_search_space.name SEARCH_SPACE_UNUSED"));
  Store(Translation("a", "5XX", "6XX"));
  EXPECT_THAT(Find("callingSearchSpaces/c"), IsEmpty());
}

TEST_F(PlanFindingsTest, PatternsThatAnotherPartitionAlwaysWinsOver) {
  Store(CallingSearchSpaceEntry{
      "tenants/t/callingSearchSpaces/pq",
      {"tenants/t/partitions/p", "tenants/t/partitions/q"}});
  Store(Route("first", "8XXX", "p"));
  Store(Route("second", "8XXX", "q"));
  EXPECT_THAT(Find("routePatterns/first"), IsEmpty());
  EXPECT_THAT(Find("routePatterns/second"),
              ElementsAre("route_pattern.pattern PATTERN_OVERRULED"));
  EXPECT_THAT(descriptions_, HasSubstr("tenants/t/routePatterns/first"));
  // One search space that shows it first is enough.
  Store(CallingSearchSpaceEntry{
      "tenants/t/callingSearchSpaces/qp",
      {"tenants/t/partitions/q", "tenants/t/partitions/p"}});
  EXPECT_THAT(Find("routePatterns/second"), IsEmpty());
}

TEST_F(PlanFindingsTest, WhatNumbersLeaveNothing) {
  Store(Route("rest", "50[0-2]", ""));
  for (const char* number : {"500", "501", "502"}) Store(Line(number));
  EXPECT_THAT(Find("routePatterns/rest"),
              ElementsAre("route_pattern.pattern PATTERN_COVERED_BY_NUMBERS"));
  // As an older release may have stored it.
  Store(Route("a", "60[0-2]", ""));
  Store(Route("b", "600", ""));
  Store(Route("c", "60[12]", ""));
  EXPECT_THAT(Find("routePatterns/a"),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_CHOSEN"));
  UserEntry user = TestUser("ann", "clear");
  user.phone_numbers = {"599", "600"};
  Store(user);
  EXPECT_THAT(Find("users/ann"),
              ElementsAre("user.phone_numbers[1] USER_NUMBER_OVERRULED"));
}

TEST_F(PlanFindingsTest, PilotsWhoseNumberNothingTakes) {
  VoicemailPilotEntry pilot;
  pilot.name = "tenants/t/voicemailPilots/v";
  pilot.number = "7000";
  Store(pilot);
  EXPECT_THAT(Find("voicemailPilots/v"),
              ElementsAre("voicemail_pilot.number PILOT_NUMBER_NOT_TAKEN"));
  Store(Line("7000"));
  EXPECT_THAT(Find("voicemailPilots/v"), IsEmpty());
}

// CUC-01: a secure port group in a cluster that is not mixed. CUC-19, CUC-42:
// one whose voicemail server has nowhere to take its trust list from.
TEST_F(PlanFindingsTest, PortGroupsThatStayOutOfService) {
  TenantEntry tenant = TestTenant();
  Store(tenant);
  VoicemailPortGroupEntry group;
  group.name = "tenants/t/voicemailPortGroups/g";
  group.device_security_mode = DeviceSecurityMode::kEncrypted;
  group.servers = {{"cm1.t.test", false}};
  Store(group);
  EXPECT_THAT(
      Find("voicemailPortGroups/g"),
      ElementsAre("voicemail_port_group.device_security_mode CLUSTER_NOT_MIXED",
                  "voicemail_port_group.servers TFTP_SERVER_MISSING"));
  EXPECT_THAT(descriptions_, HasSubstr("NON_SECURE"));
  tenant.cluster_security_mode = ClusterSecurityMode::kMixed;
  Store(tenant);
  group.servers.push_back({"cm1.t.test", true});
  Store(group);
  EXPECT_THAT(Find("voicemailPortGroups/g"), IsEmpty());
  group.device_security_mode = DeviceSecurityMode::kNonSecure;
  group.servers.clear();
  Store(group);
  EXPECT_THAT(Find("voicemailPortGroups/g"), IsEmpty());
}

TEST_F(PlanFindingsTest, LoopsThatAnOlderReleaseTook) {
  Store(Translation("a", "5XX", "6XX"));
  Store(Translation("b", "6XX", "5XX"));
  EXPECT_THAT(Find("translationPatterns/a"),
              ElementsAre("translation_pattern.called_party ROUTING_LOOP"));
}

TEST_F(PlanFindingsTest, WhatAChangeTouches) {
  Store(Route("in_p", "9!", "p"));
  Store(Route("in_q", "9!", "q"));
  const RecordPtr before = plan_.Find("tenants/t/callingSearchSpaces/c");
  Store(CallingSearchSpaceEntry{"tenants/t/callingSearchSpaces/c",
                                {"tenants/t/partitions/q"}});
  EXPECT_THAT(
      TouchedBy(plan_,
                {{before, plan_.Find("tenants/t/callingSearchSpaces/c")}}, 100),
      UnorderedElementsAre("tenants/t/callingSearchSpaces/c",
                           "tenants/t/partitions/p", "tenants/t/partitions/q",
                           "tenants/t/routePatterns/in_p",
                           "tenants/t/routePatterns/in_q"));
  EXPECT_EQ(
      TouchedBy(plan_,
                {{before, plan_.Find("tenants/t/callingSearchSpaces/c")}}, 2)
          .size(),
      2u);
}

}  // namespace
}  // namespace sallyport::dialplan
