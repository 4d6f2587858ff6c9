#include "tools/cli/trace_notes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"

namespace sallyport::cli {
namespace {

namespace edge_pb = ::sallyport::signaling_edge::v1;
namespace issuer_pb = ::sallyport::credential_issuer::v1;
namespace relay_pb = ::sallyport::media_relay::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

edge_pb::Call Ended() {
  edge_pb::Call call;
  call.set_name("tenants/t/calls/7");
  call.set_media_relay("media_relay-0");
  call.set_media_session("tenants/t/sessions/s");
  *call.mutable_start_time() = ToProto(kStart);
  *call.mutable_end_time() = ToProto(kStart + absl::Minutes(5));
  call.add_legs()->mutable_statistics()->set_packets_received(11);
  call.add_legs()->mutable_statistics()->set_packets_sent(12);
  return call;
}

issuer_pb::AuditRecord Record(const std::string& event, const std::string& id,
                              absl::Time made, absl::Time end) {
  issuer_pb::AuditRecord record;
  *record.mutable_create_time() = ToProto(made);
  record.set_credential_id(id);
  record.set_opaque_subject("opaque");
  record.set_record(absl::StrCat(
      R"({"event":")", event, R"(","key_id":3,"expire_time":")",
      absl::FormatTime(absl::RFC3339_full, end, absl::UTCTimeZone()), "\"}"));
  return record;
}

// AVE-48.
TEST(TraceNotesTest, CredentialsThatWereGoodDuringTheCall) {
  UserRecords alice;
  alice.user = "tenants/t/users/alice";
  const absl::Time late = kStart + absl::Minutes(10);
  alice.records = {
      Record("issue", "afterwards", late, late + absl::Hours(1)),
      Record("revoke_credential", "good", kStart + absl::Minutes(1), late),
      Record("issue", "good", kStart - absl::Minutes(1), late),
      Record("revoke_credential", "other", kStart + absl::Minutes(1), late),
      Record("issue", "over", kStart - absl::Hours(9),
             kStart - absl::Hours(1))};
  const auto notes = CredentialNotes(alice, Ended());
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].time, kStart - absl::Minutes(1));
  EXPECT_EQ(notes[0].text,
            "credential good for tenants/t/users/alice, key 3, good until "
            "22:23:20 UTC");
  EXPECT_EQ(notes[1].text, "revoke_credential good");
  alice.records.clear();
  for (int i = 0; i < 9; ++i) {
    alice.records.push_back(Record("issue", absl::StrCat(i), kStart, late));
  }
  EXPECT_EQ(CredentialNotes(alice, Ended()).size(), kMostCredentials);
}

TEST(TraceNotesTest, AllocationsOfItsUsersAlone) {
  UserRecords alice;
  alice.user = "tenants/t/users/alice";
  alice.records = {Record("issue", "good", kStart, kStart + absl::Hours(1))};
  relay_pb::Allocation allocation;
  allocation.set_name("tenants/t/allocations/a1");
  allocation.set_subject("opaque");
  allocation.set_client_transport(relay_pb::TURN_TRANSPORT_TLS);
  allocation.mutable_relayed_address()->set_address("192.0.2.1");
  allocation.mutable_relayed_address()->set_port(50012);
  allocation.set_permission_count(1);
  allocation.set_packets_to_peers(20);
  *allocation.mutable_create_time() = ToProto(kStart + absl::Seconds(1));
  relay_pb::Allocation other = allocation;
  other.set_subject("another");
  relay_pb::Allocation later = allocation;
  *later.mutable_create_time() = ToProto(kStart + absl::Hours(1));
  const auto notes =
      AllocationNotes({alice}, {other, allocation, later}, Ended());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].time, kStart + absl::Seconds(1));
  EXPECT_EQ(notes[0].text,
            "allocation a1 of tenants/t/users/alice, TLS, relayed at "
            "192.0.2.1:50012: 1 permissions, 20 packets to peers, 0 to the "
            "client");
}

TEST(TraceNotesTest, TheSessionWhileItLivesAndAfterwards) {
  relay_pb::Session session;
  *session.mutable_create_time() = ToProto(kStart);
  session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  session.mutable_leg_b()->set_srtp_suite(
      type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80);
  session.mutable_leg_a()->mutable_statistics()->set_packets_received(5);
  EXPECT_THAT(SessionNote(session, Ended()).text,
              AllOf(HasSubstr("tenants/t/sessions/s at media_relay-0"),
                    HasSubstr("A RTP 5 in"),
                    HasSubstr("B SDES_SRTP AES_CM_128_HMAC_SHA1_80")));
  const auto ended = EndedSessionNotes(Ended());
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].text,
            "session tenants/t/sessions/s at media_relay-0 ended: A 11 in, 0 "
            "out, 0 lost; B 0 in, 12 out, 0 lost");
  edge_pb::Call none = Ended();
  none.clear_media_session();
  EXPECT_TRUE(EndedSessionNotes(none).empty());
}

}  // namespace
}  // namespace sallyport::cli
