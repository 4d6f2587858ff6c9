#include "services/signaling_edge/rpc/edge_proto.h"

#include <string>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

// No UTF-8, and a line of a log that is not ours.
constexpr char kHostile[] = "x\xff\xc0\xaf\xed\xa0\x80y\nz";
constexpr char kHarmless[] = "x??????y?z";

// A proto3 reader refuses a whole message for one string that is no UTF-8, so
// that one phone could hide all others from the operator.
template <typename Message>
void ExpectReadable(const Message& message) {
  Message back;
  EXPECT_TRUE(back.ParseFromString(message.SerializeAsString()));
}

TEST(EdgeProtoTest, ARegistrationIsReadableWhateverThePhoneSays) {
  Binding binding;
  binding.user = "tenants/t/users/alice";
  binding.user_agent = binding.contact = binding.instance = kHostile;
  const v1::Registration out = ToProto(binding, nullptr, {"edge", {}});
  ExpectReadable(out);
  EXPECT_EQ(out.user_agent(), kHarmless);
  EXPECT_EQ(out.contact(), kHarmless);
  EXPECT_EQ(out.instance_id(), kHarmless);
}

TEST(EdgeProtoTest, ACallIsReadableWhateverThePartiesSay) {
  CallRecord record;
  record.tenant = "tenants/t";
  record.called = record.calling = kHostile;
  record.legs.resize(2);
  for (LegRecord& leg : record.legs) {
    leg.called = leg.calling = leg.sip_call_id = leg.party.identity = kHostile;
  }
  const v1::Call out = ToProto(record, {"edge", {}});
  ExpectReadable(out);
  EXPECT_EQ(out.called_number(), kHarmless);
  EXPECT_EQ(out.legs(1).calling_number(), kHarmless);
  record.called = "J\xc3\xb6rg";  // UTF-8 stays
  EXPECT_EQ(ToProto(record, {"edge", {}}).called_number(), "J\xc3\xb6rg");
}

// CUC-61, CUC-62: the lock is that of the weakest leg: a device that is not
// secure takes it from a call whose trunk is encrypted.
TEST(EdgeProtoTest, TheLockNeedsEveryLeg) {
  CallRecord record;
  record.tenant = "tenants/t";
  EXPECT_FALSE(ToProto(record, {"edge", {}}).secure());
  record.legs.resize(2);
  for (LegRecord& leg : record.legs) {
    leg.flow.transport = SipTransport::kTls;
    leg.suite = SrtpSuite::kAesCm128HmacSha1_80;
  }
  EXPECT_TRUE(ToProto(record, {"edge", {}}).secure());
  record.legs[0].suite.reset();  // RTP
  EXPECT_FALSE(ToProto(record, {"edge", {}}).secure());
  record.legs[0].suite = SrtpSuite::kAesCm128HmacSha1_80;
  record.legs[0].flow.transport = SipTransport::kTcp;
  EXPECT_FALSE(ToProto(record, {"edge", {}}).secure());
}

TEST(EdgeProtoTest, AConnectionIsReadableWhateverItsCertificateSays) {
  Connection connection{ParsePolicy()};
  connection.transport = SipTransport::kTls;
  connection.tls.emplace();
  connection.tls->server_name = kHostile;
  CertificateInfo certificate;
  certificate.subject = certificate.issuer = kHostile;
  certificate.alt_names = {{SubjectAltName::Type::kDns, kHostile},
                           {SubjectAltName::Type::kUri, kHostile},
                           {SubjectAltName::Type::kEmail, kHostile}};
  connection.tls->certificate = certificate;
  const v1::Connection out = ToProto(connection, nullptr, {"edge", {}});
  ExpectReadable(out);
  EXPECT_EQ(out.server_name(), kHarmless);
}

TEST(EdgeProtoTest, ARefusalIsReadableWhateverTheStrangerSays) {
  EdgeEvent event;
  event.refusal.emplace();
  event.refusal->certificate_subject = event.refusal->explanation =
      event.refusal->sip_method = kHostile;
  event.refusal->presented_identities = event.refusal->expected_identities =
      event.refusal->steps = {kHostile};
  const v1::Event out = ToProto(1, absl::UnixEpoch(), event, "edge");
  ExpectReadable(out);
  EXPECT_EQ(out.refusal().steps(0), kHarmless);
  EXPECT_EQ(out.refusal().expected_identities(0), kHarmless);
}

TEST(EdgeProtoTest, ARefusalNamesItsCallAndTheWayThere) {
  EdgeEvent event;
  event.type = EdgeEvent::Type::kRefused;
  event.tenant = "tenants/t";
  event.refusal.emplace();
  event.refusal->steps = {"sender: SOURCE_ADDRESS", "route: ROUTE_NOT_FOUND"};
  event.refusal->expected_identities = {"gw.d.test"};
  EXPECT_EQ(ToProto(1, absl::UnixEpoch(), event, "edge").refusal().call(), "");
  event.refusal->call = 7;
  const v1::Event out = ToProto(1, absl::UnixEpoch(), event, "edge");
  EXPECT_EQ(out.resource(), "tenants/t/calls/7");
  EXPECT_EQ(out.refusal().call(), "tenants/t/calls/7");
  ASSERT_EQ(out.refusal().steps_size(), 2);
  EXPECT_EQ(out.refusal().steps(1), "route: ROUTE_NOT_FOUND");
  EXPECT_EQ(out.refusal().expected_identities(0), "gw.d.test");
}

// What was refused before anybody was called has no other leg, and no media
// that could be told.
TEST(EdgeProtoTest, ARecordMayHaveOneLeg) {
  EndedCall ended;
  ended.record.id = 7;
  ended.record.tenant = "tenants/t";
  ended.record.reason = "ROUTE_NOT_FOUND";
  ended.record.disposition = CallDisposition::kFailed;
  ended.record.state = CallState::kEnded;
  ended.record.started = ended.record.ended.emplace();
  LegRecord& leg = ended.record.legs.emplace_back();
  leg.incoming = true;
  leg.party.resource = "tenants/t/users/alice";
  leg.sip_status = 404;
  const v1::WatchCallRecordsResponse out = ToProto(1, ended, "edge");
  EXPECT_EQ(out.disposition(), v1::CALL_DISPOSITION_FAILED);
  EXPECT_FALSE(out.has_duration());
  ASSERT_EQ(out.call().legs_size(), 1);
  EXPECT_EQ(out.call().legs(0).user(), "tenants/t/users/alice");
  EXPECT_EQ(out.call().legs(0).sip_status(), 404u);
  EXPECT_EQ(out.call().legs(0).reason(), "ROUTE_NOT_FOUND");
  EXPECT_EQ(out.call().legs(0).media_protocol(),
            type::v1::MEDIA_PROTOCOL_UNSPECIFIED);
  EXPECT_NE(CallRecordLine(1, ended, "edge").find("\"ROUTE_NOT_FOUND\""),
            std::string::npos);
}

}  // namespace
}  // namespace sallyport::signaling_edge
