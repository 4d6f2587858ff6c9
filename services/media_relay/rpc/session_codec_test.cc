#include "services/media_relay/rpc/session_codec.h"

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

std::set<std::string> FieldsOf(const absl::Status& status) {
  std::set<std::string> fields;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    fields.insert(violation.field);
  }
  return fields;
}

v1::CreateSessionRequest Good() {
  v1::CreateSessionRequest request;
  request.mutable_session()->set_owner("edge-0");
  auto& a = *request.mutable_session()->mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  request.mutable_session()->mutable_leg_b()->set_protocol(
      type::v1::MEDIA_PROTOCOL_RTP);
  return request;
}

TEST(NamesTest, ParentsAndNames) {
  EXPECT_EQ(*ParseParent("tenants/default", false), "default");
  EXPECT_EQ(*ParseParent("tenants/-", true), "");
  for (const char* bad :
       {"", "tenants/", "tenants/-", "tenants/a/b", "default", "tenants/a b"}) {
    EXPECT_FALSE(ParseParent(bad, false).ok()) << bad;
  }
  const auto name = ParseName("tenants/t/sessions/s-1", "sessions");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->first, "t");
  EXPECT_EQ(name->second, "s-1");
  EXPECT_EQ(SessionName("t", "s-1"), "tenants/t/sessions/s-1");
  for (const char* bad :
       {"", "tenants/t/sessions/", "tenants/t/allocations/s",
        "tenants//sessions/s", "tenants/t/sessions/s/x", "x/t/sessions/s"}) {
    EXPECT_FALSE(ParseName(bad, "sessions").ok()) << bad;
  }
}

TEST(SpecFromProtoTest, DefaultsAndSuites) {
  const auto spec = SpecFromProto(Good(), absl::Minutes(5));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->lease, absl::Minutes(5));
  EXPECT_EQ(spec->legs[0].options.srtp, SrtpSuite::kAesCm128HmacSha1_80);
  EXPECT_FALSE(spec->legs[1].options.srtp.has_value());
  EXPECT_FALSE(spec->legs[0].initial.remote_rtp.has_value());
}

