#include "services/signaling_edge/core/call_media.h"

#include <string>
#include <utility>

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
  if (a_srtp) session.legs[0].local_keys = {std::string(30, 'a')};
  if (b_srtp) session.legs[1].local_keys = {std::string(30, 'b')};
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
  for (size_t i = 0; i < 2; ++i) {
    session.legs[i].local_keys = {std::string(44, 'c'), std::string(30, 'd'),
                                  std::string(30, 'e')};
  }
  media.SetSession(session);
  // All of them are offered, with tags and keys of their own.
  const std::string all = *media.OfferFor(LegSide::kB);
  EXPECT_TRUE(Has(all, "a=crypto:1 AEAD_AES_256_GCM inline:Y2Nj"));
  EXPECT_TRUE(Has(all, "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:ZGRk"));
  EXPECT_TRUE(Has(all, "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:ZWVl"));
  // The answer takes one of them as it was offered, or none.
  for (const auto& [crypto, reason] :
       {std::pair("1 AES_CM_128_HMAC_SHA1_80 inline:",
                  "SDES_SUITE_NOT_OFFERED"),
        std::pair("2 AES_CM_128_HMAC_SHA1_80 inline:",
                  "SDES_SUITE_NOT_OFFERED"),
        std::pair("4 AES_CM_128_HMAC_SHA1_80 inline:", "SDES_TAG_NOT_OFFERED"),
        std::pair("3 NULL_HMAC_SHA1_80 inline:", "NULL_CIPHER_NOT_ALLOWED"),
        std::pair("0 AES_CM_128_HMAC_SHA1_80 inline:",
                  "SDES_TAG_NOT_OFFERED")}) {
    std::string bad =
        Cat(Sdp("192.0.2.2", 5000, ""), "a=crypto:", crypto, kKeyB, "\r\n");
    bad.replace(bad.find("RTP/AVP"), 7, "RTP/SAVP");
    EXPECT_EQ(ReasonOf(media.ReceiveAnswer(LegSide::kB, bad)), reason)
        << crypto;
  }
  const std::string third = Sdp("192.0.2.2", 5000, kKeyB, "", 3);
  EXPECT_EQ(ReasonOf(media.ReceiveAnswer(
                LegSide::kB, Cat(third, "a=crypto:2 AES_CM_128_HMAC_SHA1_32 ",
                                 "inline:", kKeyA, "\r\n"))),
            "SDES_ANSWER_AMBIGUOUS");
  // Branches of a fork may take different ones: the last counts.
  ASSERT_TRUE(media.ReceiveAnswer(LegSide::kB, third).ok());
  EXPECT_EQ(media.wanted()[1].suite, SrtpSuite::kAesCm128HmacSha1_80);
  const std::string key(60, 'C');  // of 44 octets and a padding
  const std::string good =
      Cat(Sdp("192.0.2.2", 5000, ""),
          "a=crypto:1 AEAD_AES_256_GCM inline:", key.substr(0, 59), "=\r\n");
  std::string answer = good;
  answer.replace(answer.find("RTP/AVP"), 7, "RTP/SAVP");
  const absl::Status status = media.ReceiveAnswer(LegSide::kB, answer);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(media.wanted()[1].suite, SrtpSuite::kAeadAes256Gcm);
  const std::string answered = *media.AnswerFor(LegSide::kA);
  EXPECT_TRUE(Has(answered, "2 AES_CM_128_HMAC_SHA1_32 inline:ZGRk"));
  EXPECT_EQ(answered.find("a=crypto"), answered.rfind("a=crypto"));
  media.Finish();
  // A later offer of that side lists others, and the plan chooses again.
  ASSERT_TRUE(
      media.ReceiveOffer(LegSide::kB, Sdp("192.0.2.2", 5000, kKeyB, "", 9))
          .ok());
  EXPECT_EQ(media.wanted()[1].suite, SrtpSuite::kAesCm128HmacSha1_80);
  // And ours list them all again, with the same keys.
  const std::string again = *media.OfferFor(LegSide::kA);
  EXPECT_TRUE(Has(again, "a=crypto:1 AEAD_AES_256_GCM inline:Y2Nj"));
  EXPECT_TRUE(Has(again, "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:ZWVl"));
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

