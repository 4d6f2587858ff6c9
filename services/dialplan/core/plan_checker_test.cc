#include "services/dialplan/core/plan_checker.h"

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
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using PlanCheckerTest = PlanRulesTest;

// UM-66: a secured plan with an IP-literal gateway, or a port other than 5061,
// is refused; all faults at once.
TEST_F(PlanCheckerTest, Um66SecuredPeerNeedsFqdnAnd5061) {
  for (const char* plan : {"sip", "secured"}) {
    PeerEntry peer = TestPeer("gw", plan);
    peer.fqdn = "";
    peer.address = "192.0.2.1";
    peer.port = 5060;
    EXPECT_THAT(Check(peer), ElementsAre("peer.fqdn PEER_FQDN_REQUIRED",
                                         "peer.port PEER_PORT_NOT_5061"));
    // An address in the place of the FQDN is no FQDN.
    peer = TestPeer("gw", plan);
    peer.fqdn = "192.0.2.1";
    EXPECT_THAT(Check(peer), ElementsAre("peer.fqdn PEER_FQDN_REQUIRED"));
    // With both, the FQDN is the identity and the address is dialled.
    peer = TestPeer("gw", plan);
    peer.address = "192.0.2.1";
    EXPECT_THAT(Check(peer), IsEmpty());
  }
  PeerEntry peer = TestPeer("gw2", "clear");
  peer.fqdn = "";
  peer.address = "192.0.2.2";
  EXPECT_THAT(Check(peer), IsEmpty());
}

// CCE-12: transport "tcp tls" towards a secured peer; UM-91 the other way.
TEST_F(PlanCheckerTest, Cce12TransportFollowsTheMode) {
  PeerEntry peer = TestPeer("gw", "secured");
  peer.transport = SipTransport::kTcp;
  peer.port = 5061;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.transport PEER_TRANSPORT_NOT_TLS"));
  peer = TestPeer("gw", "clear");
  peer.transport = SipTransport::kTls;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.transport PEER_TRANSPORT_NOT_CLEAR"));
  // TLS trunks may share a port, TLS and clear may not.
  peer = TestPeer("gw", "secured");
  peer.incoming_port = 5060;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.incoming_port PEER_INCOMING_PORT_IS_CLEAR"));
  peer = TestPeer("gw", "clear");
  peer.incoming_port = 5061;
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.incoming_port PEER_INCOMING_PORT_IS_TLS"));
}

