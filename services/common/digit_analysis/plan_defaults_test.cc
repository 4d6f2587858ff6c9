#include "services/common/digit_analysis/plan_defaults.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

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

// protocols.md section 9.1.
TEST(PlanDefaultsTest, PhonesAndTheirUsersFollowThePhoneSecurityProfile) {
  PlanSnapshot s = MakePlan();
  const auto profile = [](std::string name, DeviceSecurityMode mode) {
    PhoneSecurityProfileEntry out;
    out.name = "tenants/t/phoneSecurityProfiles/" + name;
    out.device_security_mode = mode;
    return out;
  };
  s.phone_security_profiles = {
      profile("bare", DeviceSecurityMode::kEncrypted),
      profile("clear", DeviceSecurityMode::kNonSecure),
      profile("digest", DeviceSecurityMode::kEncrypted),
      profile("lsc", DeviceSecurityMode::kEncrypted)};
  PhoneSecurityProfileEntry& bare = s.phone_security_profiles[0];
  bare.digest = bare.allow_digest_without_certificate = true;
  bare.nonce_validity = absl::Minutes(30);
  s.phone_security_profiles[2].digest = true;
  s.phone_security_profiles[2].nonce_validity = absl::Seconds(90);
  const auto phone = [](std::string name, std::string user, std::string of) {
    PhoneEntry out;
    out.name = "tenants/t/phones/" + name;
    out.owner_user = "tenants/t/users/" + user;
    if (!of.empty()) {
      out.phone_security_profile = "tenants/t/phoneSecurityProfiles/" + of;
    }
    return out;
  };
  s.phones = {phone("1", "a", "lsc"),   phone("2", "a", "digest"),
              phone("3", "b", "bare"),  phone("4", "b", "digest"),
              phone("5", "c", "clear"), phone("6", "c", ""),
              phone("7", "d", "bare")};
  s.phones[6].disabled = true;
  for (const char* name : {"a", "b", "c", "d"}) {
    UserEntry user;
    user.name = std::string("tenants/t/users/") + name;
    s.users.push_back(user);
  }
  ResolveDefaults(s);

  const auto lsc_alone = [&](size_t i) { return s.phones[i].lsc_alone; };
  EXPECT_TRUE(lsc_alone(0));
  for (size_t i = 1; i < 7; ++i) EXPECT_FALSE(lsc_alone(i)) << i;
  EXPECT_EQ(s.phones[0].nonce_validity, absl::Seconds(600));
  EXPECT_EQ(s.phones[1].nonce_validity, absl::Seconds(90));
  EXPECT_EQ(s.phones[5].nonce_validity, absl::ZeroDuration());
  // One of its phones may come without, and the shortest time counts.
  EXPECT_FALSE(s.users[0].allow_without_certificate);
  EXPECT_EQ(s.users[0].nonce_validity, absl::Seconds(90));
  EXPECT_TRUE(s.users[1].allow_without_certificate);
  EXPECT_EQ(s.users[1].nonce_validity, absl::Seconds(90));
  EXPECT_FALSE(s.users[2].allow_without_certificate);
  EXPECT_EQ(s.users[2].nonce_validity, absl::Seconds(600));
  // A disabled phone allows nothing.
  EXPECT_FALSE(s.users[3].allow_without_certificate);
  EXPECT_EQ(s.users[3].nonce_validity, absl::ZeroDuration());
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

// protocols.md section 8: a trunk is told by its profile's names and port.
TEST(PlanDefaultsTest, PeersFollowTheirTrunkSecurityProfile) {
  PlanSnapshot s = MakePlan();
  TrunkSecurityProfileEntry encrypted;
  encrypted.name = "tenants/t/trunkSecurityProfiles/tls";
  encrypted.device_security_mode = DeviceSecurityMode::kEncrypted;
  encrypted.x509_subjects = {"trunk.test"};
  TrunkSecurityProfileEntry clear;
  clear.name = "tenants/t/trunkSecurityProfiles/udp";
  clear.outgoing_transport = SipTransport::kUdp;
  clear.incoming_port = 5070;
  s.trunk_security_profiles = {encrypted, clear};
  PeerEntry secure;
  secure.name = "tenants/t/peers/a";
  secure.dial_plan = "tenants/t/dialPlans/secured";
  secure.trunk_security_profile = encrypted.name;
  PeerEntry own_names = secure;
  own_names.name = "tenants/t/peers/b";
  own_names.x509_subjects = {"own.test"};
  own_names.incoming_port = 5071;
  PeerEntry plain;
  plain.name = "tenants/t/peers/c";
  plain.trunk_security_profile = clear.name;
  s.peers = {secure, own_names, plain};
  ResolveDefaults(s);

  EXPECT_EQ(s.trunk_security_profiles[0].incoming_transports,
            std::vector<SipTransport>{SipTransport::kTls});
  EXPECT_EQ(s.trunk_security_profiles[0].incoming_port, 5061u);
  EXPECT_EQ(s.trunk_security_profiles[0].nonce_validity, absl::Seconds(600));
  EXPECT_EQ(
      s.trunk_security_profiles[1].incoming_transports,
      (std::vector<SipTransport>{SipTransport::kTcp, SipTransport::kUdp}));
  EXPECT_EQ(s.peers[0].x509_subjects, encrypted.x509_subjects);
  EXPECT_EQ(s.peers[0].transport, SipTransport::kTls);
  EXPECT_EQ(s.peers[0].incoming_port, 5061u);
  EXPECT_EQ(s.peers[0].monitoring.interval, absl::Seconds(60));
  EXPECT_EQ(s.peers[0].monitoring.retries, 6u);
  EXPECT_EQ(s.peers[1].x509_subjects, std::vector<std::string>{"own.test"});
  EXPECT_EQ(s.peers[1].incoming_port, 5071u);
  EXPECT_EQ(s.peers[0].incoming_transports,
            std::vector<SipTransport>{SipTransport::kTls});
  EXPECT_EQ(s.peers[0].nonce_validity, absl::Seconds(600));
  EXPECT_EQ(
      s.peers[2].incoming_transports,
      (std::vector<SipTransport>{SipTransport::kTcp, SipTransport::kUdp}));
  EXPECT_EQ(s.peers[2].transport, SipTransport::kUdp);
  EXPECT_EQ(s.peers[2].incoming_port, 5070u);
  EXPECT_EQ(s.peers[2].port, 5060u);
}

TEST(PlanDefaultsTest, LinesHuntsAndVoicemail) {
  PlanSnapshot s = MakePlan();
  VoicemailProfileEntry other;
  other.name = "tenants/t/voicemailProfiles/a";
  VoicemailProfileEntry usual;
  usual.name = "tenants/t/voicemailProfiles/b";
  usual.is_default = true;
  s.voicemail_profiles = {other, usual};
  LineEntry line;
  line.name = "tenants/t/lines/a";
  line.calling_search_space = "tenants/t/callingSearchSpaces/in";
  line.forward_busy.voicemail = true;
  LineEntry of_other_tenant;
  of_other_tenant.name = "tenants/u/lines/a";
  of_other_tenant.max_calls = 9;
  s.lines = {line, of_other_tenant};
  s.line_groups.resize(1);
  s.hunt_pilots.resize(1);
  s.server_groups.resize(1);
  s.server_groups[0].members.resize(1);
  s.phone_security_profiles.resize(1);
  ResolveDefaults(s);

  EXPECT_EQ(s.lines[0].voicemail_profile, usual.name);
  EXPECT_EQ(s.lines[0].no_answer_duration, absl::Seconds(12));
  EXPECT_EQ(s.lines[0].max_calls, 4u);
  EXPECT_EQ(s.lines[0].busy_trigger, 2u);
  EXPECT_EQ(s.lines[0].forward_busy.calling_search_space,
            line.calling_search_space);
  EXPECT_EQ(s.lines[0].forward_all.calling_search_space, "");
  EXPECT_EQ(s.lines[1].voicemail_profile, "");
  EXPECT_EQ(s.lines[1].max_calls, 9u);
  EXPECT_EQ(s.line_groups[0].ring_no_answer_reversion, absl::Seconds(10));
  EXPECT_EQ(s.hunt_pilots[0].maximum_hunt_time, absl::Seconds(1800));
  EXPECT_EQ(s.server_groups[0].members[0].port, 5060u);
  EXPECT_EQ(s.server_groups[0].members[0].secure_port, 5061u);
  EXPECT_EQ(s.phone_security_profiles[0].transport, SipTransport::kTcp);
  EXPECT_EQ(s.phone_security_profiles[0].rsa_key_size, 2048u);
  EXPECT_EQ(s.dial_plans[0].interdigit_timeout, absl::Seconds(15));
  EXPECT_EQ(s.dial_plans[0].max_call_duration, absl::Hours(12));
  EXPECT_EQ(s.dial_plans[0].srtp_suites,
            std::vector<PlanSrtpSuite>{PlanSrtpSuite::kAesCm128HmacSha1_80});
}

}  // namespace
}  // namespace sallyport
