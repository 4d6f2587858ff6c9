#include "services/signaling_edge/core/media_setup.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

std::string Fingerprint(size_t octets, std::string_view pair = "AB") {
  std::string out(pair);
  for (size_t i = 1; i < octets; ++i) CatTo(out, ":", pair);
  return out;
}

SdpMedia Media(std::vector<SdpAttribute> attributes) {
  SdpMedia media;
  media.type = "audio";
  media.port = 9;
  media.attributes = std::move(attributes);
  return media;
}

TEST(DtlsOfTest, FingerprintAndRole) {
  const SdpSession session;
  const auto dtls = DtlsOf(
      session, Media({{"fingerprint", Cat("SHA-256 ", Fingerprint(32, "ab"))},
                      {"setup", "actpass"},
                      {"tls-id", "abc3de65cddef001be82"}}));
  ASSERT_TRUE(dtls.ok()) << dtls.status();
  EXPECT_EQ(dtls->fingerprint, Cat("sha-256 ", Fingerprint(32)));
  EXPECT_EQ(dtls->setup, DtlsSetup::kActPass);
  EXPECT_EQ(dtls->tls_id, "abc3de65cddef001be82");
}

// RFC 8122 section 5: those of the media count before those of the session,
// and of several the strongest.
TEST(DtlsOfTest, TheStrongestOfTheNearest) {
  SdpSession session;
  session.attributes = {{"fingerprint", Cat("sha-512 ", Fingerprint(64))},
                        {"setup", "passive"}};
  EXPECT_EQ(DtlsOf(session, Media({}))->fingerprint,
            Cat("sha-512 ", Fingerprint(64)));
  EXPECT_EQ(DtlsOf(session, Media({}))->setup, DtlsSetup::kPassive);
  const auto dtls = DtlsOf(
      session, Media({{"fingerprint", Cat("sha-1 ", Fingerprint(20))},
                      {"fingerprint", Cat("sha-256 ", Fingerprint(32))},
                      {"fingerprint", Cat("sha-384 ", Fingerprint(48, "CD"))},
                      {"setup", "active"}}));
  ASSERT_TRUE(dtls.ok()) << dtls.status();
  EXPECT_EQ(dtls->fingerprint, Cat("sha-384 ", Fingerprint(48, "CD")));
  EXPECT_EQ(dtls->setup, DtlsSetup::kActive);
}

TEST(DtlsOfTest, Faults) {
  const auto reason = [](std::string fingerprint, std::string setup) {
    std::vector<SdpAttribute> attributes = {{"setup", setup}};
    if (!fingerprint.empty()) {
      attributes.push_back({"fingerprint", fingerprint});
    }
    return ReasonOf(DtlsOf(SdpSession(), Media(attributes)).status());
  };
  const std::string good = Cat("sha-256 ", Fingerprint(32));
  EXPECT_EQ(reason(good, "actpass"), "");
  EXPECT_EQ(reason("", "actpass"), "SECURITY_MODE_SRTP_REQUIRED");
  for (const std::string& bad :
       {Cat("sha-1 ", Fingerprint(20)), Cat("sha-256 ", Fingerprint(31)),
        Cat("sha-256 ", Fingerprint(33)),
        Cat("sha-256 ", Fingerprint(32, "XY")), std::string("sha-256"),
        Cat(good, " more"), Cat("sha-256 ", std::string(95, 'A'))}) {
    EXPECT_EQ(reason(bad, "actpass"), "DTLS_FINGERPRINT_INVALID") << bad;
  }
  for (const char* bad : {"", "holdconn", "ACTIVE", "active passive"}) {
    EXPECT_EQ(reason(good, bad), "DTLS_SETUP_INVALID") << bad;
  }
}

TEST(IceTest, CredentialsOfAFullAgent) {
  SdpSession session;
  const SdpAttribute ufrag = {"ice-ufrag", "ufrg"};
  const SdpAttribute password = {"ice-pwd", "password/with+22characters"};
  EXPECT_EQ(*IceUfragOf(session, Media({ufrag, password})), "ufrg");
  session.attributes = {ufrag, password};
  EXPECT_EQ(*IceUfragOf(session, Media({})), "ufrg");
  EXPECT_EQ(
      ReasonOf(IceUfragOf(session, Media({{"ice-mismatch", std::nullopt}}))
                   .status()),
      "ICE_REQUIRED");
  EXPECT_EQ(
      ReasonOf(IceUfragOf(session, Media({{"ice-ufrag", "abc"}})).status()),
      "ICE_MALFORMED");
  EXPECT_EQ(
      ReasonOf(IceUfragOf(session, Media({{"ice-pwd", "short"}})).status()),
      "ICE_MALFORMED");
  session.attributes = {ufrag};
  EXPECT_EQ(ReasonOf(IceUfragOf(session, Media({})).status()), "ICE_REQUIRED");
  session.attributes = {ufrag, password, {"ice-lite", std::nullopt}};
  EXPECT_EQ(ReasonOf(IceUfragOf(session, Media({})).status()),
            "ICE_FULL_AGENT_REQUIRED");
}

TEST(IceTest, OurSide) {  // RFC 8839 section 5.1
  SdpMedia media;
  AddIce({"ours", "secret"}, "203.0.113.1", 50000, media);
  ASSERT_EQ(media.attributes.size(), 3u);
  EXPECT_EQ(*media.Find("ice-ufrag")->value, "ours");
  EXPECT_EQ(*media.Find("ice-pwd")->value, "secret");
  EXPECT_EQ(*media.Find("candidate")->value,
            "1 1 UDP 2130706431 203.0.113.1 50000 typ host");
}

}  // namespace
}  // namespace sallyport::signaling_edge
