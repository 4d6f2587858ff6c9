#include "services/dialplan/core/phone_profile_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PhoneProfileRulesTest : public PlanRulesTest {
 protected:
  std::vector<std::string> Faults(PhoneSecurityProfileEntry profile) {
    std::vector<std::string> out = Check(std::move(profile));
    for (std::string& each : out) {
      const std::string prefix = "phone_security_profile.";
      if (each.rfind(prefix, 0) == 0) each.erase(0, prefix.size());
    }
    return out;
  }
  static PhoneEntry Phone(const std::string& plan, const std::string& profile) {
    PhoneEntry out;
    out.name = "tenants/t/phones/sep1";
    out.device_name = "SEP001122334455";
    out.dial_plan = "tenants/t/dialPlans/" + plan;
    if (!profile.empty()) {
      out.phone_security_profile = "tenants/t/phoneSecurityProfiles/" + profile;
    }
    return out;
  }
};

TEST_F(PhoneProfileRulesTest, ModeAndTransport) {
  EXPECT_THAT(Faults(PhoneProfile("p", DeviceSecurityMode::kAuthenticated)),
              ElementsAre("device_security_mode NULL_CIPHER_NOT_ALLOWED"));
  PhoneSecurityProfileEntry profile =
      PhoneProfile("p", DeviceSecurityMode::kEncrypted);
  profile.transport = SipTransport::kTcp;
  EXPECT_THAT(Faults(profile), ElementsAre("transport TRANSPORT_NOT_OF_MODE"));
  profile.transport = SipTransport::kTls;
  EXPECT_THAT(Faults(profile), IsEmpty());
  profile = PhoneProfile("q", DeviceSecurityMode::kNonSecure);
  profile.transport = SipTransport::kTls;
  EXPECT_THAT(Faults(profile), ElementsAre("transport TRANSPORT_NOT_OF_MODE"));
  profile.transport = SipTransport::kUdp;
  EXPECT_THAT(Faults(profile), IsEmpty());
  profile.protocol = PhoneProtocol::kSccp;
  EXPECT_THAT(Faults(profile),
              ElementsAre("transport TRANSPORT_NOT_OF_PROTOCOL"));
}

// protocols.md section 9.1: the key sizes, less the 512 that anybody factors.
TEST_F(PhoneProfileRulesTest, KeySizes) {
  PhoneSecurityProfileEntry profile =
      PhoneProfile("p", DeviceSecurityMode::kEncrypted);
  profile.rsa_key_size = 512;
  profile.ec_key_size = 255;
  EXPECT_THAT(Faults(profile), ElementsAre("rsa_key_size KEY_SIZE_NOT_ALLOWED",
                                           "ec_key_size KEY_SIZE_NOT_ALLOWED"));
  for (const uint32_t size : {1024u, 2048u, 3072u, 4096u}) {
    profile.rsa_key_size = size;
    profile.ec_key_size = 521;
    EXPECT_THAT(Faults(profile), IsEmpty()) << size;
  }
  profile.key_order = CapfKeyOrder::kEcOnly;
  EXPECT_THAT(Faults(profile),
              ElementsAre("rsa_key_size KEY_SIZE_NOT_OF_KEY_ORDER"));
  profile.key_order = CapfKeyOrder::kRsaOnly;
  EXPECT_THAT(Faults(profile),
              ElementsAre("ec_key_size KEY_SIZE_NOT_OF_KEY_ORDER"));
}

TEST_F(PhoneProfileRulesTest, Digest) {
  PhoneSecurityProfileEntry profile =
      PhoneProfile("p", DeviceSecurityMode::kEncrypted);
  profile.allow_digest_without_certificate = true;
  EXPECT_THAT(Faults(profile),
              ElementsAre("allow_digest_without_certificate DIGEST_REQUIRED"));
  profile.digest = true;
  profile.nonce_validity = absl::Milliseconds(1);
  EXPECT_THAT(
      Faults(profile),
      ElementsAre("nonce_validity VALUE_OUT_OF_RANGE",
                  "exclude_digest_credentials DIGEST_CREDENTIALS_IN_CLEAR"));
  profile.nonce_validity = absl::ZeroDuration();
  profile.tftp_encrypted_config = true;
  EXPECT_THAT(Faults(profile), IsEmpty());
  profile = PhoneProfile("q", DeviceSecurityMode::kNonSecure);
  profile.allow_digest_without_certificate = true;
  EXPECT_THAT(
      Faults(profile),
      ElementsAre("allow_digest_without_certificate CERTIFICATE_NEEDS_TLS"));
}

