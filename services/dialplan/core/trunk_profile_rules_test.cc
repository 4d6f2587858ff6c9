#include "services/dialplan/core/trunk_profile_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TrunkProfileRulesTest : public PlanRulesTest {
 protected:
  std::vector<std::string> Faults(TrunkSecurityProfileEntry profile) {
    std::vector<std::string> out = Check(std::move(profile));
    for (std::string& each : out) {
      const std::string prefix = "trunk_security_profile.";
      if (each.rfind(prefix, 0) == 0) each.erase(0, prefix.size());
    }
    return out;
  }
};

// TLS with a NULL cipher is known, and refused by that name.
TEST_F(TrunkProfileRulesTest, NullCipher) {
  EXPECT_THAT(Faults(Trunk("p", DeviceSecurityMode::kAuthenticated)),
              ElementsAre("device_security_mode NULL_CIPHER_NOT_ALLOWED"));
}

// protocols.md section 8: transports follow the mode.
TEST_F(TrunkProfileRulesTest, TransportsFollowTheMode) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  profile.incoming_transports = {SipTransport::kTls, SipTransport::kUdp,
                                 SipTransport::kTls};
  profile.outgoing_transport = SipTransport::kTcp;
  EXPECT_THAT(Faults(profile),
              ElementsAre("incoming_transports[1] TRANSPORT_NOT_OF_MODE",
                          "incoming_transports[2] DUPLICATE_VALUE",
                          "outgoing_transport TRANSPORT_NOT_OF_MODE"));
  profile = Trunk("p", DeviceSecurityMode::kNonSecure);
  profile.incoming_transports = {SipTransport::kTcp, SipTransport::kTls};
  profile.outgoing_transport = SipTransport::kTls;
  EXPECT_THAT(Faults(profile),
              ElementsAre("incoming_transports[1] TRANSPORT_NOT_OF_MODE",
                          "outgoing_transport TRANSPORT_NOT_OF_MODE"));
  profile.incoming_transports = {SipTransport::kTcp, SipTransport::kUdp};
  profile.outgoing_transport = SipTransport::kUdp;
  EXPECT_THAT(Faults(profile), IsEmpty());
}

TEST_F(TrunkProfileRulesTest, PortsFollowTheMode) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  profile.incoming_port = 5060;
  EXPECT_THAT(Faults(profile),
              ElementsAre("incoming_port INCOMING_PORT_IS_CLEAR"));
  profile.incoming_port = 65536;
  EXPECT_THAT(Faults(profile), ElementsAre("incoming_port VALUE_OUT_OF_RANGE"));
  profile = Trunk("p", DeviceSecurityMode::kNonSecure);
  profile.incoming_port = 5061;
  EXPECT_THAT(Faults(profile),
              ElementsAre("incoming_port INCOMING_PORT_IS_TLS"));
}

// TLS trunks may share a port, but TLS and clear ones may not.
TEST_F(TrunkProfileRulesTest, TlsAndClearShareNoPort) {
  TrunkSecurityProfileEntry profile =
      Trunk("a", DeviceSecurityMode::kEncrypted);
  profile.incoming_port = 5070;
  Add(profile);
  profile.name = "tenants/t/trunkSecurityProfiles/b";
  Add(profile);
  profile.device_security_mode = DeviceSecurityMode::kNonSecure;
  EXPECT_THAT(Faults(profile),
              ElementsAre("incoming_port PORT_SHARED_BY_TLS_AND_CLEAR"));
  EXPECT_THAT(faults_[0].description,
              HasSubstr("tenants/t/trunkSecurityProfiles/a"));
}

TEST_F(TrunkProfileRulesTest, DigestNonceAndApplicationLevel) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  profile.application_level_authorization = true;
  profile.nonce_validity = absl::Hours(25);
  EXPECT_THAT(
      Faults(profile),
      ElementsAre("enable_application_level_authorization DIGEST_REQUIRED",
                  "nonce_validity VALUE_OUT_OF_RANGE"));
  profile.digest = true;
  profile.nonce_validity = absl::Seconds(600);
  EXPECT_THAT(Faults(profile), IsEmpty());
}

// IMP-38: names as a certificate can bear them.
TEST_F(TrunkProfileRulesTest, SubjectNames) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  profile.x509_subjects = {"cucm.example.test", "*.example.test"};
  EXPECT_THAT(Faults(profile),
              ElementsAre("x509_subject_names[1] SUBJECT_NAME_INVALID"));
  profile.x509_subjects.assign(40, std::string(120, 'a') + ".test");
  EXPECT_THAT(Faults(profile).back(), "x509_subject_names VALUE_TOO_LONG");
  profile = Trunk("p", DeviceSecurityMode::kNonSecure);
  profile.x509_subjects = {"cucm.example.test"};
  EXPECT_THAT(Faults(profile),
              ElementsAre("x509_subject_names SUBJECT_NAMES_NEED_TLS"));
}

// A change of the profile that would strand its peers is blamed on it.
TEST_F(TrunkProfileRulesTest, ChangesThatStrandPeers) {
  TrunkSecurityProfileEntry profile =
      Trunk("p", DeviceSecurityMode::kEncrypted);
  Add(profile);
  for (const char* id : {"a", "b"}) {
    PeerEntry peer = TestPeer(id, "secured");
    peer.trunk_security_profile = profile.name;
    peer.message_waiting_allowed = false;
    Add(peer);
  }
  EXPECT_THAT(Faults(Trunk("p", DeviceSecurityMode::kNonSecure)),
              ElementsAre("device_security_mode PROFILE_MODE_NOT_OF_PLAN",
                          "device_security_mode PROFILE_MODE_NOT_OF_PLAN"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/peers/a: "));
  profile.x509_subjects = {"both.example.test"};
  EXPECT_THAT(Faults(profile),
              ElementsAre("x509_subject_names PEER_SUBJECT_NOT_UNIQUE",
                          "x509_subject_names PEER_SUBJECT_NOT_UNIQUE"));
  profile.x509_subjects.clear();
  profile.digest = true;
  EXPECT_THAT(Faults(profile),
              ElementsAre("enable_digest_authentication DIGEST_USER_REQUIRED",
                          "enable_digest_authentication DIGEST_USER_REQUIRED"));
}

}  // namespace
}  // namespace sallyport::dialplan
