#include "services/dialplan/core/peer_security_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PeerSecurityRulesTest : public PlanRulesTest {};

constexpr char kProfile[] = "tenants/t/trunkSecurityProfiles/p";

// A secured plan with a clear profile: the profile is told, and what follows
// from it is not told again.
// IMP-23, IMP-24: a trunk has the profile of its security.
TEST_F(PeerSecurityRulesTest, ProfileFollowsThePlan) {
  Add(Trunk("p", DeviceSecurityMode::kNonSecure));
  PeerEntry peer = TestPeer("gw", "secured");
  peer.trunk_security_profile = kProfile;
  EXPECT_THAT(Check(peer), ElementsAre("peer.trunk_security_profile "
                                       "PROFILE_MODE_NOT_OF_PLAN"));
  // What the peer says itself is told as well, all at once.
  peer.fqdn = "";
  peer.address = "192.0.2.1";
  peer.port = 5060;
  EXPECT_THAT(
      Check(peer),
      ElementsAre("peer.fqdn PEER_FQDN_REQUIRED",
                  "peer.trunk_security_profile PROFILE_MODE_NOT_OF_PLAN",
                  "peer.port PEER_PORT_NOT_5061"));
  Add(Trunk("p", DeviceSecurityMode::kEncrypted));
  peer = TestPeer("gw", "secured");
  peer.trunk_security_profile = kProfile;
  Add(peer);
  peer = TestPeer("gw2", "clear");
  peer.trunk_security_profile = kProfile;
  EXPECT_THAT(Check(peer), ElementsAre("peer.trunk_security_profile "
                                       "PROFILE_MODE_NOT_OF_PLAN"));
}

TEST_F(PeerSecurityRulesTest, TransportFollowsTheProfile) {
  Add(Trunk("p", DeviceSecurityMode::kEncrypted));
  PeerEntry peer = TestPeer("gw", "secured");
  peer.trunk_security_profile = kProfile;
  peer.transport = SipTransport::kTcp;
  peer.port = 5061;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.transport PEER_TRANSPORT_NOT_OF_PROFILE",
                          "peer.transport PEER_TRANSPORT_NOT_TLS"));
}

// The profile's subject names are its peers': two peers cannot share them.
// IMP-25, IMP-37: a subject that is added stands for one trunk.
TEST_F(PeerSecurityRulesTest, SubjectsOfAProfileIdentifyOneTrunk) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  profile.x509_subjects = {"cucm.example.test"};
  Add(profile);
  PeerEntry peer = TestPeer("a", "secured");
  peer.trunk_security_profile = kProfile;
  Add(peer);
  peer = TestPeer("b", "secured");
  peer.trunk_security_profile = kProfile;
  EXPECT_THAT(
      Check(peer),
      ElementsAre("peer.x509_subject_names[0] PEER_SUBJECT_NOT_UNIQUE"));
  peer.incoming_port = 5071;
  EXPECT_THAT(Check(peer), IsEmpty());
}

TEST_F(PeerSecurityRulesTest, DigestAndMessageWaitingNeedWhatTheProfileSays) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  profile.digest = true;
  Add(profile);
  PeerEntry peer = TestPeer("vm", "secured");
  peer.trunk_security_profile = kProfile;
  peer.message_waiting_allowed = true;  // CUC-23
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.digest_user DIGEST_USER_REQUIRED",
                          "peer.message_waiting_indicator_allowed "
                          "UNSOLICITED_NOTIFICATION_NOT_ACCEPTED"));
  profile.accept_unsolicited_notification = true;
  Add(profile);
  Add(TestUser("trunk", "secured"));
  peer.digest_user = "tenants/t/users/trunk";
  EXPECT_THAT(Check(peer), IsEmpty());
}

// UM-19: selecting IPsec for a peer without support is refused.
TEST_F(PeerSecurityRulesTest, Um19IpsecNeedsSupport) {
  PeerEntry peer = TestPeer("gw", "clear");
  peer.ipsec_enabled = true;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.ipsec_enabled IPSEC_NOT_SUPPORTED"));
  peer.ipsec = IpsecCapability::kUnsupported;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.ipsec_enabled IPSEC_NOT_SUPPORTED"));
  peer.ipsec = IpsecCapability::kSupported;
  EXPECT_THAT(Check(peer), IsEmpty());
}

