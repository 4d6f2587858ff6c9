#include "services/signaling_edge/core/sdp.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;

// What baresip 1.0 offers with srtp-mand, numbers changed.
constexpr char kPhoneOffer[] =
    "v=0\r\n"
    "o=- 3931213131 1172342211 IN IP4 192.0.2.7\r\n"
    "s=-\r\n"
    "c=IN IP4 192.0.2.7\r\n"
    "t=0 0\r\n"
    "a=tool:baresip 1.0.0\r\n"
    "m=audio 10042 RTP/SAVP 0 8 101\r\n"
    "b=AS:125\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=rtcp:10043\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw\r\n"
    "a=sendrecv\r\n"
    "a=ptime:20\r\n";

std::string Wrap(std::string_view line) {
  return Cat("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n", line,
             "\r\n");
}

TEST(SdpTest, ReadsWhatAPhoneOffers) {
  const auto sdp = ParseSdp(kPhoneOffer);
  ASSERT_TRUE(sdp.ok()) << sdp.status();
  EXPECT_EQ(sdp->origin.session_id, "3931213131");
  EXPECT_EQ(sdp->origin.address, "192.0.2.7");
  ASSERT_EQ(sdp->media.size(), 1u);
  const SdpMedia& audio = sdp->media[0];
  EXPECT_EQ(audio.type, "audio");
  EXPECT_EQ(audio.port, 10042);
  EXPECT_EQ(audio.protocol, "RTP/SAVP");
  EXPECT_THAT(audio.formats, ElementsAre("0", "8", "101"));
  EXPECT_THAT(audio.bandwidths, ElementsAre("AS:125"));
  ASSERT_NE(audio.Find("rtcp"), nullptr);
  EXPECT_EQ(audio.Find("rtcp")->value, "10043");
  EXPECT_EQ(DirectionOf(*sdp, audio), SdpDirection::kSendRecv);
  ASSERT_NE(ConnectionOf(*sdp, audio), nullptr);
  EXPECT_EQ(ConnectionOf(*sdp, audio)->address, "192.0.2.7");
}

TEST(SdpTest, WritesWhatItRead) {
  const auto sdp = ParseSdp(kPhoneOffer);
  ASSERT_TRUE(sdp.ok());
  EXPECT_EQ(WriteSdp(*sdp), kPhoneOffer);
}

TEST(SdpTest, AcceptsBareLineFeedsAndTrailingBlankLines) {
  std::string text = kPhoneOffer;
  std::erase(text, '\r');
  text += "\n";
  const auto sdp = ParseSdp(text);
  ASSERT_TRUE(sdp.ok()) << sdp.status();
  EXPECT_EQ(WriteSdp(*sdp), kPhoneOffer);
}

TEST(SdpTest, MediaLevelConnectionAndDirectionWin) {
  const auto sdp = ParseSdp(
      "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=call\r\n"
      "c=IN IP6 2001:db8::1\r\nt=0 0\r\na=inactive\r\n"
      "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\na=recvonly\r\n"
      "m=video 0 RTP/AVP 31\r\n");
  ASSERT_TRUE(sdp.ok()) << sdp.status();
  EXPECT_EQ(ConnectionOf(*sdp, sdp->media[0])->address, "192.0.2.9");
  EXPECT_EQ(DirectionOf(*sdp, sdp->media[0]), SdpDirection::kRecvOnly);
  EXPECT_EQ(ConnectionOf(*sdp, sdp->media[1])->address, "2001:db8::1");
  EXPECT_EQ(DirectionOf(*sdp, sdp->media[1]), SdpDirection::kInactive);
}

TEST(SdpTest, NullAddressIsTheOldWayToHold) {  // RFC 3264 section 8.4
  const auto sdp = ParseSdp(Wrap("c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0"));
  ASSERT_TRUE(sdp.ok()) << sdp.status();
  EXPECT_EQ(DirectionOf(*sdp, sdp->media[0]), SdpDirection::kSendOnly);
}