// AVE-01: each side is told addresses of the relay alone. AVE-54: no key on a
// leg in clear.
// CUC-11: over TLS audio is SRTP or RTP, as each leg's plan says.
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
              "SDES_TAG_NOT_OFFERED");
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

// -------------------------------------------------- DTLS-SRTP, ICE, rtcp-mux

std::string FingerprintOf(char letter) {
  std::string out = Cat("sha-256 ", std::string(2, letter));
  for (int i = 1; i < 32; ++i) CatTo(out, ":", std::string(2, letter));
  return out;
}

std::string DtlsSdp(int port, char letter, std::string_view setup,
                    std::string_view ufrag, std::string_view more = "") {
  std::string out = Cat(
      "v=0\r\no=x 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n",
      "t=0 0\r\nm=audio ", port,
      " UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=rtcp-mux\r\n", more,
      "a=fingerprint:", FingerprintOf(letter), "\r\na=setup:", setup, "\r\n");
  if (!ufrag.empty()) {
    CatTo(out, "a=ice-ufrag:", ufrag,
          "\r\na=ice-pwd:theirpassword0123456789\r\n");
  }
  return out;
}

class DtlsMediaTest : public CallMediaTest {
 protected:
  static CallMedia::LegPolicy Dtls(bool ice) {
    CallMedia::LegPolicy policy = kSecured;
    policy.keying = SrtpKeying::kDtls;
    policy.ice = ice;
    return policy;
  }
  // The relay as it is after so many restarts.
  static RelaySession Relay(int restarts = 0) {
    RelaySession session = Session(false, false);
    for (RelaySession::Leg& leg : session.legs) {
      leg.local.rtcp_port = leg.local.rtp_port;
      leg.fingerprint = FingerprintOf('E');
      leg.ice = {Cat("ours", restarts), "ourpassword0123456789x"};
    }
    return session;
  }
  static std::string Taken(absl::StatusOr<std::string> text) {
    EXPECT_TRUE(text.ok()) << text.status();
    return text.value_or("");
  }
};

