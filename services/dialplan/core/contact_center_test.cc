// The plan of the contact centre documents: border element, call server, voice
// browser and call manager, as they are written there (CCE-05 to CCE-42).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ContactCenterTest : public PlanRulesTest {
 protected:
  // CCE-15, CCE-17: one group for each of the three, SecurePort 5061.
  static ServerGroupEntry Group(const std::string& id) {
    ServerGroupEntry out;
    out.name = "tenants/t/serverGroups/" + id;
    out.members = {{.host = id + ".dcloud.example.test", .secure_port = 5061}};
    return out;
  }
  static PeerEntry Server(const std::string& id, PeerKind kind) {
    PeerEntry out = TestPeer(id, "sip");
    out.kind = kind;
    out.fqdn = id + ".dcloud.example.test";
    out.server_group = "tenants/t/serverGroups/" + id;
    return out;
  }
};

// CCE-05: the roles; CCE-14 to CCE-17: a server group for each.
TEST_F(ContactCenterTest, RolesAndTheirServerGroups) {
  for (const char* id : {"cucm1", "vvb1", "cube1"}) Add(Group(id));
  Add(Server("cube1", PeerKind::kIpGateway));
  Add(Server("vvb1", PeerKind::kSipTrunk));
  Add(Server("cucm1", PeerKind::kIpPbx));
  PhoneEntry agent;
  agent.name = "tenants/t/phones/agent1";
  agent.device_name = "CSFAGENT1";
  agent.dial_plan = "tenants/t/dialPlans/secured";
  Add(agent);
  // CCE-16, CCE-18: without its secure port on 5061 a member is no server of a
  // secure leg.
  ServerGroupEntry other = Group("vvb1");
  other.members[0].secure_port = 5071;
  EXPECT_THAT(Check(other),
              ElementsAre("server_group.members PEER_PORT_NOT_5061"));
}

// CCE-06, CCE-11, CCE-12: dial peer 6000 towards the call server, port 5061,
// "tcp tls"; CCE-13, CCE-42: TLS to another port is flagged.
TEST_F(ContactCenterTest, DialPeer6000) {
  PeerEntry peer = TestPeer("6000", "sip");
  peer.kind = PeerKind::kIpGateway;
  peer.fqdn = "cvp1.dcloud.example.test";
  peer.address = "198.18.133.13";
  peer.port = 5061;
  peer.transport = SipTransport::kTls;
  Add(peer);
  peer.port = 5060;
  EXPECT_THAT(Check(peer), ElementsAre("peer.port PEER_PORT_NOT_5061"));
  peer.port = 5061;
  peer.transport = SipTransport::kTcp;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.transport PEER_TRANSPORT_NOT_TLS"));
}

// CCE-33, CCE-34, CCE-35: the two profiles; CCE-38, CCE-39, CCE-41: the trunks
// vCube and cvp-SIP-Trunk by them, on 5061.
TEST_F(ContactCenterTest, TrunksAndTheirProfiles) {
  TrunkSecurityProfileEntry cube =
      Trunk("securesiptlsforcube", DeviceSecurityMode::kEncrypted);
  cube.incoming_transports = {SipTransport::kTls};
  cube.outgoing_transport = SipTransport::kTls;
  cube.incoming_port = 5061;
  cube.x509_subjects = {"cube1.dcloud.example.test"};
  Add(cube);
  TrunkSecurityProfileEntry cvp = cube;
  cvp.name = "tenants/t/trunkSecurityProfiles/securesiptlsforcvp";
  cvp.x509_subjects = {"cvp1.dcloud.example.test"};
  Add(cvp);
  PeerEntry vcube = TestPeer("vcube", "sip");
  vcube.kind = PeerKind::kSipTrunk;
  vcube.port = 5061;
  vcube.trunk_security_profile = cube.name;
  Add(vcube);
  EXPECT_THAT(plan_.Effective(vcube).x509_subjects,
              ElementsAre("cube1.dcloud.example.test"));
  PeerEntry trunk = TestPeer("cvp-sip-trunk", "sip");
  trunk.kind = PeerKind::kSipTrunk;
  trunk.port = 5061;
  trunk.trunk_security_profile = cvp.name;
  Add(trunk);
  // CCE-34: one subject is one trunk's.
  PeerEntry twin = trunk;
  twin.name = "tenants/t/peers/twin";
  EXPECT_THAT(Check(twin),
              testing::Contains(testing::HasSubstr("PEER_SUBJECT_NOT_UNIQUE")));
  // CCE-42.
  trunk.port = 5060;
  EXPECT_THAT(Check(trunk), ElementsAre("peer.port PEER_PORT_NOT_5061"));
}

// CCE-23, CCE-24: secure profiles of phones need mixed mode, which is the
// second of two modes; non-secure is the default.
TEST_F(ContactCenterTest, TwoClusterModes) {
  EXPECT_EQ(TenantEntry().cluster_security_mode,
            ClusterSecurityMode::kNonSecure);
  TenantEntry other = TestTenant("u");
  Add(other);
  PhoneSecurityProfileEntry profile;
  profile.name = "tenants/u/phoneSecurityProfiles/secure";
  profile.device_security_mode = DeviceSecurityMode::kEncrypted;
  EXPECT_THAT(Check(profile),
              ElementsAre("phone_security_profile.device_security_mode "
                          "CLUSTER_NOT_MIXED"));
  other.cluster_security_mode = ClusterSecurityMode::kMixed;
  Add(other);
  EXPECT_THAT(Check(profile), IsEmpty());
}

}  // namespace
}  // namespace sallyport::dialplan