// Secure profiles need a MIXED cluster, and keep it one.
TEST_F(PhoneProfileRulesTest, Cluster) {
  PhoneSecurityProfileEntry profile =
      PhoneProfile("p", DeviceSecurityMode::kEncrypted);
  Add(profile);
  EXPECT_THAT(Check(TestTenant()), ElementsAre("tenant.cluster_security_mode "
                                               "CLUSTER_SECURITY_MODE_IN_USE"));
  EXPECT_THAT(faults_[0].description, HasSubstr("phoneSecurityProfiles/p"));
  Add(TestTenant("u"));
  profile.name = "tenants/u/phoneSecurityProfiles/p";
  profile.tftp_encrypted_config = true;
  EXPECT_THAT(Faults(profile),
              ElementsAre("device_security_mode CLUSTER_NOT_MIXED",
                          "tftp_encrypted_config CLUSTER_NOT_MIXED"));
}

// UM-100: what the mode of the plan would refuse is not configured.
TEST_F(PhoneProfileRulesTest, PhonesFollowTheirPlan) {
  Add(PhoneProfile("tls", DeviceSecurityMode::kEncrypted));
  Add(PhoneProfile("clear", DeviceSecurityMode::kNonSecure));
  EXPECT_THAT(Check(Phone("clear", "tls")),
              ElementsAre("phone.phone_security_profile "
                          "PROFILE_MODE_NOT_OF_PLAN"));
  EXPECT_THAT(Check(Phone("secured", "clear")),
              ElementsAre("phone.phone_security_profile "
                          "PROFILE_MODE_NOT_OF_PLAN"));
  // Without a profile nothing is said.
  EXPECT_THAT(Check(Phone("secured", "")), IsEmpty());
  Add(Phone("secured", "tls"));
  EXPECT_THAT(Check(TestPlan(SecurityMode::kUnsecured, "secured")),
              ElementsAre("dial_plan.security_mode PROFILE_MODE_NOT_OF_PLAN"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/phones/sep1"));
  EXPECT_THAT(Faults(PhoneProfile("tls", DeviceSecurityMode::kNonSecure)),
              ElementsAre("device_security_mode PROFILE_MODE_NOT_OF_PLAN"));
}

// CCE-48: a profile is of one type of phone; CCE-43, CCE-51: a phone has one.
TEST_F(PhoneProfileRulesTest, AProfileIsOfOneTypeOfPhone) {
  PhoneSecurityProfileEntry profile =
      PhoneProfile("csf", DeviceSecurityMode::kEncrypted);
  profile.phone_type = "Cisco Unified Client Services Framework";
  Add(profile);
  PhoneEntry phone;
  phone.name = "tenants/t/phones/agent1";
  phone.device_name = "CSFAGENT1";
  phone.dial_plan = "tenants/t/dialPlans/secured";
  phone.phone_security_profile = profile.name;
  phone.model = "8865";
  EXPECT_THAT(Check(phone), ElementsAre("phone.phone_security_profile "
                                        "PROFILE_NOT_OF_PHONE_TYPE"));
  phone.model = "cisco unified client services framework";
  Add(phone);
  profile.phone_type = "Cisco 8865";
  EXPECT_THAT(Check(profile), ElementsAre("phone_security_profile.phone_type "
                                          "PROFILE_NOT_OF_PHONE_TYPE"));
  profile.phone_type = "Universal Device Template";
  Add(profile);
  phone.model = "8865";
  Add(phone);
  profile.phone_type = "Cisco 8865";
  Add(profile);
}

}  // namespace
}  // namespace sallyport::dialplan
