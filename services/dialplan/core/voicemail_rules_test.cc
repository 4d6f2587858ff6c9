#include "services/dialplan/core/voicemail_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/core/plan_rules_fixture.h"
#include "services/dialplan/core/reference_rules.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class VoicemailRulesTest : public PlanRulesTest {
 protected:
  void SetUp() override {
    PlanRulesTest::SetUp();
    PeerEntry server = TestPeer("vm", "clear");
    server.kind = PeerKind::kVoicemail;
    Add(server);
    Add(TestPeer("gw", "clear"));
    LineGroupEntry hunted;
    hunted.name = "tenants/t/lineGroups/ports";
    hunted.algorithm = HuntAlgorithm::kTopDown;
    for (const char* id : {"8001", "8002"}) {
      LineEntry line;
      line.name = std::string("tenants/t/lines/") + id;
      line.directory_number = id;
      Add(line);
      hunted.lines.push_back(line.name);
    }
    Add(hunted);
    group_.name = "tenants/t/voicemailPortGroups/g";
    group_.peer = "tenants/t/peers/vm";
    group_.integration = VoicemailIntegration::kSccp;
    group_.line_group = hunted.name;
    group_.ports = {{"CiscoUM1-VI1", "tenants/t/lines/8001", true},
                    {"CiscoUM1-VI2", "tenants/t/lines/8002", false, true}};
  }

  void SetSip() {
    group_.integration = VoicemailIntegration::kSip;
    group_.ports.clear();
  }

  // The voicemail server becomes one of that dial plan.
  void SecurePeer(const std::string& plan, const std::string& profile = "") {
    PeerEntry server = TestPeer("vm", plan);
    server.kind = PeerKind::kVoicemail;
    server.trunk_security_profile = profile;
    Add(server);
  }

  // Whatever the rules say.
  void Force(PlanEntry entry) {
    plan_.Put(std::make_shared<PlanRecord>(TestRecord(std::move(entry))));
  }

  static MessageWaitingNumberEntry Lamp(const std::string& number,
                                        bool lights) {
    MessageWaitingNumberEntry out;
    out.name = "tenants/t/messageWaitingNumbers/m" + number;
    out.number = number;
    out.lights = lights;
    return out;
  }

  VoicemailPortGroupEntry group_;
};

// CUC-13, CUC-14: the certificate beside the port group, by display and subject
// name, which must be the peer's.
TEST_F(VoicemailRulesTest, SipCertificate) {
  SetSip();
  SecurePeer("secured");
  group_.device_security_mode = DeviceSecurityMode::kEncrypted;
  SipCertificateEntry certificate;
  certificate.name = "tenants/t/sipCertificates/c";
  EXPECT_THAT(Check(certificate),
              ElementsAre("sip_certificate.subject_name VALUE_REQUIRED"));
  certificate.subject_name = "other.t.test";
  Add(certificate);
  group_.sip_certificate = certificate.name;
  EXPECT_THAT(Check(group_), ElementsAre("voicemail_port_group.sip_certificate "
                                         "SIP_CERTIFICATE_SUBJECT_MISMATCH"));
  certificate.subject_name = "vm.t.test";
  Add(certificate);
  Add(group_);
  // What is used is not changed under its users.
  certificate.subject_name = "other.t.test";
  EXPECT_THAT(Check(certificate),
              ElementsAre("sip_certificate.subject_name "
                          "SIP_CERTIFICATE_SUBJECT_MISMATCH"));
  SipCertificateEntry same;
  same.name = "tenants/t/sipCertificates/d";
  same.subject_name = "vm.t.test";
  EXPECT_THAT(Check(same), ElementsAre("sip_certificate.subject_name "
                                       "SUBJECT_NAME_NOT_UNIQUE"));
  group_.sip_certificate_subject = "vm.t.test";
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.sip_certificate_subject "
                          "VALUE_CONFLICT"));
}

// CUC-16, CUC-39: an existing phone system or a new one, for SIP and SCCP.
TEST_F(VoicemailRulesTest, PhoneSystem) {
  group_.phone_system = "tenants/t/phoneSystems/hq";
  EXPECT_THAT(Check(group_), ElementsAre("voicemail_port_group.phone_system "
                                         "REFERENCE_NOT_FOUND"));
  PhoneSystemEntry system;
  system.name = group_.phone_system;
  Add(system);
  Add(group_);
  VoicemailPortGroupEntry trunk = group_;
  trunk.name += "-sip";
  trunk.integration = VoicemailIntegration::kSip;
  trunk.ports.clear();
  Add(trunk);
  EXPECT_EQ(plan_.ReferrersOf(system.name).size(), 2u);
}