TEST_F(DtlsMediaTest, OffersAndAnswersWhatTheRelayHas) {
  CallMedia media(Dtls(true), kUnsecured, random_);
  ASSERT_TRUE(
      media.ReceiveOffer(LegSide::kA, DtlsSdp(9, 'A', "actpass", "aaaa")).ok());
  const RelayLeg& a = media.wanted()[0];
  EXPECT_TRUE(a.dtls && a.ice && a.rtcp_mux);
  EXPECT_FALSE(a.suite.has_value() || a.remote.has_value());
  EXPECT_EQ(a.remote_fingerprint, FingerprintOf('A'));
  EXPECT_EQ(a.remote_setup, DtlsSetup::kActPass);
  EXPECT_EQ(a.remote_ufrag, "aaaa");
  media.SetSession(Relay());
  const std::string offer = Taken(media.OfferFor(LegSide::kB));
  for (const char* secret : {"fingerprint", "setup", "ice", "candidate", "aaaa",
                             "rtcp-mux", "AA:AA"}) {
    EXPECT_FALSE(Has(offer, secret)) << secret;
  }
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.2", 5000, "")).ok());
  const std::string answer = Taken(media.AnswerFor(LegSide::kA));
  EXPECT_TRUE(Has(answer, "m=audio 50000 UDP/TLS/RTP/SAVPF 0\r\n"));
  EXPECT_TRUE(Has(answer, Cat("a=fingerprint:", FingerprintOf('E'))));
  EXPECT_TRUE(Has(answer, "a=setup:active\r\n"));
  EXPECT_TRUE(Has(answer, "a=ice-lite\r\n"));
  EXPECT_TRUE(Has(answer, "a=ice-ufrag:ours0\r\n"));
  EXPECT_TRUE(Has(answer, "203.0.113.1 50000 typ host\r\n"));
  EXPECT_TRUE(Has(answer, "a=rtcp-mux\r\n"));
  EXPECT_FALSE(Has(answer, "crypto"));
  EXPECT_FALSE(Has(answer, "rtcp-mux-only"));
  media.Finish();

  // The other side changes something: ours is offered as it was.
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kB, Sdp("192.0.2.2", 5000, "")).ok());
  EXPECT_FALSE(media.PrepareOffer(LegSide::kA));
  const std::string again = Taken(media.OfferFor(LegSide::kA));
  EXPECT_TRUE(Has(again, "a=setup:active\r\n"));
  EXPECT_TRUE(Has(again, "a=rtcp-mux-only\r\n"));
  EXPECT_TRUE(Has(again, "a=ice-ufrag:ours0\r\n"));
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kA, DtlsSdp(9, 'A', "passive", "aaaa"))
          .ok());
  // As baresip answers; with another certificate it is refused.
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kA, DtlsSdp(9, 'A', "actpass", "aaaa"))
          .ok());
  EXPECT_EQ(ReasonOf(media.ReceiveAnswer(LegSide::kA,
                                         DtlsSdp(9, 'B', "actpass", "aaaa"))),
            "DTLS_SETUP_INVALID");
  EXPECT_FALSE(media.wanted()[0].restart_dtls || media.wanted()[0].restart_ice);
}