TEST(SpecFromProtoTest, SeveralSuites) {
  v1::CreateSessionRequest request = Good();
  v1::Leg& a = *request.mutable_session()->mutable_leg_a();
  a.add_srtp_suites(type::v1::SRTP_SUITE_AEAD_AES_256_GCM);
  a.add_srtp_suites(type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80);
  auto spec = SpecFromProto(request, absl::Minutes(5));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->legs[0].options.srtp, SrtpSuite::kAeadAes256Gcm);
  EXPECT_EQ(spec->legs[0].options.srtp_suites.size(), 2u);
  a.set_srtp_suite(type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80);
  spec = SpecFromProto(request, absl::Minutes(5));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->legs[0].options.srtp, SrtpSuite::kAesCm128HmacSha1_80);
  EXPECT_FALSE(spec->legs[0].initial.srtp_suite.has_value());
  a.set_srtp_suite(type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
  EXPECT_EQ(FieldsOf(SpecFromProto(request, absl::Minutes(5)).status()),
            std::set<std::string>{"session.leg_a.srtp_suite"});
  a.add_srtp_suites(type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
  a.add_srtp_suites(type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
  EXPECT_EQ(FieldsOf(SpecFromProto(request, absl::Minutes(5)).status()),
            std::set<std::string>{"session.leg_a.srtp_suites[3]"});
  request.mutable_session()->mutable_leg_b()->add_srtp_suites(
      type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
  EXPECT_EQ(FieldsOf(SpecFromProto(request, absl::Minutes(5)).status())
                .count("session.leg_b.srtp_suites"),
            1u);
}

TEST(UpdateFromProtoTest, SuiteMuxAndRestarts) {
  v1::UpdateSessionRequest request;
  request.mutable_session()->set_name("tenants/t/sessions/s");
  v1::Leg& a = *request.mutable_session()->mutable_leg_a();
  a.set_srtp_suite(type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
  a.mutable_ice()->set_restart(true);
  a.mutable_dtls()->set_restart(true);
  for (const char* path :
       {"srtp_suite", "rtcp_mux", "ice.restart", "dtls.restart"}) {
    request.mutable_update_mask()->add_paths(std::string("leg_a.") + path);
  }
  const auto update = UpdateFromProto(request);
  ASSERT_TRUE(update.ok()) << update.status();
  ASSERT_TRUE(update->legs[0].has_value());
  EXPECT_EQ(update->legs[0]->srtp_suite, SrtpSuite::kAeadAes128Gcm);
  EXPECT_EQ(update->legs[0]->rtcp_mux, false);
  EXPECT_TRUE(update->legs[0]->restart_ice);
  EXPECT_TRUE(update->legs[0]->restart_dtls);
}

TEST(SpecFromProtoTest, FingerprintTellsRequestsApart) {
  v1::CreateSessionRequest request = Good();
  const std::string first =
      SpecFromProto(request, absl::Minutes(5))->fingerprint;
  EXPECT_EQ(SpecFromProto(request, absl::Minutes(5))->fingerprint, first);
  request.mutable_session()
      ->mutable_leg_a()
      ->mutable_remote_key()
      ->set_key_salt("k");
  EXPECT_NE(SpecFromProto(request, absl::Minutes(5))->fingerprint, first);
}

TEST(SpecFromProtoTest, EveryFaultIsNamed) {
  v1::CreateSessionRequest request;
  request.set_session_id("a/b");
  request.set_request_id(std::string(65, 'r'));
  *request.mutable_lease_duration() = sallyport::ToProto(absl::Seconds(1));
  auto& session = *request.mutable_session();
  session.set_call(std::string(257, 'c'));
  session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  session.mutable_leg_a()->set_srtp_suite(
      type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
  session.mutable_leg_a()->add_latching_prefixes("10.0.0.0/8");
  session.mutable_leg_a()->add_latching_prefixes("10.0.0.1/8");
  session.mutable_leg_b()->mutable_remote_rtcp()->set_port(70000);
  EXPECT_EQ(FieldsOf(SpecFromProto(request, absl::Minutes(5)).status()),
            (std::set<std::string>{
                "session.owner", "session.call", "request_id", "session_id",
                "lease_duration", "session.leg_a.srtp_suite",
                "session.leg_a.latching_prefixes[1]", "session.leg_b.protocol",
                "session.leg_b.remote_rtcp.address",
                "session.leg_b.remote_rtcp.port"}));
}

TEST(UpdateFromProtoTest, MaskSelectsAndCanTurnOff) {
  v1::UpdateSessionRequest request;
  request.mutable_session()->set_name("tenants/t/sessions/s");
  auto& leg = *request.mutable_session()->mutable_leg_a();
  leg.mutable_remote_rtp()->set_address("192.0.2.1");
  leg.mutable_remote_rtp()->set_port(4000);
  leg.set_direction(v1::MEDIA_DIRECTION_SENDONLY);
  // Without a mask: what is set.
  auto update = UpdateFromProto(request);
  ASSERT_TRUE(update.ok());
  EXPECT_TRUE(update->legs[0]->remote_rtp.has_value());
  EXPECT_EQ(update->legs[0]->direction, MediaDirection::kSendOnly);
  EXPECT_FALSE(update->legs[0]->latching.has_value());
  EXPECT_FALSE(update->legs[1].has_value());
  // With one: exactly that, false and empty included.
  request.mutable_update_mask()->add_paths("leg_a.latching");
  request.mutable_update_mask()->add_paths("leg_b.latching_prefixes");
  update = UpdateFromProto(request);
  ASSERT_TRUE(update.ok());
  EXPECT_FALSE(update->legs[0]->remote_rtp.has_value());
  EXPECT_EQ(update->legs[0]->latching, false);
  EXPECT_TRUE(update->legs[1]->latching_prefixes->empty());
}

TEST(UpdateFromProtoTest, Faults) {
  v1::UpdateSessionRequest request;
  EXPECT_EQ(FieldsOf(UpdateFromProto(request).status()),
            (std::set<std::string>{"name"}));
  request.mutable_session()->set_name("tenants/t/sessions/s");
  request.mutable_update_mask()->add_paths("leg_a.protocol");
  request.mutable_update_mask()->add_paths("owner");
  request.mutable_update_mask()->add_paths("leg_b.remote_key");
  request.add_renew_local_keys(v1::LEG_SIDE_A);
  request.add_renew_local_keys(v1::LEG_SIDE_UNSPECIFIED);
  EXPECT_EQ(FieldsOf(UpdateFromProto(request).status()),
            (std::set<std::string>{"update_mask", "session.leg_b.remote_key",
                                   "request_id", "renew_local_keys"}));
}

TEST(ToProtoTest, KeysOnlyForWhoMaySeeThem) {
  SessionView view;
  view.tenant = "t";
  view.id = "s";
  view.legs[0].suite = SrtpSuite::kAeadAes256Gcm;
  view.legs[0].local_key = Secret::CopyOf(std::string(44, 'k'));
  view.legs[0].latching_prefixes = {*IpPrefix::Parse("10.0.0.0/8")};
  v1::Session with;
  ToProto(view, true, with);
  EXPECT_EQ(with.leg_a().local_key().key_salt().size(), 44u);
  EXPECT_EQ(with.leg_a().srtp_suite(), type::v1::SRTP_SUITE_AEAD_AES_256_GCM);
  EXPECT_EQ(with.leg_a().latching_prefixes(0), "10.0.0.0/8");
  EXPECT_EQ(with.name(), "tenants/t/sessions/s");
  v1::Session without;
  ToProto(view, false, without);
  EXPECT_FALSE(without.leg_a().has_local_key());
}

}  // namespace
}  // namespace sallyport::media_relay