TEST_F(VoicemailRulesTest, PortGroupsOfSccp) {
  EXPECT_THAT(Check(group_), IsEmpty());
  VoicemailPortGroupEntry bad = group_;
  bad.ports = {{"", "", true},
               {"has space", "tenants/t/lines/8001", true},
               {"VI3", "tenants/t/lines/8001"}};
  EXPECT_THAT(
      Check(bad),
      ElementsAre("voicemail_port_group.ports[0].device_name VALUE_REQUIRED",
                  "voicemail_port_group.ports[0].line VALUE_REQUIRED",
                  "voicemail_port_group.ports[1].device_name "
                  "DEVICE_NAME_INVALID",
                  "voicemail_port_group.ports[2].line DUPLICATE_VALUE",
                  "voicemail_port_group.ports[2] VALUE_REQUIRED"));
  bad = group_;
  bad.ports.clear();
  bad.peer = "tenants/t/peers/gw";
  bad.device_security_mode = DeviceSecurityMode::kAuthenticated;
  EXPECT_THAT(Check(bad),
              ElementsAre("voicemail_port_group.peer PEER_NOT_VOICEMAIL",
                          "voicemail_port_group.device_security_mode "
                          "NULL_CIPHER_NOT_ALLOWED",
                          "voicemail_port_group.ports VALUE_REQUIRED"));
}

// CUC-52, and "make notification/MWI ports the last".
TEST_F(VoicemailRulesTest, PortsAndTheirLineGroup) {
  VoicemailPortGroupEntry bad = group_;
  bad.ports[0].answers_calls = false;
  bad.ports[0].notifies = true;
  bad.ports[1].answers_calls = true;
  EXPECT_THAT(
      Check(bad),
      ElementsAre("voicemail_port_group.ports[0].line VOICEMAIL_PORT_ORDER"));
  LineEntry lone;
  lone.name = "tenants/t/lines/8003";
  lone.directory_number = "8003";
  Add(lone);
  bad = group_;
  bad.ports.push_back({"VI3", lone.name, true});
  EXPECT_THAT(
      Check(bad),
      ElementsAre("voicemail_port_group.ports[2].line LINE_NOT_IN_GROUP"));
  LineGroupEntry idle;
  idle.name = "tenants/t/lineGroups/idle";
  Add(idle);
  bad = group_;
  bad.ports.clear();
  bad.integration = VoicemailIntegration::kSip;
  bad.line_group = idle.name;
  EXPECT_THAT(
      Check(bad),
      ElementsAre("voicemail_port_group.line_group VOICEMAIL_HUNT_ALGORITHM"));
}

TEST_F(VoicemailRulesTest, ASipPortGroupDoesNotPromiseWhatItsPeerLacks) {
  SetSip();
  group_.device_security_mode = DeviceSecurityMode::kEncrypted;
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.device_security_mode "
                          "SECURITY_MODE_MISMATCH"));
}

// CUC-17, CUC-18: Secure RTP without encrypted mode is refused. CUC-11: with
// it the audio of a trunk over TLS is SRTP or RTP, as its dial plan says.
TEST_F(VoicemailRulesTest, SecureRtpNeedsAnEncryptedTrunk) {
  SetSip();
  group_.secure_rtp = true;
  EXPECT_THAT(Check(group_), ElementsAre("voicemail_port_group.secure_rtp "
                                         "SECURE_RTP_NEEDS_ENCRYPTED"));
  group_.device_security_mode = DeviceSecurityMode::kEncrypted;
  SecurePeer("sip");
  EXPECT_THAT(Check(group_), ElementsAre("voicemail_port_group.secure_rtp "
                                         "SECURITY_MODE_MISMATCH"));
  group_.secure_rtp = false;
  EXPECT_THAT(Check(group_), IsEmpty());
  SecurePeer("secured");
  group_.secure_rtp = true;
  EXPECT_THAT(Check(group_), IsEmpty());
  group_.integration = VoicemailIntegration::kSccp;
  group_.ports = {{"VI1", "tenants/t/lines/8001", true}};
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.secure_rtp VALUE_CONFLICT"));
}