TEST_F(PeerSecurityRulesTest, SourcesOfClearPeersDoNotOverlap) {
  Add(ClearPeer("net", {"192.0.2.0/24"}));
  EXPECT_THAT(Check(ClearPeer("in", {"198.51.100.1", "192.0.2.7"})),
              ElementsAre("peer.source_addresses[1] PEER_SOURCES_OVERLAP"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/peers/net"));
  EXPECT_THAT(Check(ClearPeer("around", {"192.0.0.0/16"})),
              ElementsAre("peer.source_addresses[0] PEER_SOURCES_OVERLAP"));
  EXPECT_THAT(Check(ClearPeer("same", {"192.0.2.99/24"})),
              ElementsAre("peer.source_addresses[0] PEER_ADDRESS_NOT_UNIQUE"));
  PeerEntry by_address = TestPeer("addr", "clear");
  by_address.address = "192.0.2.200";
  EXPECT_THAT(Check(by_address),
              ElementsAre("peer.address PEER_SOURCES_OVERLAP"));
  EXPECT_THAT(Check(ClearPeer("beside", {"192.0.3.0/24"})), IsEmpty());
  // On another port it is another trunk; with TLS the certificate decides.
  PeerEntry other_port = ClearPeer("port", {"192.0.2.7"});
  other_port.incoming_port = 5070;
  EXPECT_THAT(Check(other_port), IsEmpty());
  PeerEntry tls = TestPeer("tls", "secured");
  tls.source_addresses = {"192.0.2.7"};
  EXPECT_THAT(Check(tls), IsEmpty());
}

TEST_F(PeerSecurityRulesTest, AnotherTenantsOverlapIsNotNamed) {
  Add(TestTenant("u"));
  Add(TestPlan(SecurityMode::kUnsecured, "clear", "u"));
  Add(ClearPeer("net", {"192.0.2.0/24"}));
  EXPECT_THAT(Check(ClearPeer("in", {"192.0.2.7"}, "u")),
              ElementsAre("peer.source_addresses[0] PEER_SOURCES_OVERLAP"));
  EXPECT_THAT(faults_[0].description, Not(HasSubstr("tenants/t")));
}

// UM-13: calls are accepted from configured gateways only.
TEST_F(PeerSecurityRulesTest, Um13SourcesAreNoWholeRegion) {
  EXPECT_THAT(Check(ClearPeer("a", {"0.0.0.0/0", "::/0", "10.0.0.0/7"})),
              ElementsAre("peer.source_addresses[0] SOURCE_PREFIX_TOO_WIDE",
                          "peer.source_addresses[1] SOURCE_PREFIX_TOO_WIDE",
                          "peer.source_addresses[2] SOURCE_PREFIX_TOO_WIDE"));
}

TEST_F(PeerSecurityRulesTest, TrustStoreIsTheOneThatEdgesUse) {
  PeerEntry peer = TestPeer("gw", "secured");
  peer.trust_store = "tomcat-trust";
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.trust_store TRUST_STORE_NOT_FOR_PEERS"));
  for (const char* store :
       {"CallManager-trust", "UM-trusted-roots", "cup-trust"}) {
    peer.trust_store = store;
    EXPECT_THAT(Check(peer), IsEmpty()) << store;
  }
}

// UM-66, CCE-16: each member of a secured peer's group, and a change of the
// group that would strand it.
TEST_F(PeerSecurityRulesTest, MembersOfASecuredGroup) {
  ServerGroupEntry group;
  group.name = "tenants/t/serverGroups/g";
  group.members = {{.host = "cvp1.example.test"},
                   {.host = "192.0.2.1", .secure_port = 5071}};
  Add(group);
  PeerEntry peer = TestPeer("cvp", "secured");
  peer.server_group = group.name;
  EXPECT_THAT(Check(peer), ElementsAre("peer.server_group PEER_FQDN_REQUIRED",
                                       "peer.server_group PEER_PORT_NOT_5061"));
  EXPECT_THAT(faults_[0].description, HasSubstr("member 1"));
  group.members.pop_back();
  Add(group);
  // Its own name may then be that of its certificate alone.
  peer.fqdn = "";
  EXPECT_THAT(Check(peer), ElementsAre("peer.fqdn PEER_FQDN_REQUIRED"));
  peer.x509_subjects = {"cvp.example.test"};
  Add(peer);
  group.members[0].secure_port = 5062;
  EXPECT_THAT(Check(group),
              ElementsAre("server_group.members PEER_PORT_NOT_5061"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/peers/cvp"));
}

// UM-89: a Dialogic 2000 or 4000 does not take our server-auth-only
// certificate; a 1000, 3000 or AudioCodes does. UM-90: who knows.
TEST_F(PeerSecurityRulesTest, Um89CertificateUsage) {
  plan_.set_edge_survey({{{"edge-0", true}, {"edge-1", false}}, {}});
  PeerEntry peer = TestPeer("gw", "secured");
  peer.vendor = "Dialogic";
  peer.model = "DMG2000";
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.model EDGE_CERTIFICATE_LACKS_CLIENT_AUTH"));
  EXPECT_THAT(faults_[0].description, HasSubstr("edge-1"));
  EXPECT_THAT(faults_[0].description, HasSubstr("Dialogic 2000"));
  EXPECT_THAT(faults_[0].description, HasSubstr("computer V3"));
  peer.model = "DMG1000";
  EXPECT_THAT(Check(peer), IsEmpty());
  peer.vendor = peer.model = "";
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.vendor EDGE_CERTIFICATE_LACKS_CLIENT_AUTH"));
  // Only edges that serve its plan count, and only secured plans.
  DialPlanEntry secured = TestPlan(SecurityMode::kSecured, "secured");
  secured.edges = {"edge-0"};
  Add(secured);
  EXPECT_THAT(Check(peer), IsEmpty());
  PeerEntry clear = TestPeer("gw3", "clear");
  EXPECT_THAT(Check(clear), IsEmpty());
}

}  // namespace
}  // namespace sallyport::dialplan
