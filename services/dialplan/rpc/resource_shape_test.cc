#include "services/dialplan/rpc/resource_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> Faults(const pb::Resource& resource) {
  std::vector<std::string> out;
  for (const PlanFault& fault : CheckShape(resource)) {
    out.push_back(fault.field + " " + fault.reason);
    EXPECT_FALSE(fault.description.empty());
  }
  return out;
}

TEST(CheckShapeTest, StringsHaveBoundsAndNoControlCharacters) {
  pb::Resource r;
  pb::Tenant& tenant = *r.mutable_tenant();
  tenant.set_display_name(std::string(64, 'x'));
  tenant.set_description("two\nlines");
  tenant.set_login_banner("Authorised\nuse only");
  EXPECT_THAT(Faults(r), IsEmpty());
  tenant.set_display_name(std::string(65, 'x'));
  tenant.set_description(std::string(256, 'x'));
  tenant.set_login_banner(std::string(2049, 'x'));
  tenant.add_domains("a\nb");
  tenant.add_domains("");
  EXPECT_THAT(Faults(r),
              UnorderedElementsAre("tenant.display_name VALUE_TOO_LONG",
                                   "tenant.description VALUE_TOO_LONG",
                                   "tenant.login_banner VALUE_TOO_LONG",
                                   "tenant.domains[0] VALUE_INVALID",
                                   "tenant.domains[1] VALUE_REQUIRED"));
}

TEST(CheckShapeTest, ListsAndEnumsAreBounded) {
  pb::Resource r;
  for (int i = 0; i < 1001; ++i) {
    r.mutable_calling_search_space()->add_partitions("p");
  }
  EXPECT_THAT(Faults(r),
              ElementsAre("calling_search_space.partitions LIST_TOO_LONG"));
  pb::Resource plan;
  plan.mutable_dial_plan()->set_security_mode(
      static_cast<type::SecurityMode>(9));
  plan.mutable_dial_plan()->add_srtp_suites(static_cast<type::SrtpSuite>(99));
  EXPECT_THAT(Faults(plan),
              ElementsAre("dial_plan.security_mode VALUE_UNKNOWN",
                          "dial_plan.srtp_suites[0] VALUE_UNKNOWN"));
}

TEST(CheckShapeTest, DialPlans) {
  pb::Resource r;
  pb::DialPlan& plan = *r.mutable_dial_plan();
  plan.set_country_or_region_code("49");
  plan.add_access_telephone_numbers("+4930123");
  plan.mutable_interdigit_timeout()->set_seconds(15);
  EXPECT_THAT(Faults(r), IsEmpty());
  plan.set_country_or_region_code("4x");
  plan.add_access_telephone_numbers("abc");
  plan.mutable_interdigit_timeout()->set_seconds(2);  // T302: 3 s to 75 s
  plan.mutable_max_call_duration()->set_seconds(-1);
  EXPECT_THAT(
      Faults(r),
      ElementsAre("dial_plan.country_or_region_code VALUE_INVALID",
                  "dial_plan.access_telephone_numbers[1] NUMBER_INVALID",
                  "dial_plan.interdigit_timeout VALUE_OUT_OF_RANGE",
                  "dial_plan.max_call_duration VALUE_OUT_OF_RANGE"));
}

TEST(CheckShapeTest, Peers) {
  pb::Resource r;
  pb::Peer& peer = *r.mutable_peer();
  peer.set_kind(pb::PEER_KIND_SIP_TRUNK);
  peer.mutable_options_monitoring()->mutable_interval()->set_seconds(60);
  EXPECT_THAT(Faults(r), IsEmpty());
  peer.clear_kind();
  peer.set_transport(type::TRANSPORT_DTLS);
  peer.mutable_options_monitoring()->mutable_interval()->set_seconds(601);
  for (int i = 0; i < 20; ++i) {
    peer.add_x509_subject_names(std::string(250, 'x'));
  }
  EXPECT_THAT(
      Faults(r),
      ElementsAre("peer.kind VALUE_REQUIRED", "peer.transport VALUE_INVALID",
                  "peer.x509_subject_names VALUE_TOO_LONG",
                  "peer.options_monitoring.interval VALUE_OUT_OF_RANGE"));
}

TEST(CheckShapeTest, Users) {
  pb::Resource r;
  pb::User& user = *r.mutable_user();
  user.set_password("12345678");
  EXPECT_THAT(Faults(r), IsEmpty());
  user.set_password("1234567");
  user.set_ha1(std::string(32, 'a'));
  user.set_realm("a\"b");
  EXPECT_THAT(
      Faults(r),
      ElementsAre("user.password PASSWORD_TOO_SHORT", "user.ha1 VALUE_CONFLICT",
                  "user.ha1 VALUE_INVALID", "user.realm VALUE_INVALID"));
  user.Clear();
  user.set_digest_algorithm(type::DIGEST_ALGORITHM_MD5);
  user.set_ha1(std::string(32, 'a'));
  EXPECT_THAT(Faults(r), IsEmpty());
  user.set_ha1(std::string(32, 'A'));
  EXPECT_THAT(Faults(r), ElementsAre("user.ha1 VALUE_INVALID"));
}

// What this version would ignore is refused.
TEST(CheckShapeTest, RoutePatternsSayWhatIsNotThere) {
  pb::Resource r;
  pb::RoutePattern& pattern = *r.mutable_route_pattern();
  pattern.set_pattern("9.!");
  EXPECT_THAT(Faults(r), IsEmpty());
  pattern.set_sip_domain("example.test");
  pattern.mutable_calling_party()->set_use_external_phone_number_mask(true);
  pattern.mutable_calling_party()->set_restrict_presentation(true);
  pattern.mutable_called_party()->set_discard_digits(pb::DISCARD_DIGITS_PRE_AT);
  pattern.set_pattern(std::string(65, 'X'));
  EXPECT_THAT(
      Faults(r),
      ElementsAre(
          "route_pattern.pattern VALUE_TOO_LONG",
          "route_pattern.sip_domain FIELD_NOT_SUPPORTED",
          "route_pattern.calling_party.use_external_phone_number_mask "
          "FIELD_NOT_SUPPORTED",
          "route_pattern.calling_party.restrict_presentation "
          "FIELD_NOT_SUPPORTED",
          "route_pattern.called_party.discard_digits PATTERN_HAS_NO_AT"));
}

TEST(IsResourceIdTest, Rule) {
  for (const char* good : {"a", "0", "a-b_c", "9-"}) {
    EXPECT_TRUE(IsResourceId(good)) << good;
  }
  for (const char* bad : {"", "-a", "_a", "A", "a/b", "a.b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsResourceId(bad)) << bad;
  }
  EXPECT_TRUE(IsResourceId(std::string(63, 'a')));
  EXPECT_FALSE(IsResourceId(std::string(64, 'a')));
}

}  // namespace
}  // namespace sallyport::dialplan
