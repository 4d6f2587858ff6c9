#include "tools/cli/session_text.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::media_relay::v1;

TEST(SessionTextTest, ALineTellsBothLegs) {
  pb::WatchSessionsResponse event;
  event.set_event(pb::SESSION_EVENT_DTLS_CHANGED);
  event.set_leg(pb::LEG_SIDE_A);
  pb::Session& session = *event.mutable_session();
  session.set_name("tenants/t/sessions/s\x1b[31m");
  pb::Leg& a = *session.mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_DTLS_SRTP);
  a.set_srtp_suite(type::v1::SRTP_SUITE_AEAD_AES_256_GCM);
  a.mutable_dtls()->set_state(pb::DTLS_STATE_FAILED);
  a.mutable_dtls()->set_failure("FINGERPRINT_MISMATCH");
  a.mutable_ice()->set_state(pb::ICE_STATE_SELECTED);
  a.mutable_statistics()->set_packets_received(7);
  a.mutable_statistics()->set_mean_opinion_score(4.385);
  *a.mutable_statistics()->mutable_round_trip_time() =
      ToProto(absl::Milliseconds(30));
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  const std::string line = SessionLine(event);
  for (const char* part :
       {"DTLS_CHANGED", "tenants/t/sessions/s?[31m", "leg A",
        "[A DTLS_SRTP AEAD_AES_256_GCM FAILED (FINGERPRINT_MISMATCH), ICE "
        "SELECTED: received 7, sent 0, lost 0, round trip 30ms, MOS 4.3",
        "[B RTP: received 0, sent 0, lost 0]"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << "\n" << line;
  }
  EXPECT_EQ(line.back(), '\n');
}

TEST(SessionTextTest, DrainOfAnEdgeTellsItsCalls) {
  signaling_edge::v1::DrainResponse progress;
  progress.set_calls_remaining(3);
  progress.set_connections_remaining(7);
  EXPECT_EQ(DrainLine(progress).substr(0, 36),
            "3 calls and 7 connections are live; ");
  progress.set_done(true);
  EXPECT_EQ(DrainLine(progress), "done\n");
}

TEST(SessionTextTest, DrainTellsWhatIsLeft) {
  pb::DrainResponse progress;
  progress.set_sessions_remaining(3);
  progress.set_allocations_remaining(2);
  *progress.mutable_deadline_time() = ToProto(absl::UnixEpoch());
  EXPECT_EQ(DrainLine(progress).substr(0, 36),
            "3 sessions and 2 allocations are liv");
  progress.set_done(true);
  EXPECT_EQ(DrainLine(progress), "done\n");
}

}  // namespace
}  // namespace sallyport::cli
