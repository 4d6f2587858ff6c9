#include "services/signaling_edge/core/security_mode.h"

#include <string>
#include <tuple>
#include <utility>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr SrtpSuite kSuites[] = {SrtpSuite::kAesCm128HmacSha1_80};
constexpr char kCrypto[] =
    "1 AES_CM_128_HMAC_SHA1_80 "
    "inline:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw";

// Every shape of an m= line that matters here.
enum class Shape {
  kNoMedia,
  kRtp,
  kRtpWithKey,  // "best effort": AVP and a key
  kSrtp,
  kSrtpNoKey,
  kSrtpUnknownSuite,
  kDtls,
  kFax,             // udptl
  kRtpThenSrtp,     // two lines, one of each
  kSrtpAndRefused,  // a second line with port 0
};

SdpMedia Line(std::string protocol, bool key, uint16_t port = 4000) {
  SdpMedia media;
  media.type = "audio";
  media.port = port;
  media.protocol = std::move(protocol);
  media.formats = {"0"};
  if (key) media.attributes.push_back({"crypto", kCrypto});
  return media;
}

SdpSession Describe(Shape shape) {
  SdpSession session;
  auto& media = session.media;
  switch (shape) {
    case Shape::kNoMedia:
      break;
    case Shape::kRtp:
      media = {Line("RTP/AVP", false)};
      break;
    case Shape::kRtpWithKey:
      media = {Line("RTP/AVP", true)};
      break;
    case Shape::kSrtp:
      media = {Line("RTP/SAVP", true)};
      break;
    case Shape::kSrtpNoKey:
      media = {Line("RTP/SAVP", false)};
      break;
    case Shape::kSrtpUnknownSuite:
      media = {Line("RTP/SAVP", false)};
      media[0].attributes.push_back({"crypto", "1 F8_128_HMAC_SHA1_80 x"});
      break;
    case Shape::kDtls:
      media = {Line("UDP/TLS/RTP/SAVPF", false)};
      break;
    case Shape::kFax:
      media = {Line("udptl", false)};
      break;
    case Shape::kRtpThenSrtp:
      media = {Line("RTP/AVP", false), Line("RTP/SAVP", true)};
      break;
    case Shape::kSrtpAndRefused:
      media = {Line("RTP/SAVP", true), Line("RTP/AVP", false, 0)};
      break;
  }
  return session;
}

// The rule restated from the requirements, apart from the code: mode x
// transport x shape, every combination.
std::string Expected(SecurityMode mode, bool tls, Shape shape) {
  if (mode == SecurityMode::kUnsecured && tls) {
    return "SECURITY_MODE_TLS_NOT_ALLOWED";  // UM-100
  }
  if (mode != SecurityMode::kUnsecured && !tls) {
    return "SECURITY_MODE_TLS_REQUIRED";  // UM-96, UM-97
  }
  const bool protects =
      shape == Shape::kSrtp || shape == Shape::kSrtpAndRefused;
  const bool holds_srtp_line = protects || shape == Shape::kSrtpNoKey ||
                               shape == Shape::kSrtpUnknownSuite ||
                               shape == Shape::kDtls ||
                               shape == Shape::kRtpThenSrtp;
  if (mode == SecurityMode::kSecured) {
    if (shape == Shape::kDtls) return "SRTP_KEYING_NOT_ALLOWED";
    return protects || shape == Shape::kNoMedia ? ""
                                                : "SECURITY_MODE_SRTP_REQUIRED";
  }
  return holds_srtp_line ? "SECURITY_MODE_SRTP_NOT_ALLOWED" : "";
}

using Row = std::tuple<SecurityMode, bool, Shape>;
class SecurityModeMatrixTest : public testing::TestWithParam<Row> {};

TEST_P(SecurityModeMatrixTest, ReceivedDescriptionsHoldTheMode) {
  const auto [mode, tls, shape] = GetParam();
  EXPECT_EQ(
      ReasonOf(CheckReceived(mode, tls, Describe(shape), {.suites = kSuites})),
      Expected(mode, tls, shape));
}

// Whatever shape we would ever build by mistake: a key never leaves on a leg
// that is clear or not SECURED, and a secured leg never gets plain media.
// AVE-54.
TEST_P(SecurityModeMatrixTest, SentDescriptionsNeverLeakOrDowngrade) {
  const auto [mode, tls, shape] = GetParam();
  const SdpSession session = Describe(shape);
  const absl::Status status = CheckSent(mode, tls, SrtpKeying::kSdes, session);
  bool key = false;
  bool all_srtp = true;
  for (const SdpMedia& media : session.media) {
    if (media.Find("crypto") != nullptr) key = true;
    if (media.port != 0 && media.protocol != "RTP/SAVP") all_srtp = false;
  }
  if (key && (!tls || mode != SecurityMode::kSecured)) {
    EXPECT_FALSE(status.ok());
  }
  if (mode == SecurityMode::kSecured && !all_srtp) {
    EXPECT_FALSE(status.ok());
  }
  if (!status.ok()) {
    EXPECT_EQ(ReasonOf(status), "SECURITY_MODE_VIOLATION");
  }
  const bool good =
      mode == SecurityMode::kSecured
          ? tls && (shape == Shape::kSrtp || shape == Shape::kSrtpAndRefused)
          : tls == (mode == SecurityMode::kSipSecured) && shape == Shape::kRtp;
  if (good) {
    EXPECT_TRUE(status.ok()) << status;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SecurityModeMatrixTest,
    testing::Combine(
        testing::Values(SecurityMode::kUnsecured, SecurityMode::kSipSecured,
                        SecurityMode::kSecured),
        testing::Bool(),
        testing::Values(Shape::kNoMedia, Shape::kRtp, Shape::kRtpWithKey,
                        Shape::kSrtp, Shape::kSrtpNoKey,
                        Shape::kSrtpUnknownSuite, Shape::kDtls, Shape::kFax,
                        Shape::kRtpThenSrtp, Shape::kSrtpAndRefused)));

// UM-91: three modes.
TEST(SecurityModeTest, NamesAreTheOnesOfTheApi) {
  EXPECT_EQ(SecurityModeName(SecurityMode::kUnsecured), "UNSECURED");
  EXPECT_EQ(SecurityModeName(SecurityMode::kSipSecured), "SIP_SECURED");
  EXPECT_EQ(SecurityModeName(SecurityMode::kSecured), "SECURED");
}

}  // namespace
}  // namespace sallyport::signaling_edge