// RFC 8842 section 4, RFC 8839 section 4.4: what a later offer keeps, and what
// it begins anew.
TEST_F(DtlsMediaTest, LaterOffersOfTheParty) {
  struct Case {
    const char* name;
    char fingerprint;
    const char* setup;
    const char* ufrag;
    const char* more;
    bool restart_dtls;
    bool restart_ice;
    const char* our_setup;
  };
  for (const Case& c :
       {Case{"the same", 'A', "actpass", "aaaa", "", false, false, "active"},
        Case{"hold", 'A', "actpass", "aaaa", "a=sendonly\r\n", false, false,
             "active"},
        Case{"its role said", 'A', "passive", "aaaa", "", false, false,
             "active"},
        Case{"ICE restart", 'A', "actpass", "bbbb", "", false, true, "active"},
        Case{"another role", 'A', "active", "aaaa", "", true, false, "passive"},
        Case{"another certificate", 'B', "actpass", "aaaa", "", true, false,
             "active"},
        Case{"another association", 'A', "actpass", "aaaa",
             "a=tls-id:0123456789abcdef0123\r\n", true, false, "active"}}) {
    SCOPED_TRACE(c.name);
    CallMedia media(Dtls(true), kUnsecured, random_);
    ASSERT_TRUE(media
                    .ReceiveOffer(LegSide::kA,
                                  DtlsSdp(9, 'A', "actpass", "aaaa",
                                          "a=tls-id:aaaaaaaaaaaaaaaaaaaa\r\n"))
                    .ok());
    media.SetSession(Relay());
    ASSERT_TRUE(
        media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.2", 5000, "")).ok());
    media.OnUpdated(Relay());
    media.Finish();
    ASSERT_TRUE(
        media
            .ReceiveOffer(LegSide::kA,
                          DtlsSdp(9, c.fingerprint, c.setup, c.ufrag, c.more))
            .ok());
    EXPECT_EQ(media.wanted()[0].restart_dtls, c.restart_dtls);
    EXPECT_EQ(media.wanted()[0].restart_ice, c.restart_ice);
    ASSERT_TRUE(
        media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.2", 5000, "")).ok());
    media.OnUpdated(Relay(c.restart_ice ? 1 : 0));
    EXPECT_FALSE(media.wanted()[0].restart_dtls ||
                 media.wanted()[0].restart_ice);
    const std::string answer = Taken(media.AnswerFor(LegSide::kA));
    EXPECT_TRUE(Has(answer, Cat("a=setup:", c.our_setup, "\r\n")));
    EXPECT_TRUE(
        Has(answer, Cat("a=ice-ufrag:ours", c.restart_ice ? 1 : 0, "\r\n")));
  }
}

TEST_F(DtlsMediaTest, SomebodyElseAtThatSide) {
  CallMedia media(Dtls(true), kUnsecured, random_);
  const std::string theirs = DtlsSdp(9, 'A', "actpass", "aaaa");
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kA, theirs).ok());
  media.SetSession(Relay());
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kB, Sdp("192.0.2.2", 5000, "")).ok());
  media.Finish();
  // Another dialog of the same phone: the same certificate begins anew.
  media.Replace(LegSide::kA);
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kA, theirs).ok());
  EXPECT_TRUE(media.wanted()[0].restart_dtls && media.wanted()[0].restart_ice);
  media.Abandon();
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kA, theirs).ok());
  EXPECT_FALSE(media.wanted()[0].restart_dtls || media.wanted()[0].restart_ice);
  media.Abandon();
  // Somebody who is to be called: the offer tells credentials of its own.
  media.Replace(LegSide::kA);
  ASSERT_TRUE(media
                  .ReceiveOffer(LegSide::kB, Sdp("192.0.2.2", 5000, ""),
                                /*said_before=*/true)
                  .ok());
  EXPECT_TRUE(media.PrepareOffer(LegSide::kA));
  EXPECT_TRUE(media.wanted()[0].restart_dtls && media.wanted()[0].restart_ice);
  EXPECT_EQ(media.wanted()[0].remote_ufrag, "");
  EXPECT_EQ(media.wanted()[0].remote_fingerprint, "");
  media.OnUpdated(Relay(1));
  const std::string offer = Taken(media.OfferFor(LegSide::kA));
  EXPECT_TRUE(Has(offer, "a=ice-ufrag:ours1\r\n"));
  EXPECT_TRUE(Has(offer, "a=setup:actpass\r\n"));
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kA, DtlsSdp(9, 'B', "active", "cccc")).ok());
  EXPECT_FALSE(media.wanted()[0].restart_dtls || media.wanted()[0].restart_ice);
  EXPECT_EQ(media.wanted()[0].remote_setup, DtlsSetup::kActive);
  media.Finish();
  // Another relay: nothing of the former one's far side is told to it.
  media.LoseSession();
  ASSERT_TRUE(media
                  .ReceiveOffer(LegSide::kA, DtlsSdp(9, 'B', "active", "cccc"),
                                /*said_before=*/true)
                  .ok());
  EXPECT_EQ(media.wanted()[0].remote_fingerprint, "");
  EXPECT_EQ(media.wanted()[0].remote_ufrag, "");
}

