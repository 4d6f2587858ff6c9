#include "services/signaling_edge/core/call_media.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

const CallMedia::LegPolicy kSecured = {SecurityMode::kSecured, true};
const CallMedia::LegPolicy kSipSecured = {SecurityMode::kSipSecured, true};
const CallMedia::LegPolicy kUnsecured = {SecurityMode::kUnsecured, false};

// Three keys that can be told apart in text: of A, of B, of the relay.
constexpr char kKeyA[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
constexpr char kKeyB[] = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

std::string Sdp(std::string_view address, int port, std::string_view key,
                std::string_view more = "", int tag = 1) {
  std::string out =
      Cat("v=0\r\no=x 1 1 IN IP4 ", address, "\r\ns=-\r\nc=IN IP4 ", address,
          "\r\nt=0 0\r\nm=audio ", port, key.empty() ? " RTP/AVP" : " RTP/SAVP",
          " 0\r\na=rtpmap:0 PCMU/8000\r\n", more);
  if (!key.empty()) {
    CatTo(out, "a=crypto:", tag, " AES_CM_128_HMAC_SHA1_80 inline:", key,
          "\r\n");
  }
  return out;
}

RelaySession Session(bool a_srtp, bool b_srtp) {
  RelaySession session;
  session.name = "tenants/t/sessions/1";
  session.legs[0].local = {"203.0.113.1", 50000, 50001};
  session.legs[1].local = {"203.0.113.1", 50002, 50003};
  if (a_srtp) session.legs[0].local_key = std::string(30, 'a');
  if (b_srtp) session.legs[1].local_key = std::string(30, 'b');
  return session;
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

class CallMediaTest : public testing::Test {
 protected:
  FakeRandom random_;
};

// RFC 7714 and the plan's order: which suite is taken, and which offered.
TEST_F(CallMediaTest, ThePlanOrdersTheSuites) {
  CallMedia::LegPolicy gcm = kSecured;
  gcm.suites.Add(SrtpSuite::kAeadAes256Gcm);
  gcm.suites.Add(SrtpSuite::kAesCm128HmacSha1_32);
  gcm.suites.Add(SrtpSuite::kAesCm128HmacSha1_80);
  CallMedia media(gcm, gcm, random_);
  const std::string offer =
      Sdp("192.0.2.1", 4000, kKeyA,
          Cat("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:", kKeyB, "\r\n"));
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kA, offer).ok());
  EXPECT_EQ(media.wanted()[0].suite, SrtpSuite::kAesCm128HmacSha1_32);
  EXPECT_EQ(media.wanted()[1].suite, SrtpSuite::kAeadAes256Gcm);
  RelaySession session = Session(true, true);
  session.legs[1].local_key = std::string(44, 'b');
  media.SetSession(session);
  EXPECT_TRUE(Has(*media.OfferFor(LegSide::kB), "1 AEAD_AES_256_GCM inline:"));
  // An answer of another suite is none.
  EXPECT_EQ(
      ReasonOf(media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.2", 5000, kKeyB))),
      "SDES_MALFORMED");
  const std::string key(60, 'C');  // of 44 octets and a padding
  const std::string good =
      Cat(Sdp("192.0.2.2", 5000, ""),
          "a=crypto:1 AEAD_AES_256_GCM inline:", key.substr(0, 59), "=\r\n");
  std::string answer = good;
  answer.replace(answer.find("RTP/AVP"), 7, "RTP/SAVP");
  const absl::Status status = media.ReceiveAnswer(LegSide::kB, answer);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(
      Has(*media.AnswerFor(LegSide::kA), "2 AES_CM_128_HMAC_SHA1_32 inline:"));
}

// What the plan does not list is refused.
TEST_F(CallMediaTest, OnlyWhatThePlanLists) {
  CallMedia::LegPolicy gcm = kSecured;
  gcm.suites.Add(SrtpSuite::kAeadAes128Gcm);
  CallMedia media(gcm, kUnsecured, random_);
  EXPECT_EQ(
      ReasonOf(media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, kKeyA))),
      "SECURITY_MODE_SRTP_REQUIRED");
}