// CUC-14, CUC-24: the certificate's subject is that of the trunk's profile.
// CUC-18: without any there is no TLS.
TEST_F(VoicemailRulesTest, TheSipCertificateIsWhatThePeerIsKnownBy) {
  SetSip();
  group_.device_security_mode = DeviceSecurityMode::kEncrypted;
  TrunkSecurityProfileEntry profile =
      Trunk("cuc", DeviceSecurityMode::kEncrypted);
  profile.x509_subjects = {"cuc1.t.test", "cuc2.t.test"};
  Add(profile);
  SecurePeer("secured", profile.name);
  group_.sip_certificate_subject = "cuc2.t.test";
  EXPECT_THAT(Check(group_), IsEmpty());
  group_.sip_certificate_subject = "vm.t.test";
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.sip_certificate_subject "
                          "SIP_CERTIFICATE_SUBJECT_MISMATCH"));
  // The peer's own name, where no profile gives others.
  SecurePeer("secured");
  EXPECT_THAT(Check(group_), IsEmpty());
  PeerEntry nameless = TestPeer("vm", "secured");
  nameless.kind = PeerKind::kVoicemail;
  nameless.fqdn.clear();
  Force(nameless);
  group_.sip_certificate_subject.clear();
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.sip_certificate_subject "
                          "SIP_CERTIFICATE_REQUIRED"));
}

// CUC-02: `utils cuc encryption disable` and its way back.
TEST_F(VoicemailRulesTest, EncryptionIsEnabledFirst) {
  group_.device_security_mode = DeviceSecurityMode::kEncrypted;
  TenantEntry tenant = TestTenant();
  tenant.cluster_security_mode = ClusterSecurityMode::kMixed;
  tenant.voicemail_encryption_disabled = true;
  Add(tenant);
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.device_security_mode "
                          "VOICEMAIL_ENCRYPTION_DISABLED"));
  group_.device_security_mode = DeviceSecurityMode::kNonSecure;
  EXPECT_THAT(Check(group_), IsEmpty());
  tenant.voicemail_encryption_disabled = false;
  Add(tenant);
  group_.device_security_mode = DeviceSecurityMode::kEncrypted;
  EXPECT_THAT(Check(group_), IsEmpty());
  tenant.voicemail_encryption_disabled = true;
  EXPECT_THAT(Check(tenant), ElementsAre("tenant.voicemail_encryption "
                                         "VOICEMAIL_ENCRYPTION_IN_USE"));
}

// CUC-40, CUC-41, CUC-45: names are the prefix and a number; of the three
// values of the mode "authenticated" has a NULL cipher and is refused.
TEST_F(VoicemailRulesTest, DeviceNamesHaveThePrefixOfTheVoicemailServer) {
  group_.device_name_prefix = "CiscoUM1-VI";
  EXPECT_THAT(Check(group_), IsEmpty());
  for (const char* name : {"CiscoUM2-VI1", "CiscoUM1-VI", "CiscoUM1-VI1x"}) {
    group_.ports[0].device_name = name;
    EXPECT_THAT(Check(group_),
                ElementsAre("voicemail_port_group.ports[0].device_name "
                            "DEVICE_NAME_NOT_OF_PREFIX"));
  }
  group_.ports[0].device_name = "CiscoUM1-VI7";
  for (const auto mode :
       {DeviceSecurityMode::kNonSecure, DeviceSecurityMode::kEncrypted}) {
    group_.device_security_mode = mode;
    EXPECT_THAT(Check(group_), IsEmpty());
  }
  group_.device_security_mode = DeviceSecurityMode::kAuthenticated;
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.device_security_mode "
                          "NULL_CIPHER_NOT_ALLOWED"));
}

// CUC-21, CUC-43: each behaviour of a port by itself is a reason to have it.
TEST_F(VoicemailRulesTest, WhatAPortDoes) {
  VoicemailPort port = {"CiscoUM1-VI1", "tenants/t/lines/8001"};
  for (bool VoicemailPort::*does :
       {&VoicemailPort::answers_calls, &VoicemailPort::notifies,
        &VoicemailPort::sends_message_waiting,
        &VoicemailPort::records_and_plays}) {
    port.*does = true;
    group_.ports = {port};
    EXPECT_THAT(Check(group_), IsEmpty());
    port.*does = false;
  }
  port.disabled = true;
  group_.ports = {port};
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.ports[0] VALUE_REQUIRED"));
}