TEST(SdpTest, DropsPrivateTextAndClearKeys) {
  const auto sdp = ParseSdp(
      "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\ni=private\r\n"
      "e=someone@example.com\r\np=+1 555\r\nt=0 0\r\nk=clear:password\r\n"
      "m=audio 4000 RTP/AVP 0\r\nk=clear:password\r\n");
  ASSERT_TRUE(sdp.ok()) << sdp.status();
  const std::string out = WriteSdp(*sdp);
  EXPECT_EQ(out.find("password"), std::string::npos);
  EXPECT_EQ(out.find("private"), std::string::npos);
  EXPECT_EQ(out.find("someone"), std::string::npos);
}

struct BadCase {
  const char* name;
  std::string body;
};

class SdpRefusalTest : public testing::TestWithParam<BadCase> {};

TEST_P(SdpRefusalTest, IsRefused) {
  const auto sdp = ParseSdp(GetParam().body);
  ASSERT_FALSE(sdp.ok());
  EXPECT_EQ(sdp.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(sdp.status()), "SDP_MALFORMED");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SdpRefusalTest,
    testing::Values(
        BadCase{"empty", ""}, BadCase{"no_version", "o=- 1 1 IN IP4 a\r\n"},
        BadCase{"version_one", "v=1\r\no=- 1 1 IN IP4 a\r\ns=-\r\n"},
        BadCase{"no_origin", "v=0\r\ns=-\r\nt=0 0\r\n"},
        BadCase{"no_name", "v=0\r\no=- 1 1 IN IP4 a\r\nt=0 0\r\n"},
        BadCase{"origin_words", "v=0\r\no=- 1 1 IN IP4\r\ns=-\r\n"},
        BadCase{"origin_number", "v=0\r\no=- x 1 IN IP4 a\r\ns=-\r\n"},
        BadCase{"second_origin", Wrap("o=- 1 1 IN IP4 192.0.2.1")},
        BadCase{"blank_inside", Wrap("\r\nm=audio 1 RTP/AVP 0")},
        BadCase{"no_equals", Wrap("m audio 1 RTP/AVP 0")},
        BadCase{"nul", Wrap(std::string("a=x\0y", 5))},
        BadCase{"bare_cr", Wrap("a=x:\ry")},
        BadCase{"port_large", Wrap("m=audio 65536 RTP/AVP 0")},
        BadCase{"port_negative", Wrap("m=audio -1 RTP/AVP 0")},
        BadCase{"port_text", Wrap("m=audio x RTP/AVP 0")},
        BadCase{"count_zero", Wrap("m=audio 4000/0 RTP/AVP 0")},
        BadCase{"no_format", Wrap("m=audio 4000 RTP/AVP")},
        BadCase{"protocol_empty_part", Wrap("m=audio 4000 RTP//AVP 0")},
        BadCase{"connection_net", Wrap("c=ATM IP4 192.0.2.1")},
        BadCase{"connection_type", Wrap("c=IN IP5 192.0.2.1")},
        BadCase{"connection_space", Wrap("c=IN IP4 192.0.2.1 x")},
        BadCase{"bandwidth", Wrap("b=AS")},
        BadCase{"attribute_empty", Wrap("a=")},
        BadCase{"attribute_no_name", Wrap("a=:x")},
        BadCase{"unknown_kind", Wrap("x=1")},
        BadCase{"url_in_media", Wrap("m=audio 4000 RTP/AVP 0\r\nu=x")}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SdpTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(ReasonOf(ParseSdp(std::string(kMaxSdpBytes + 1, 'v')).status()),
            "SDP_TOO_LARGE");
  std::string lines = Wrap("a=x");
  for (size_t i = 0; i < kMaxSdpLines; ++i) lines += "a=x\r\n";
  EXPECT_EQ(ReasonOf(ParseSdp(lines).status()), "SDP_TOO_LARGE");
  std::string media = Wrap("a=x");
  for (size_t i = 0; i <= kMaxSdpMedia; ++i) media += "m=audio 0 RTP/AVP 0\r\n";
  EXPECT_EQ(ReasonOf(ParseSdp(media).status()), "SDP_TOO_LARGE");
  std::string formats = "m=audio 4000 RTP/AVP";
  for (size_t i = 0; i <= kMaxSdpFormats; ++i) formats += " 0";
  EXPECT_EQ(ReasonOf(ParseSdp(Wrap(formats)).status()), "SDP_MALFORMED");
}

}  // namespace
}  // namespace sallyport::signaling_edge
