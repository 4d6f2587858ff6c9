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
  EXPECT_THAT(Faults(r),
              ElementsAre("dial_plan.country_or_region_code VALUE_INVALID",
                          "dial_plan.access_telephone_numbers[1] VALUE_INVALID",
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

TEST(CheckShapeTest, TimesOfLinesAndHunts) {
  pb::Resource r;
  r.mutable_line()->mutable_no_answer_duration()->set_seconds(300);
  EXPECT_THAT(Faults(r), IsEmpty());
  r.mutable_line()->mutable_no_answer_duration()->set_seconds(301);
  EXPECT_THAT(Faults(r),
              ElementsAre("line.no_answer_duration VALUE_OUT_OF_RANGE"));
  auto& group = *r.mutable_line_group();
  group.mutable_ring_no_answer_reversion()->set_nanos(500000000);
  EXPECT_THAT(
      Faults(r),
      ElementsAre("line_group.ring_no_answer_reversion VALUE_OUT_OF_RANGE"));
  auto& pilot = *r.mutable_hunt_pilot();
  pilot.mutable_maximum_hunt_time()->set_seconds(3601);
  EXPECT_THAT(Faults(r),
              ElementsAre("hunt_pilot.maximum_hunt_time VALUE_OUT_OF_RANGE"));
}

TEST(CheckShapeTest, WhatMustBeSaid) {
  pb::Resource r;
  r.mutable_voicemail_port_group();
  EXPECT_THAT(Faults(r),
              ElementsAre("voicemail_port_group.integration VALUE_REQUIRED"));
  r.mutable_message_waiting_number();
  EXPECT_THAT(Faults(r),
              ElementsAre("message_waiting_number.indicator VALUE_REQUIRED"));
  r.mutable_dialling_restriction()->add_allowed_toll_classes(
      pb::TOLL_CLASS_UNSPECIFIED);
  r.mutable_dialling_restriction()->add_rules()->set_group(
      std::string(33, 'g'));
  EXPECT_THAT(
      Faults(r),
      UnorderedElementsAre(
          "dialling_restriction.rules[0].group VALUE_TOO_LONG",
          "dialling_restriction.allowed_toll_classes[0] VALUE_REQUIRED"));
  auto& suites = *r.mutable_dial_plan();
  suites.add_srtp_suites(type::SRTP_SUITE_AEAD_AES_128_GCM);
  suites.add_srtp_suites(type::SRTP_SUITE_UNSPECIFIED);
  suites.add_srtp_suites(type::SRTP_SUITE_AEAD_AES_128_GCM);
  EXPECT_THAT(Faults(r),
              ElementsAre("dial_plan.srtp_suites[1] VALUE_REQUIRED",
                          "dial_plan.srtp_suites[2] DUPLICATE_VALUE"));
}

TEST(CheckShapeTest, DtlsSrtpIsForSecuredPlansAndSuitesWithAProfile) {
  pb::Resource r;
  auto& plan = *r.mutable_dial_plan();
  plan.set_number_of_digits_in_extension(4);
  plan.set_srtp_keying(pb::SRTP_KEYING_DTLS);
  plan.add_srtp_suites(type::SRTP_SUITE_AEAD_AES_128_GCM);
  plan.add_srtp_suites(type::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80);
  EXPECT_THAT(Faults(r),
              UnorderedElementsAre("dial_plan.srtp_keying VALUE_CONFLICT",
                                   "dial_plan.srtp_suites[1] VALUE_CONFLICT"));
  plan.set_security_mode(type::SECURITY_MODE_SECURED);
  plan.mutable_srtp_suites()->RemoveLast();
  EXPECT_THAT(Faults(r), ElementsAre());
}

TEST(CheckShapeTest, KeepAliveOfServerGroups) {
  pb::Resource r;
  auto& monitoring = *r.mutable_server_group()->mutable_options_monitoring();
  monitoring.mutable_interval()->set_seconds(4);
  monitoring.mutable_out_of_service_interval()->set_seconds(601);
  monitoring.mutable_retry_interval()->set_nanos(1);
  monitoring.set_retries(21);
  const std::string at = "server_group.options_monitoring.";
  EXPECT_THAT(Faults(r),
              ElementsAre(at + "interval VALUE_OUT_OF_RANGE",
                          at + "out_of_service_interval VALUE_OUT_OF_RANGE",
                          at + "retry_interval VALUE_OUT_OF_RANGE",
                          at + "retries VALUE_OUT_OF_RANGE"));
  for (int i = 0; i < 20; ++i) {
    r.mutable_trunk_security_profile()->add_x509_subject_names(
        std::string(250, 'x'));
  }
  EXPECT_THAT(
      Faults(r),
      ElementsAre("trunk_security_profile.x509_subject_names VALUE_TOO_LONG"));
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
