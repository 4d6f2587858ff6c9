#include "services/signaling_edge/core/leg_media.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kOffer[] =
    "v=0\r\n"
    "o=alice 3931213131 7 IN IP4 192.0.2.7\r\n"
    "s=private name\r\n"
    "c=IN IP4 192.0.2.7\r\n"
    "t=0 0\r\n"
    "a=tool:phone 1.0\r\n"
    "a=sendonly\r\n"
    "m=video 5000 RTP/SAVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "m=audio 10042 RTP/SAVP 0 101\r\n"
    "b=AS:125\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=rtcp:10099 IN IP4 198.51.100.1\r\n"
    "a=ice-ufrag:abcd\r\n"
    "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw\r\n"
    "a=ptime:20\r\n";

SdpSession Read(std::string_view text) {
  auto sdp = ParseSdp(text);
  EXPECT_TRUE(sdp.ok()) << sdp.status();
  return sdp.ok() ? *std::move(sdp) : SdpSession{};
}

LegMedia OurLeg() {
  LegMedia leg;
  leg.origin = {"-", "42", "1", "IP4", "203.0.113.1"};
  leg.relay = {"203.0.113.1", 50000, 50001};
  return leg;
}

TEST(LegMediaTest, FindsTheAudioLineAndItsAddress) {
  const SdpSession offer = Read(kOffer);
  const auto line = AnchoredLine(offer);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(*line, 1u);
  const auto address = MediaAddressOf(offer, *line);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(*address, (MediaAddress{"192.0.2.7", 10042, 10099}));
}

TEST(LegMediaTest, ARtpLegSeesCodecsAndNothingElseOfTheOtherSide) {
  EXPECT_EQ(WriteSdp(DescribeForLeg(Read(kOffer), 1, OurLeg())),
            "v=0\r\n"
            "o=- 42 1 IN IP4 203.0.113.1\r\n"
            "s=-\r\n"
            "c=IN IP4 203.0.113.1\r\n"
            "t=0 0\r\n"
            "m=video 0 RTP/SAVP 96\r\n"
            "m=audio 50000 RTP/AVP 0 101\r\n"
            "b=AS:125\r\n"
            "a=rtpmap:0 PCMU/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n"
            "a=fmtp:101 0-15\r\n"
            "a=ptime:20\r\n"
            "a=sendonly\r\n");
}

TEST(LegMediaTest, ASecuredLegGetsOurKeyAndNotTheirs) {
  LegMedia leg = OurLeg();
  leg.protocol = "RTP/SAVP";
  leg.relay.rtcp_port = 50007;
  leg.cryptos = {SdesCrypto{.tag = 1,
                            .suite_name = "AES_CM_128_HMAC_SHA1_80",
                            .suite = SrtpSuite::kAesCm128HmacSha1_80,
                            .keys = {{std::string(30, 'k')}}}};
  const std::string text = WriteSdp(DescribeForLeg(Read(kOffer), 1, leg));
  EXPECT_NE(text.find("m=audio 50000 RTP/SAVP 0 101\r\n"), std::string::npos);
  EXPECT_NE(text.find("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
                      "inline:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr\r\n"),
            std::string::npos);
  EXPECT_EQ(text.find("MDAwMDAw"), std::string::npos);
  EXPECT_NE(text.find("a=rtcp:50007\r\n"), std::string::npos);
}

TEST(LegMediaTest, IpVersionsAreSaidAsTheyAre) {
  LegMedia leg = OurLeg();
  leg.relay.ip = "2001:db8::5";
  const SdpSession out = DescribeForLeg(Read(kOffer), 1, leg);
  EXPECT_EQ(out.connection->address_type, "IP6");
  const SdpSession six = Read(
      "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::9\r\n"
      "m=audio 4000 RTP/AVP 0\r\n");
  EXPECT_EQ(MediaAddressOf(six, 0)->ip, "2001:db8::9");
}

TEST(LegMediaTest, CodecsAreKnownByRtpmapOrByStaticType) {
  SdpMedia media;
  media.attributes = {{"rtpmap", "96 PCMU/8000/1"},
                      {"rtpmap", "97 opus/48000/2"},
                      {"rtpmap", "8 X-own/16000"}};
  EXPECT_EQ(CodecOf(media, "96"), "pcmu/8000");
  EXPECT_EQ(CodecOf(media, "97"), "opus/48000/2");
  EXPECT_EQ(CodecOf(media, "8"), "x-own/16000");
  EXPECT_EQ(CodecOf(media, "18"), "g729/8000");
  EXPECT_EQ(CodecOf(media, "98"), "");
}

TEST(LegMediaTest, WhatTwoOffersHaveInCommonKeepsItsOwnTypes) {
  SdpMedia one;
  one.formats = {"9", "0", "96", "98"};
  one.attributes = {{"rtpmap", "96 telephone-event/8000"},
                    {"fmtp", "96 0-15"},
                    {"rtpmap", "9 G722/8000"},
                    {"ptime", "20"},
                    {"sendonly", std::nullopt}};
  SdpMedia other;
  other.formats = {"101", "97", "98"};
  other.attributes = {{"rtpmap", "101 telephone-event/8000"},
                      {"rtpmap", "97 PCMU/8000"}};
  const SdpMedia common = CommonOf(one, other, SdpDirection::kSendRecv);
  EXPECT_EQ(common.formats, (std::vector<std::string>{"0", "96"}));
  EXPECT_EQ(common.attributes,
            (std::vector<SdpAttribute>{{"rtpmap", "96 telephone-event/8000"},
                                       {"fmtp", "96 0-15"},
                                       {"ptime", "20"},
                                       {"sendrecv", std::nullopt}}));
}

TEST(LegMediaTest, TonesAloneAreNoCodec) {
  SdpMedia one;
  one.formats = {"0", "13", "96"};
  one.attributes = {{"rtpmap", "96 telephone-event/8000"}};
  SdpMedia other;
  other.formats = {"8", "13", "96"};
  other.attributes = one.attributes;
  EXPECT_TRUE(CommonOf(one, other, SdpDirection::kSendRecv).formats.empty());
}

TEST(LegMediaTest, RefusesWhatTheRelayCannotCarry) {
  constexpr char kHead[] = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";
  for (const char* tail :
       {"", "m=audio 0 RTP/AVP 0\r\n", "m=video 4000 RTP/AVP 31\r\n",
        "m=image 4000 udptl t38\r\n", "m=audio 4000/2 RTP/AVP 0\r\n",
        "m=audio 4000 TCP/RTP/AVP 0\r\n"}) {
    EXPECT_EQ(ReasonOf(AnchoredLine(Read(std::string(kHead) + tail)).status()),
              "MEDIA_NOT_SUPPORTED")
        << tail;
  }
  for (const char* connection :
       {"", "c=IN IP4 media.example.com\r\n", "c=IN IP4 224.2.1.1/127\r\n",
        "c=IN IP6 192.0.2.1\r\n", "c=IN IP4 ::1\r\n"}) {
    const SdpSession session =
        Read(std::string(kHead) + connection + "m=audio 4000 RTP/AVP 0\r\n");
    EXPECT_EQ(ReasonOf(MediaAddressOf(session, 0).status()),
              "MEDIA_NOT_SUPPORTED")
        << connection;
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
