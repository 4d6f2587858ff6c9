#include "services/signaling_edge/core/check_offer.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"
#include "services/signaling_edge/core/media_setup.h"
#include "services/signaling_edge/core/sdp.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kFingerprint[] =
    "a=fingerprint:sha-256 "
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";

std::string Answer(std::string_view protocol, std::string_view lines,
                   int port = 6000) {
  return Cat("v=0\r\no=- 1 1 IN IP4 192.0.2.21\r\ns=-\r\n",
             "c=IN IP4 192.0.2.21\r\nt=0 0\r\nm=audio ", port, " ", protocol,
             " 0\r\na=inactive\r\n", lines);
}

class CheckOfferTest : public testing::Test {
 protected:
  CheckOffer Offer() { return CheckOffer::Make(plan_, "192.0.2.1", random_); }
  // What is offered must pass as the plan's own legs must.
  static void ExpectLegal(const CheckOffer& offer, SrtpKeying keying) {
    const auto sdp = ParseSdp(offer.sdp());
    ASSERT_THAT(sdp.status(), IsOk()) << offer.sdp();
    EXPECT_THAT(CheckSent(SecurityMode::kSecured, true, keying, *sdp), IsOk());
    EXPECT_NE(offer.sdp().find("a=inactive"), std::string::npos);
  }

  FakeRandom random_;
  DialPlanEntry plan_;
};

TEST_F(CheckOfferTest, SdesWithAllSuitesOfThePlan) {
  plan_.srtp_suites = {PlanSrtpSuite::kAeadAes256Gcm,
                       PlanSrtpSuite::kAesCm128HmacSha1_80};
  const CheckOffer offer = Offer();
  ExpectLegal(offer, SrtpKeying::kSdes);
  EXPECT_NE(offer.sdp().find("a=crypto:1 AEAD_AES_256_GCM inline:"),
            std::string::npos);
  EXPECT_NE(offer.sdp().find("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:"),
            std::string::npos);
  const std::string key = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
  const auto taken = offer.Judge(Answer(
      "RTP/SAVP", Cat("a=crypto:2 AES_CM_128_HMAC_SHA1_80 ", key, "\r\n")));
  ASSERT_THAT(taken.status(), IsOk());
  EXPECT_EQ(*taken, "it answers with RTP/SAVP, AES_CM_128_HMAC_SHA1_80");
  for (const std::string& refused :
       {Answer("RTP/AVP", ""), Answer("RTP/SAVP", ""),
        Answer("RTP/SAVP", Cat("a=crypto:1 AES_CM_128_HMAC_SHA1_80 ", key)),
        Answer("RTP/SAVP", Cat("a=crypto:2 AES_CM_128_HMAC_SHA1_80 ", key), 0),
        Answer("UDP/TLS/RTP/SAVP", Cat(kFingerprint, "a=setup:active\r\n"))}) {
    EXPECT_THAT(offer.Judge(refused), HasReason("SRTP_NOT_ACCEPTED"));
  }
  EXPECT_THAT(offer.Judge("hello"), HasReason("SRTP_NOT_PROVEN"));
}

TEST_F(CheckOfferTest, DtlsWhereThePlanHasThat) {  // RFC 5763 section 5
  plan_.srtp_keying = SrtpKeying::kDtls;
  const CheckOffer offer = Offer();
  ExpectLegal(offer, SrtpKeying::kDtls);
  const auto sdp = ParseSdp(offer.sdp());
  EXPECT_EQ(sdp->media[0].protocol, "UDP/TLS/RTP/SAVP");
  const auto dtls = DtlsOf(*sdp, sdp->media[0]);
  ASSERT_THAT(dtls.status(), IsOk());
  EXPECT_EQ(dtls->setup, DtlsSetup::kActPass);
  EXPECT_TRUE(HasRtcpMux(sdp->media[0]));
  EXPECT_EQ(offer.sdp().find("a=crypto"), std::string::npos);
  EXPECT_EQ(offer.sdp().find("ice"), std::string::npos);

  const auto taken = offer.Judge(
      Answer("UDP/TLS/RTP/SAVP", Cat(kFingerprint, "a=setup:active\r\n")));
  ASSERT_THAT(taken.status(), IsOk());
  EXPECT_EQ(*taken,
            "it answers with UDP/TLS/RTP/SAVP, DTLS-SRTP active, sha-256");
  for (const std::string& refused :
       {Answer("RTP/AVP", ""), Answer("UDP/TLS/RTP/SAVP", ""),
        Answer("UDP/TLS/RTP/SAVP", Cat(kFingerprint, "a=setup:actpass\r\n")),
        Answer("UDP/TLS/RTP/SAVP",
               "a=fingerprint:sha-1 00:11\r\na=setup:active\r\n"),
        Answer("RTP/SAVP",
               "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
               "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n")}) {
    EXPECT_THAT(offer.Judge(refused), HasReason("SRTP_NOT_ACCEPTED"));
  }
}

TEST_F(CheckOfferTest, IceWhereThePlanHasThat) {
  plan_.srtp_keying = SrtpKeying::kDtls;
  plan_.ice = true;
  const CheckOffer offer = Offer();
  ExpectLegal(offer, SrtpKeying::kDtls);
  EXPECT_NE(offer.sdp().find("a=ice-lite"), std::string::npos);
  EXPECT_NE(offer.sdp().find("a=ice-ufrag:"), std::string::npos);
  const std::string dtls = Cat(kFingerprint, "a=setup:active\r\n");
  EXPECT_THAT(offer.Judge(Answer("UDP/TLS/RTP/SAVPF", dtls)),
              HasReason("SRTP_NOT_ACCEPTED"));
  const auto taken = offer.Judge(
      Answer("UDP/TLS/RTP/SAVPF", Cat(dtls, "a=ice-ufrag:abcd\r\na=ice-pwd:",
                                      "0123456789012345678901\r\n")));
  ASSERT_THAT(taken.status(), IsOk());
  EXPECT_NE(taken->find(", ICE"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::signaling_edge