TEST_F(CallMediaTest, SecuredPhoneToSipSecuredGateway) {
  CallMedia media(kSecured, kSipSecured, random_);
  ASSERT_TRUE(
      media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, kKeyA, "", 7))
          .ok());
  EXPECT_EQ(media.wanted()[0].suite, SrtpSuite::kAesCm128HmacSha1_80);
  EXPECT_EQ(media.wanted()[0].remote, (MediaAddress{"192.0.2.1", 4000, 4001}));
  EXPECT_EQ(media.wanted()[0].remote_key, std::string(30, '\0'));
  EXPECT_FALSE(media.wanted()[1].suite.has_value());
  EXPECT_FALSE(media.wanted()[1].remote.has_value());
  media.SetSession(Session(true, false));

  const auto offer = media.OfferFor(LegSide::kB);
  ASSERT_TRUE(offer.ok()) << offer.status();
  EXPECT_TRUE(Has(*offer, "m=audio 50002 RTP/AVP 0\r\n"));
  EXPECT_FALSE(Has(*offer, "crypto"));     // never a key on a clear leg
  EXPECT_FALSE(Has(*offer, "192.0.2.1"));  // topology hiding

  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("198.51.100.1", 6000, "")).ok());
  EXPECT_EQ(media.wanted()[1].remote,
            (MediaAddress{"198.51.100.1", 6000, 6001}));
  const auto answer = media.AnswerFor(LegSide::kA);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(Has(*answer, "m=audio 50000 RTP/SAVP 0\r\n"));
  EXPECT_TRUE(Has(*answer, "a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:YWFh"));
  EXPECT_FALSE(Has(*answer, kKeyA));
  EXPECT_FALSE(Has(*answer, "198.51.100.1"));
}

TEST_F(CallMediaTest, TwoSecuredLegsNeverSeeEachOthersKeys) {
  CallMedia media(kSecured, kSecured, random_);
  ASSERT_TRUE(
      media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, kKeyA)).ok());
  media.SetSession(Session(true, true));
  const auto offer = media.OfferFor(LegSide::kB);
  ASSERT_TRUE(offer.ok());
  EXPECT_TRUE(Has(*offer, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:YmJi"));
  EXPECT_FALSE(Has(*offer, kKeyA));
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("198.51.100.1", 6000, kKeyB)).ok());
  EXPECT_NE(media.wanted()[1].remote_key, media.wanted()[0].remote_key);
  const auto answer = media.AnswerFor(LegSide::kA);
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(Has(*answer, kKeyB));
}

TEST_F(CallMediaTest, ModesAreHeldOnOfferAndAnswer) {
  {
    CallMedia media(kSecured, kSipSecured, random_);
    EXPECT_EQ(
        ReasonOf(media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, ""))),
        "SECURITY_MODE_SRTP_REQUIRED");
    EXPECT_FALSE(media.offer_pending());
  }
  {
    CallMedia media(kUnsecured, kSecured, random_);
    EXPECT_EQ(ReasonOf(media.ReceiveOffer(LegSide::kA,
                                          Sdp("192.0.2.1", 4000, kKeyA))),
              "SECURITY_MODE_SRTP_NOT_ALLOWED");
    ASSERT_TRUE(
        media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, "")).ok());
    media.SetSession(Session(false, true));
    // The called side answers a SAVP offer with RTP: refused, not downgraded.
    EXPECT_EQ(
        ReasonOf(media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.9", 1, ""))),
        "SECURITY_MODE_SRTP_REQUIRED");
    EXPECT_FALSE(media.answered());
    EXPECT_FALSE(media.wanted()[1].remote.has_value());
    // And one with another tag than ours.
    EXPECT_EQ(ReasonOf(media.ReceiveAnswer(LegSide::kB,
                                           Sdp("192.0.2.9", 1, kKeyB, "", 2))),
              "SDES_MALFORMED");
  }
}