TEST_F(DtlsMediaTest, WhatIsRefused) {
  const auto reason = [&](bool ice, std::string sdp) {
    CallMedia media(Dtls(ice), kUnsecured, random_);
    return ReasonOf(media.ReceiveOffer(LegSide::kA, sdp));
  };
  const std::string good = DtlsSdp(9, 'A', "actpass", "aaaa");
  EXPECT_EQ(reason(true, good), "");
  EXPECT_EQ(reason(false, good), "");  // without ICE it is not looked at
  EXPECT_EQ(reason(true, DtlsSdp(9, 'A', "actpass", "")), "ICE_REQUIRED");
  EXPECT_EQ(reason(false, DtlsSdp(9, 'A', "holdconn", "")),
            "DTLS_SETUP_INVALID");
  EXPECT_EQ(reason(false, Sdp("192.0.2.1", 4000, kKeyA)),
            "SRTP_KEYING_NOT_ALLOWED");
  EXPECT_EQ(reason(false, Sdp("192.0.2.1", 4000, "")),
            "SECURITY_MODE_SRTP_REQUIRED");
  std::string unmuxed = good;
  unmuxed.erase(unmuxed.find("a=rtcp-mux\r\n"), 12);
  EXPECT_EQ(reason(false, unmuxed), "RTCP_MUX_REQUIRED");
  // Neither on plans with keys in SDP nor on those without SRTP.
  CallMedia sdes(kSecured, kSipSecured, random_);
  EXPECT_EQ(ReasonOf(sdes.ReceiveOffer(LegSide::kA, good)),
            "SRTP_KEYING_NOT_ALLOWED");
  EXPECT_EQ(ReasonOf(sdes.ReceiveOffer(LegSide::kB, good)),
            "SECURITY_MODE_SRTP_NOT_ALLOWED");
  // And an answer must choose.
  CallMedia called(kUnsecured, Dtls(false), random_);
  ASSERT_TRUE(
      called.ReceiveOffer(LegSide::kA, Sdp("192.0.2.1", 4000, "")).ok());
  called.SetSession(Relay());
  const std::string offer = Taken(called.OfferFor(LegSide::kB));
  EXPECT_TRUE(Has(offer, "m=audio 50002 UDP/TLS/RTP/SAVP 0\r\n"));
  EXPECT_FALSE(Has(offer, "ice"));
  EXPECT_EQ(ReasonOf(called.ReceiveAnswer(LegSide::kB,
                                          DtlsSdp(9, 'B', "actpass", ""))),
            "DTLS_SETUP_INVALID");
  ASSERT_TRUE(
      called.ReceiveAnswer(LegSide::kB, DtlsSdp(9000, 'B', "active", "")).ok());
  EXPECT_EQ(called.wanted()[1].remote, (MediaAddress{"192.0.2.1", 9000, 9000}));
}

TEST_F(CallMediaTest, MultiplexingIsTakenWhereItIsOffered) {  // RFC 5761
  CallMedia media(kUnsecured, kUnsecured, random_);
  ASSERT_TRUE(media
                  .ReceiveOffer(LegSide::kA,
                                Sdp("192.0.2.1", 4000, "", "a=rtcp-mux\r\n"))
                  .ok());
  EXPECT_TRUE(media.wanted()[0].rtcp_mux);
  EXPECT_EQ(media.wanted()[0].remote, (MediaAddress{"192.0.2.1", 4000, 4000}));
  media.SetSession(Session(false, false));
  EXPECT_FALSE(Has(*media.OfferFor(LegSide::kB), "rtcp-mux"));
  // Nobody had offered it there.
  ASSERT_TRUE(media
                  .ReceiveAnswer(LegSide::kB,
                                 Sdp("192.0.2.2", 5000, "", "a=rtcp-mux\r\n"))
                  .ok());
  EXPECT_FALSE(media.wanted()[1].rtcp_mux);
  const std::string answer = *media.AnswerFor(LegSide::kA);
  EXPECT_TRUE(Has(answer, "a=rtcp-mux\r\n"));
  media.Finish();
  // A later offer of ours keeps it, and the answer may end it.
  ASSERT_TRUE(media.ReceiveOffer(LegSide::kB, Sdp("192.0.2.2", 5000, "")).ok());
  EXPECT_TRUE(Has(*media.OfferFor(LegSide::kA), "a=rtcp-mux\r\n"));
  ASSERT_TRUE(
      media.ReceiveAnswer(LegSide::kA, Sdp("192.0.2.1", 4000, "")).ok());
  EXPECT_FALSE(media.wanted()[0].rtcp_mux);
  EXPECT_EQ(media.wanted()[0].remote, (MediaAddress{"192.0.2.1", 4000, 4001}));
}

}  // namespace
}  // namespace sallyport::signaling_edge