// CUC-19, CUC-42: whom a voicemail server takes its trust list from.
TEST_F(VoicemailRulesTest, ServersOfAGroup) {
  group_.servers = {{"cm1.t.test", false},
                    {"192.0.2.1", false, 2443},
                    {"192.0.2.1", true, 69}};
  EXPECT_THAT(Check(group_), IsEmpty());
  group_.servers = {{"", true},
                    {"two words", true},
                    {"192.0.2.1", true, 70000},
                    {"cm1.t.test", false},
                    {"cm1.t.test", false}};
  EXPECT_THAT(
      Check(group_),
      ElementsAre("voicemail_port_group.servers[0].host VALUE_REQUIRED",
                  "voicemail_port_group.servers[1].host HOST_INVALID",
                  "voicemail_port_group.servers[2].port VALUE_OUT_OF_RANGE",
                  "voicemail_port_group.servers[4] DUPLICATE_VALUE"));
}

// CUC-47: the numbers are those that are configured.
TEST_F(VoicemailRulesTest, Cuc47LampNumbers) {
  group_.message_waiting_on_number = "8888";
  group_.message_waiting_off_number = "8889";
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.message_waiting_on_number "
                          "MESSAGE_WAITING_NUMBER_UNKNOWN",
                          "voicemail_port_group.message_waiting_off_number "
                          "MESSAGE_WAITING_NUMBER_UNKNOWN"));
  Add(Lamp("8888", true));
  Add(Lamp("8889", false));
  Add(group_);
  EXPECT_THAT(CheckRemovable(
                  plan_, *plan_.Find("tenants/t/messageWaitingNumbers/m8888")),
              HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(Check(Lamp("8888", false)),
              ElementsAre("message_waiting_number.indicator NUMBER_IN_USE"));
  MessageWaitingNumberEntry moved = Lamp("8888", true);
  moved.number = "7777";
  EXPECT_THAT(Check(moved),
              ElementsAre("message_waiting_number.number NUMBER_IN_USE"));
  // On and off are distinct: one number does one thing.
  MessageWaitingNumberEntry both = Lamp("8888", false);
  both.name += "x";
  EXPECT_THAT(Check(both),
              ElementsAre("message_waiting_number.number PATTERN_NOT_UNIQUE"));
  group_.message_waiting_off_number = "8888";
  EXPECT_THAT(Check(group_),
              ElementsAre("voicemail_port_group.message_waiting_off_number "
                          "MESSAGE_WAITING_NUMBER_UNKNOWN",
                          "voicemail_port_group.message_waiting_off_number "
                          "VALUE_CONFLICT"));
  MessageWaitingNumberEntry bad = Lamp("9", true);
  bad.number = "80 80";
  EXPECT_THAT(Check(bad),
              ElementsAre("message_waiting_number.number NUMBER_INVALID"));
}

// CUC-32, CUC-33: a route pattern to the trunk takes the pilot's number.
// CUC-34, CUC-50: a profile has its pilot, and lines may use it.
TEST_F(VoicemailRulesTest, PilotsAndProfiles) {
  VoicemailPilotEntry pilot;
  pilot.name = "tenants/t/voicemailPilots/a";
  pilot.number = "x";
  pilot.is_default = true;
  EXPECT_THAT(Check(pilot),
              ElementsAre("voicemail_pilot.number NUMBER_INVALID"));
  Add(TestPattern("vm", "8000", "gw"));
  pilot.number = "8000";
  Add(pilot);
  VoicemailPilotEntry second = pilot;
  second.name = "tenants/t/voicemailPilots/b";
  EXPECT_THAT(Check(second),
              ElementsAre("voicemail_pilot.is_default DEFAULT_NOT_UNIQUE"));
  VoicemailProfileEntry profile;
  profile.name = "tenants/t/voicemailProfiles/a";
  profile.mailbox_mask = "X-";
  EXPECT_THAT(Check(profile),
              ElementsAre("voicemail_profile.voicemail_pilot VALUE_REQUIRED",
                          "voicemail_profile.mailbox_mask MASK_INVALID"));
  profile.mailbox_mask = "1XXX";
  profile.voicemail_pilot = pilot.name;
  profile.is_default = true;
  Add(profile);
  // A line may now forward to voicemail.
  LineEntry line;
  line.name = "tenants/t/lines/4001";
  line.directory_number = "4001";
  line.forward_busy.voicemail = true;
  EXPECT_THAT(Check(line), IsEmpty());
  VoicemailProfileEntry other = profile;
  other.name = "tenants/t/voicemailProfiles/b";
  EXPECT_THAT(Check(other),
              ElementsAre("voicemail_profile.is_default DEFAULT_NOT_UNIQUE"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find(pilot.name)),
              HasReason("RESOURCE_IN_USE"));
}

}  // namespace
}  // namespace sallyport::dialplan