TEST_F(CallMediaTest, LateOfferComesFromTheCalledSide) {
  CallMedia media(kSecured, kUnsecured, random_);
  ASSERT_TRUE(
      media.ReceiveOffer(LegSide::kB, Sdp("198.51.100.1", 6000, "")).ok());
  media.SetSession(Session(true, false));
  const auto offer = media.OfferFor(LegSide::kA);
  ASSERT_TRUE(offer.ok());
  EXPECT_TRUE(Has(*offer, "RTP/SAVP"));
  EXPECT_EQ(
      ReasonOf(media.ReceiveAnswer(LegSide::kA, Sdp("192.0.2.1", 4000, ""))),
      "SECURITY_MODE_SRTP_REQUIRED");
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kA, Sdp("192.0.2.1", 4000, kKeyA)).ok());
  const auto answer = media.AnswerFor(LegSide::kB);
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(Has(*answer, "crypto"));
}

TEST_F(CallMediaTest, HoldAndResumeRaiseTheVersionOnlyOnChange) {
  CallMedia media(kUnsecured, kUnsecured, random_);
  const auto exchange = [&](std::string_view more_offer,
                            std::string_view more_answer) {
    EXPECT_TRUE(
        media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, "", more_offer))
            .ok());
    if (!media.has_session()) media.SetSession(Session(false, false));
    const auto offer = media.OfferFor(LegSide::kB);
    EXPECT_TRUE(
        media
            .ReceiveAnswer(LegSide::kB, Sdp("192.0.2.9", 6000, "", more_answer))
            .ok());
    EXPECT_TRUE(media.AnswerFor(LegSide::kA).ok());
    media.Finish();
    return offer.ok() ? *offer : "";
  };
  const auto version = [](const std::string& text) {
    const auto sdp = ParseSdp(text);
    return sdp.ok() ? sdp->origin.session_version : "";
  };
  const std::string first = exchange("", "");
  EXPECT_FALSE(media.on_hold());
  const std::string same = exchange("", "");
  const std::string hold = exchange("a=sendonly\r\n", "a=recvonly\r\n");
  EXPECT_TRUE(media.on_hold());
  EXPECT_TRUE(Has(hold, "a=sendonly\r\n"));
  const std::string resumed = exchange("", "");
  EXPECT_FALSE(media.on_hold());
  EXPECT_EQ(version(first), "1");
  EXPECT_EQ(version(same), "1");
  EXPECT_EQ(version(hold), "2");
  EXPECT_EQ(version(resumed), "3");
}

TEST_F(CallMediaTest, AnAbandonedOfferLeavesWhatWasAgreed) {
  CallMedia media(kUnsecured, kUnsecured, random_);
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, "")).ok());
  media.SetSession(Session(false, false));
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.9", 6000, "")).ok());
  media.Finish();
  const RelayLegs agreed = media.wanted();
  ASSERT_TRUE(
      media.ReceiveOffer(LegSide::kB, Sdp("192.0.2.77", 7000, "")).ok());
  EXPECT_EQ(
      ReasonOf(media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, ""))),
      "OFFER_PENDING");
  EXPECT_NE(media.wanted(), agreed);
  media.Abandon();
  EXPECT_EQ(media.wanted(), agreed);
  EXPECT_EQ(
      ReasonOf(media.ReceiveAnswer(LegSide::kA, Sdp("192.0.2.1", 4000, ""))),
      "NO_OFFER");
}

TEST_F(CallMediaTest, RefusedOrMismatchedAnswers) {
  CallMedia media(kUnsecured, kUnsecured, random_);
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, "")).ok());
  media.SetSession(Session(false, false));
  EXPECT_EQ(ReasonOf(media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.9", 0, ""))),
            "MEDIA_REFUSED");
  EXPECT_EQ(ReasonOf(media.ReceiveAnswer(
                LegSide::kB,
                Cat(Sdp("192.0.2.9", 6000, ""), "m=video 0 RTP/AVP 31\r\n"))),
            "SDP_MALFORMED");
  // Early answer, then a final one from elsewhere: the last holds.
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.8", 6000, "")).ok());
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.9", 6000, "")).ok());
  EXPECT_EQ(media.wanted()[1].remote->ip, "192.0.2.9");
}

}  // namespace
}  // namespace sallyport::signaling_edge