// protocols.md section 8: the pair (subject, incoming port) identifies the
// trunk and is unique; research/sip.md goal 2.
TEST_F(PlanCheckerTest, SubjectAndPortAreUnique) {
  PeerEntry first = TestPeer("a", "secured");
  first.x509_subjects = {"trunk.example.test", "sip:example.test"};
  Add(first);
  PeerEntry second = TestPeer("b", "secured");
  second.fqdn = "trunk.example.test";  // its only name
  EXPECT_THAT(Check(second), ElementsAre("peer.fqdn PEER_SUBJECT_NOT_UNIQUE"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/peers/a"));
  second.x509_subjects = {"b.example.test", "sip:example.test"};
  EXPECT_THAT(
      Check(second),
      ElementsAre("peer.x509_subject_names[1] PEER_SUBJECT_NOT_UNIQUE"));
  second.incoming_port = 5071;
  EXPECT_THAT(Check(second), IsEmpty());
}

TEST_F(PlanCheckerTest, AnotherTenantsPeerIsNotNamed) {
  Add(TestTenant("u"));
  Add(TestPlan(SecurityMode::kSecured, "secured", "u"));
  Add(TestPeer("a", "secured"));
  PeerEntry other = TestPeer("a", "secured", "u");
  other.fqdn = "a.t.test";
  EXPECT_THAT(Check(other), ElementsAre("peer.fqdn PEER_SUBJECT_NOT_UNIQUE"));
  EXPECT_THAT(faults_[0].description, HasSubstr("another tenant"));
  EXPECT_THAT(faults_[0].description, testing::Not(HasSubstr("tenants/t")));
}

// RFC 5922 section 7.2: no wildcards.
TEST_F(PlanCheckerTest, SubjectNamesAreHostNames) {
  PeerEntry peer = TestPeer("a", "secured");
  peer.x509_subjects = {"*.example.test", "sip:user@example.test", "good.test"};
  EXPECT_THAT(Check(peer),
              ElementsAre("peer.x509_subject_names[0] SUBJECT_NAME_INVALID",
                          "peer.x509_subject_names[1] SUBJECT_NAME_INVALID"));
}

// A plan change that would strand a peer is blamed on the plan.
TEST_F(PlanCheckerTest, Um66ModeChangeThatStrandsAPeer) {
  PeerEntry peer = TestPeer("gw", "clear");
  peer.fqdn = "";
  peer.address = "192.0.2.1";
  Add(peer);
  PeerEntry fine = TestPeer("fine", "clear");
  Add(fine);
  EXPECT_THAT(Check(TestPlan(SecurityMode::kSecured, "clear")),
              ElementsAre("dial_plan.security_mode PEER_FQDN_REQUIRED"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/peers/gw"));
}

// The incoming port follows the plan, so a change of mode can make two pairs
// of subject and port equal.
TEST_F(PlanCheckerTest, ModeChangeThatMakesSubjectsCollide) {
  PeerEntry a = TestPeer("a", "clear");
  a.x509_subjects = {"same.test"};
  Add(a);
  PeerEntry b = TestPeer("b", "secured");
  b.x509_subjects = {"same.test"};
  Add(b);
  EXPECT_THAT(
      Check(TestPlan(SecurityMode::kSecured, "clear")),
      UnorderedElementsAre("dial_plan.security_mode PEER_SUBJECT_NOT_UNIQUE",
                           "dial_plan.security_mode PEER_SUBJECT_NOT_UNIQUE"));
  // The refused change left the keys as they were.
  EXPECT_THAT(plan_.HoldersOf("subject/same.test:5061"),
              ElementsAre("tenants/t/peers/b"));
}

// UM-03, CUC-55: references are checked.
TEST_F(PlanCheckerTest, Cuc55ReferencesExist) {
  EXPECT_THAT(Check(TestPeer("gw", "nowhere")),
              ElementsAre("peer.dial_plan REFERENCE_NOT_FOUND"));
  EXPECT_THAT(Check(TestPattern("p", "9.!", "nobody")),
              ElementsAre("route_pattern.peer REFERENCE_NOT_FOUND"));
  PeerEntry peer = TestPeer("gw", "clear");
  peer.dial_plan = "tenants/u/dialPlans/clear";
  EXPECT_THAT(Check(peer), ElementsAre("peer.dial_plan REFERENCE_WRONG_KIND"));
  Add(TestUser("alice", "clear"));
  peer = TestPeer("gw", "clear");
  peer.dial_plan = "tenants/t/users/alice";
  EXPECT_THAT(Check(peer), ElementsAre("peer.dial_plan REFERENCE_WRONG_KIND"));
  EXPECT_THAT(Check(TestUser("bob", "clear", "nobody")),
              testing::Contains("parent REFERENCE_NOT_FOUND"));
  CallingSearchSpaceEntry css;
  css.name = "tenants/t/callingSearchSpaces/c";
  css.partitions = {"tenants/t/partitions/none"};
  EXPECT_THAT(
      Check(css),
      ElementsAre("calling_search_space.partitions REFERENCE_NOT_FOUND"));
}

// CUC-55: deletion is the reverse; what is referenced stays.
TEST_F(PlanCheckerTest, Cuc55DeletionOfWhatIsUsed) {
  Add(TestPeer("gw", "clear"));
  Add(TestPattern("p", "9.!", "gw"));
  const absl::Status status =
      CheckRemovable(plan_, *plan_.Find("tenants/t/peers/gw"));
  EXPECT_THAT(status, HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tenants/t/routePatterns/p"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t/dialPlans/clear")),
              HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t")),
              HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t/routePatterns/p")),
              IsOk());
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t/dialPlans/sip")),
              IsOk());
  plan_.Remove("tenants/t/routePatterns/p");
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t/peers/gw")), IsOk());
}

TEST_F(PlanCheckerTest, RoutingToAPeerThatTakesNoCalls) {
  PeerEntry peer = TestPeer("gw", "clear");
  peer.status = PeerStatus::kDisabled;
  peer.outcalls_allowed = false;
  Add(peer);
  EXPECT_THAT(Check(TestPattern("p", "9.!", "gw")),
              ElementsAre("route_pattern.peer PEER_DISABLED",
                          "route_pattern.peer OUTCALLS_NOT_ALLOWED"));
  peer.status = PeerStatus::kEnabled;
  peer.outcalls_allowed = true;
  Add(peer);
  Add(TestPattern("p", "9.!", "gw"));
  // An operator can disable it at once, and still change the pattern.
  peer.status = PeerStatus::kDisabled;
  Add(peer);
  RoutePatternEntry changed = TestPattern("p", "8.!", "gw");
  EXPECT_THAT(Check(changed), IsEmpty());
}

TEST_F(PlanCheckerTest, MalformedPatternsAllFaultsAtOnce) {
  Add(TestPeer("gw", "clear"));
  RoutePatternEntry entry = TestPattern("p", "9[", "gw");
  entry.transformation.called_mask = "Z";
  entry.transformation.called_prefix = "1+";
  entry.transformation.calling_mask = "12x";
  entry.block_cause = 200;
  EXPECT_THAT(
      Check(entry),
      ElementsAre("route_pattern.pattern PATTERN_BAD_CLASS",
                  "route_pattern.called_party.transform_mask MASK_INVALID",
                  "route_pattern.called_party.prefix_digits PREFIX_INVALID",
                  "route_pattern.calling_party.transform_mask MASK_INVALID",
                  "route_pattern.block.cause VALUE_OUT_OF_RANGE"));
  entry = TestPattern("p", "9XXX", "gw");
  entry.transformation.discard = DiscardDigits::kPreDot;
  EXPECT_THAT(Check(entry),
              ElementsAre("route_pattern.called_party.discard_digits "
                          "PATTERN_HAS_NO_DOT"));
  EXPECT_THAT(Check(TestPattern("p", "9XXX", "")),
              ElementsAre("route_pattern.peer DESTINATION_REQUIRED"));
  Add(TestPattern("p", "9XXX", "gw"));
  EXPECT_THAT(Check(TestPattern("q", "9XXX", "gw")),
              ElementsAre("route_pattern.pattern PATTERN_NOT_UNIQUE"));
}

// protocols.md section 7.1: the number of digits and the URI type have no Set
// parameter.
TEST_F(PlanCheckerTest, ImmutableFieldsOfADialPlan) {
  DialPlanEntry plan = TestPlan(SecurityMode::kUnsecured, "clear");
  plan.extension_digits = 5;
  plan.uri_type = UriType::kE164;
  EXPECT_THAT(
      Check(plan),
      ElementsAre("dial_plan.number_of_digits_in_extension FIELD_IMMUTABLE",
                  "dial_plan.uri_type FIELD_IMMUTABLE"));
  for (const uint32_t digits : {0u, 21u}) {
    DialPlanEntry fresh = TestPlan(SecurityMode::kUnsecured, "fresh");
    fresh.extension_digits = digits;
    EXPECT_THAT(Check(fresh),
                ElementsAre("dial_plan.number_of_digits_in_extension "
                            "VALUE_OUT_OF_RANGE"));
  }
}

// UM-01, UM-83, UM-87, UM-88: the rules of the first generation.
TEST_F(PlanCheckerTest, RtmProfile) {
  TenantEntry tenant = TestTenant();
  tenant.rtm_profile = true;
  EXPECT_THAT(Check(tenant), ElementsAre("tenant.compatibility_profile "
                                         "SECURITY_MODE_NOT_AVAILABLE"));
  plan_.Remove("tenants/t/dialPlans/secured");
  Add(tenant);
  EXPECT_THAT(
      Check(TestPlan(SecurityMode::kSecured, "new")),
      ElementsAre("dial_plan.security_mode SECURITY_MODE_NOT_AVAILABLE"));
  DialPlanEntry clear = TestPlan(SecurityMode::kUnsecured, "clear");
  clear.edges = {"edge1"};
  Add(clear);
  DialPlanEntry sip = TestPlan(SecurityMode::kSipSecured, "sip");
  sip.edges = {"edge2", "edge1"};
  EXPECT_THAT(Check(sip), ElementsAre("dial_plan.associated_edges[1] "
                                      "EDGE_HAS_OTHER_MODE"));
  DialPlanEntry changed = clear;
  changed.security_mode = SecurityMode::kSipSecured;
  EXPECT_THAT(Check(changed),
              ElementsAre("dial_plan.security_mode EDGES_STILL_ASSOCIATED"));
  clear.edges.clear();
  Add(clear);
  EXPECT_THAT(Check(changed), IsEmpty());
}

// UM-86, UM-93, UM-122: the current profile mixes modes on one edge freely.
TEST_F(PlanCheckerTest, CurrentProfileMixesModes) {
  for (const char* id : {"clear", "sip", "secured"}) {
    DialPlanEntry plan =
        *plan_.Get<DialPlanEntry>(std::string("tenants/t/dialPlans/") + id);
    plan.edges = {"edge1"};
    Add(plan);
  }
}

TEST_F(PlanCheckerTest, Domains) {
  TenantEntry other = TestTenant("u");
  other.domains = {"u.test", "t.test", "bad_domain", "u.test"};
  EXPECT_THAT(Check(other),
              UnorderedElementsAre("tenant.domains[1] DOMAIN_NOT_UNIQUE",
                                   "tenant.domains[2] DOMAIN_INVALID",
                                   "tenant.domains[3] DUPLICATE_VALUE"));
  Add(TestUser("alice", "clear"));
  TenantEntry tenant = TestTenant();
  tenant.domains = {"new.test"};
  EXPECT_THAT(Check(tenant), ElementsAre("tenant.domains DOMAIN_IN_USE"));
  tenant.domains = {"new.test", "t.test"};
  EXPECT_THAT(Check(tenant), IsEmpty());
}

// IMP-70: in FIPS mode nobody is given MD5.
TEST_F(PlanCheckerTest, Imp70NoUserHasMd5InFipsMode) {
  UserEntry user = TestUser("alice", "clear");
  user.digest_algorithm = DigestAlgorithm::kMd5;
  EXPECT_THAT(Check(user), IsEmpty());
  plan_.set_approved_only(true);
  EXPECT_THAT(Check(user),
              ElementsAre("user.digest_algorithm NOT_ALLOWED_IN_FIPS_MODE"));
  user.digest_algorithm = DigestAlgorithm::kSha256;
  EXPECT_THAT(Check(user), IsEmpty());
}

TEST_F(PlanCheckerTest, Users) {
  UserEntry user = TestUser("alice", "clear");
  user.phone_numbers = {"1001", "10-01", "x"};
  user.domain = "other.test";
  user.max_contacts = 101;
  user.username = "al:ice";
  EXPECT_THAT(Check(user),
              UnorderedElementsAre("user.username USERNAME_INVALID",
                                   "user.domain DOMAIN_UNKNOWN",
                                   "user.phone_numbers[1] NUMBER_INVALID",
                                   "user.phone_numbers[2] NUMBER_INVALID",
                                   "user.max_contacts VALUE_OUT_OF_RANGE"));
  user = TestUser("alice", "clear");
  user.phone_numbers = {"1001"};
  Add(user);
  UserEntry twin = TestUser("twin", "clear");
  twin.username = "alice";
  twin.phone_numbers = {"1001"};
  EXPECT_THAT(Check(twin),
              ElementsAre("user.username USERNAME_NOT_UNIQUE",
                          "user.phone_numbers[0] NUMBER_NOT_UNIQUE"));
  // One may have its own name for a number, but not another's.
  UserEntry named = TestUser("1002", "clear");
  named.phone_numbers = {"1002", "1003"};
  Add(named);
  EXPECT_THAT(Check(TestUser("1003", "clear")),
              ElementsAre("user.username NUMBER_NOT_UNIQUE"));
  UserEntry thief = TestUser("thief", "clear");
  thief.phone_numbers = {"1002"};
  EXPECT_THAT(Check(thief),
              ElementsAre("user.phone_numbers[0] NUMBER_NOT_UNIQUE"));
  UserEntry lost = TestUser("lost", "clear");
  lost.dial_plan = "";
  EXPECT_THAT(Check(lost), ElementsAre("user.dial_plan DIAL_PLAN_REQUIRED"));
}

// RFC 7616 section 3.4.2: the hash holds username and realm.
TEST_F(PlanCheckerTest, AHashDoesNotOutliveWhatItWasMadeWith) {
  UserEntry user = TestUser("alice", "clear");
  user.ha1_sha256 = "aa";
  Add(user);
  UserEntry renamed = user;
  renamed.username = "alicia";
  EXPECT_THAT(Check(renamed), ElementsAre("user.password PASSWORD_REQUIRED"));
  UserEntry realm = user;
  realm.realm = "voice";
  EXPECT_THAT(Check(realm), ElementsAre("user.password PASSWORD_REQUIRED"));
  UserEntry md5 = user;
  md5.digest_algorithm = DigestAlgorithm::kMd5;
  EXPECT_THAT(Check(md5), ElementsAre("user.password PASSWORD_REQUIRED"));
  renamed.ha1_sha256 = "bb";
  EXPECT_THAT(Check(renamed), IsEmpty());
}

TEST_F(PlanCheckerTest, Phones) {
  PhoneEntry phone;
  phone.name = "tenants/t/phones/p";
  phone.device_name = "SEP 1";
  EXPECT_THAT(Check(phone), ElementsAre("phone.device_name DEVICE_NAME_INVALID",
                                        "phone.dial_plan DIAL_PLAN_REQUIRED"));
  phone.device_name = "SEP001122334455";
  phone.dial_plan = "tenants/t/dialPlans/secured";
  Add(phone);
  PhoneEntry twin = phone;
  twin.name = "tenants/t/phones/q";
  EXPECT_THAT(Check(twin),
              ElementsAre("phone.device_name DEVICE_NAME_NOT_UNIQUE"));
}

TEST(PlanFaultTest, OneFaultGivesItsReasonSeveralShareOne) {
  EXPECT_THAT(ToStatus({}), IsOk());
  const absl::Status one =
      ToStatus({{"peer.port", "PEER_PORT_NOT_5061", "no"}});
  EXPECT_THAT(one, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(one, HasReason("PEER_PORT_NOT_5061"));
  const absl::Status two = ToStatus({{"a", "R_ONE", "x"}, {"b", "R_TWO", "y"}});
  EXPECT_THAT(two, HasReason("PLAN_INVALID"));
  const std::vector<FieldViolation> violations = FieldViolationsOf(two);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[1].field, "b");
  EXPECT_EQ(violations[1].description, "R_TWO: y");
}

}  // namespace
}  // namespace sallyport::dialplan
