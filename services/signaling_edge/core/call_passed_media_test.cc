// Calls whose descriptions go from end to end (MEDIA_MODE_PASS_THROUGH).
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// What an ICE agent says (RFC 8839), as WebRTC clients do.
std::string IceSdp(std::string_view address, std::string_view more = "") {
  return TestSdp(address, 4000, false,
                 Cat("a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
                     "a=candidate:1 1 UDP 2130706431 ",
                     address, " 4000 typ host\r\na=rtcp-mux\r\n", more));
}

SdpSession Parsed(std::string_view protocol, std::string_view more) {
  return *ParseSdp(
      Cat("v=0\r\no=x 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
          "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 ",
          protocol, " 0\r\n", more));
}

class CallPassedMediaTest : public EdgeCoreTest {
 protected:
  void Load(MediaMode clear, MediaMode others) {
    auto plan = TestPlan();
    for (DialPlanEntry& entry : plan->dial_plans) {
      entry.media_mode =
          entry.security_mode == SecurityMode::kUnsecured ? clear : others;
    }
    edge_.Load(plan);
    bob_ = edge_.ConnectTcp("198.51.100.1");
    ASSERT_TRUE(edge_.Register(bob_, "bob"));
    edge_.Forget();
  }
  std::optional<Sent> Ring(std::string_view sdp) {
    edge_.ReceiveUdp(kPbx, PbxInvite("bob", sdp));
    EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
    return edge_.TakeTo(bob_);
  }

  ConnectionId bob_ = 0;
};

// AVE-42, AVE-44: offer and answer tell the far side the relayed ports, which
// are candidates like any other.
TEST_F(CallPassedMediaTest, CandidatesAndPasswordsOfIceArriveAsTheyWere) {
  Load(MediaMode::kPassThrough, MediaMode::kPassThrough);
  const std::string offer = IceSdp("192.0.2.10");
  const auto ring = Ring(offer);
  ASSERT_TRUE(ring.has_value()) << edge_.Refusals();
  EXPECT_EQ(ring->message.body(), offer);
  const std::string answer = IceSdp("198.51.100.1");
  edge_.Answer(*ring, 200, "b", answer, "<sip:bob@198.51.100.1>");
  EXPECT_EQ(edge_.TakeTo(bob_)->message.method(), SipMethod::kAck);
  const auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok.has_value());
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(ok->message.body(), answer);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(*ok)));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 200);
  edge_.Answer(*edge_.TakeTo(bob_), 200, "b");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
  EXPECT_TRUE(edge_.created.empty());
}

TEST_F(CallPassedMediaTest, ALateOfferToo) {
  Load(MediaMode::kPassThrough, MediaMode::kPassThrough);
  const auto ring = Ring("");
  ASSERT_TRUE(ring.has_value());
  const std::string offer = IceSdp("198.51.100.1");
  edge_.Answer(*ring, 200, "b", offer, "<sip:bob@198.51.100.1>");
  const auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok.has_value());
  EXPECT_EQ(ok->message.body(), offer);
  const std::string answer = IceSdp("192.0.2.10");
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok), answer));
  const auto ack = edge_.TakeTo(bob_);
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(ack->message.body(), answer);
  EXPECT_TRUE(edge_.created.empty());
}

TEST_F(CallPassedMediaTest, OneAnchoredPlanAnchors) {
  Load(MediaMode::kPassThrough, MediaMode::kAnchored);
  EXPECT_TRUE(Has(PbxCallsGateway().message.body(), "203.0.113.1"));
  EXPECT_EQ(edge_.created.size(), 1u);
}

// Between two modes somebody has to protect anew.
TEST_F(CallPassedMediaTest, TwoModesAnchor) {
  Load(MediaMode::kPassThrough, MediaMode::kPassThrough);
  EXPECT_TRUE(Has(PbxCallsGateway().message.body(), "203.0.113.1"));
  EXPECT_EQ(edge_.created.size(), 1u);
}

// AVE-54.
TEST_F(CallPassedMediaTest, AKeyNeverPassesAClearLeg) {
  Load(MediaMode::kPassThrough, MediaMode::kPassThrough);
  const auto ring =
      Ring(IceSdp("192.0.2.10",
                  "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
                  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
                  "a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n"));
  ASSERT_TRUE(ring.has_value());
  EXPECT_EQ(ring->message.body(), IceSdp("192.0.2.10"));
}

// AVE-54: keys in clear are refused.
TEST_F(CallPassedMediaTest, SrtpOnAClearPlanIsRefused) {
  Load(MediaMode::kPassThrough, MediaMode::kPassThrough);
  EXPECT_FALSE(Ring(TestSdp("192.0.2.10", 4000, true)).has_value());
  EXPECT_TRUE(Has(edge_.Refusals(), "SECURITY_MODE_SRTP_NOT_ALLOWED"));
}

TEST(CheckPassedTest, SecuredTakesBothKeyingsAndNothingElse) {
  const auto check = [](const SdpSession& session, bool is_tls = true) {
    return ReasonOf(CheckPassed(SecurityMode::kSecured, is_tls, session));
  };
  EXPECT_EQ(check(Parsed("UDP/TLS/RTP/SAVPF",
                         "a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n")),
            "");
  EXPECT_EQ(check(Parsed("RTP/SAVP",
                         "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n")),
            "");
  EXPECT_EQ(check(Parsed("UDP/TLS/RTP/SAVPF", "a=setup:actpass\r\n")),
            "SECURITY_MODE_SRTP_REQUIRED");
  EXPECT_EQ(check(Parsed("RTP/SAVP", "")), "SECURITY_MODE_SRTP_REQUIRED");
  EXPECT_EQ(check(Parsed("RTP/AVP", "")), "SECURITY_MODE_SRTP_REQUIRED");
  // A fingerprint is only worth what its transport is (RFC 5763 section 5).
  EXPECT_EQ(
      check(Parsed("UDP/TLS/RTP/SAVPF", "a=fingerprint:sha-256 AA:BB\r\n"),
            /*is_tls=*/false),
      "SECURITY_MODE_TLS_REQUIRED");
}

}  // namespace
}  // namespace sallyport::signaling_edge
