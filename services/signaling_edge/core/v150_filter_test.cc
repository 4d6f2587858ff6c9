#include "services/signaling_edge/core/v150_filter.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kHead =
    "v=0\r\n"
    "o=CiscoSystemsSIP-GW-UserAgent 5944 7031 IN IP4 192.0.2.1\r\n"
    "s=SIP Call\r\n"
    "c=IN IP4 192.0.2.1\r\n"
    "t=0 0\r\n";

struct Case {
  const char* name;
  V150Filtering filter;
  const char* before;  // behind kHead
  const char* after;
};

// A gateway with modem relay by MER, and T.38.
constexpr char kMer[] =
    "m=audio 18806 RTP/AVP 0 118 100\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:118 v150fw/8000\r\n"
    "a=fmtp:118 events=1-5\r\n"
    "a=rtpmap:100 X-NSE/8000\r\n"
    "a=fmtp:100 192-194,200-202\r\n"
    "a=ptime:20\r\n"
    "a=sqn:0\r\n"
    "a=cdsc:1 audio RTP/AVP 118 0 18\r\n"
    "a=cdsc:4 audio udpsprt 120\r\n"
    "a=cpar:a=sprtmap:120 v150mr/8000\r\n"
    "a=cpar:a=fmtp:120 mr=1;mg=0;CDSCselect=1;mrmods=1-4;jmdelay=no\r\n"
    "a=sendrecv\r\n";
// One with Cisco's own, before.
constexpr char kPreMer[] =
    "m=audio 18806 RTP/AVP 0 100 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:100 X-NSE/8000\r\n"
    "a=fmtp:100 192-194,200-202\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=X-sqn:0\r\n"
    "a=X-cap: 1 audio RTP/AVP 100\r\n"
    "a=X-cpar: a=rtpmap:100 X-NSE/8000\r\n"
    "a=X-cpar: a=fmtp:100 192-194,200-202\r\n"
    "a=X-cap: 6 application udp X-tmr\r\n"
    "a=fmtp:101 0-16\r\n";
// T.38 by RFC 3407, and fax pass-through by NSE: neither is modem relay.
constexpr char kFax[] =
    "m=audio 18806 RTP/AVP 0 100\r\n"
    "a=rtpmap:100 X-NSE/8000\r\n"
    "a=fmtp:100 192-194\r\n"
    "a=sqn:0\r\n"
    "a=cdsc:1 audio RTP/AVP 0\r\n"
    "a=cdsc:2 image udptl t38\r\n"
    "a=cpar:a=T38FaxMaxBuffer:72\r\n";

constexpr Case kCases[] = {
    {"DefaultTakesNothingOut", V150Filtering::kUseDefault, kMer, kMer},
    {"NoFilteringTakesNothingOut", V150Filtering::kNoFiltering, kPreMer,
     kPreMer},
    {"Mer", V150Filtering::kRemoveMer, kMer,
     "m=audio 18806 RTP/AVP 0 100\r\n"
     "a=rtpmap:0 PCMU/8000\r\n"
     "a=rtpmap:100 X-NSE/8000\r\n"
     "a=fmtp:100 192-194,200-202\r\n"
     "a=ptime:20\r\n"
     "a=sendrecv\r\n"},
    {"MerLeavesWhatWasBefore", V150Filtering::kRemoveMer, kPreMer, kPreMer},
    {"PreMer", V150Filtering::kRemovePreMer, kPreMer,
     "m=audio 18806 RTP/AVP 0 101\r\n"
     "a=rtpmap:0 PCMU/8000\r\n"
     "a=rtpmap:101 telephone-event/8000\r\n"
     "a=fmtp:101 0-16\r\n"},
    {"PreMerLeavesMer", V150Filtering::kRemovePreMer, kMer, kMer},
    {"MerLeavesFax", V150Filtering::kRemoveMer, kFax, kFax},
    {"PreMerLeavesFax", V150Filtering::kRemovePreMer, kFax, kFax},
    // Spelled as some do, in bare lines.
    {"InAnyCase", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP  8   97\n"
     "a=rtpmap:97 V150FW/8000\n"
     "a=CDSC:1 audio UDPSPRT 114\n"
     "a=ptime:30\n",
     "m=audio 4000 RTP/AVP 8\n"
     "a=ptime:30\n"},
    // A capability alone, by its transport or by what a cpar says.
    {"DeclaredByTransport", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP 8\r\n"
     "a=sqn:0\r\n"
     "a=cdsc:1 audio udpsprt 114\r\n"
     "a=inactive\r\n",
     "m=audio 4000 RTP/AVP 8\r\n"
     "a=inactive\r\n"},
    {"DeclaredByParameter", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP 8\r\n"
     "a=sqn:0\r\n"
     "a=cdsc:1 audio udsprt 114\r\n"
     "a=cpar: a=sprtmap: 114 v150mr/8000\r\n",
     "m=audio 4000 RTP/AVP 8\r\n"},
    {"OfTheSession", V150Filtering::kRemoveMer,
     "a=sqn:0\r\n"
     "a=cdsc:1 audio udpsprt 114\r\n"
     "a=tool:x\r\n"
     "m=audio 4000 RTP/AVP 8\r\n",
     "a=tool:x\r\n"
     "m=audio 4000 RTP/AVP 8\r\n"},
    {"EarlyOfTheSession", V150Filtering::kRemovePreMer,
     "a=X-sqn:0\r\n"
     "a=X-cap:1 audio RTP/AVP 100\r\n"
     "m=audio 4000 RTP/AVP 8 100\r\n"
     "a=rtpmap:100 X-NSE/8000\r\n",
     "m=audio 4000 RTP/AVP 8\r\n"},
    // The answer needs as many lines.
    {"ALineOfTheTransport", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP 0\r\n"
     "m=audio 4002/2 udpsprt 120\r\n"
     "i=modem\r\n"
     "a=sprtmap:120 v150mr/8000\r\n"
     "a=sprtparm:140 132 132 140 32 8\r\n"
     "a=sendrecv\r\n"
     "m=video 4004 RTP/AVP 34\r\n"
     "a=rtpmap:34 H263/90000\r\n",
     "m=audio 4000 RTP/AVP 0\r\n"
     "m=audio 0 udpsprt 120\r\n"
     "i=modem\r\n"
     "m=video 4004 RTP/AVP 34\r\n"
     "a=rtpmap:34 H263/90000\r\n"},
    {"ALineOfWhichNothingIsLeft", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP 118\r\n"
     "a=rtpmap:118 v150fw/8000\r\n"
     "a=ptime:20\r\n",
     "m=audio 0 RTP/AVP 118\r\n"},
    // Each line has format numbers of its own.
    {"NumbersAreOfTheirLine", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP 0 97\r\n"
     "a=rtpmap:97 v150fw/8000\r\n"
     "m=video 4002 RTP/AVP 97\r\n"
     "a=rtpmap:97 H264/90000\r\n"
     "a=fmtp:97 packetization-mode=1\r\n",
     "m=audio 4000 RTP/AVP 0\r\n"
     "m=video 4002 RTP/AVP 97\r\n"
     "a=rtpmap:97 H264/90000\r\n"
     "a=fmtp:97 packetization-mode=1\r\n"},
    {"WhatIsNoMappingIsNone", V150Filtering::kRemoveMer,
     "m=audio 4000 RTP/AVP 0\r\n"
     "a=rtpmap\r\n"
     "a=rtpmap:\r\n"
     "a=rtpmap:v150fw\r\n"
     "a=cdsc:\r\n"
     "a=cpar:a\r\n",
     "m=audio 4000 RTP/AVP 0\r\n"
     "a=rtpmap\r\n"
     "a=rtpmap:\r\n"
     "a=rtpmap:v150fw\r\n"
     "a=cdsc:\r\n"
     "a=cpar:a\r\n"},
};

class V150FilterTest : public testing::TestWithParam<Case> {};

std::string Whole(const char* lines) { return std::string(kHead) + lines; }

TEST_P(V150FilterTest, OfText) {
  const std::string before = Whole(GetParam().before);
  const auto offer = ParseSdp(before);
  ASSERT_TRUE(offer.ok()) << offer.status();
  EXPECT_EQ(WithoutV150(before, *offer, GetParam().filter),
            Whole(GetParam().after));
}

// The value is what the text says.
TEST_P(V150FilterTest, OfAValue) {
  const auto before = ParseSdp(Whole(GetParam().before));
  const auto after = ParseSdp(Whole(GetParam().after));
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_EQ(WriteSdp(WithoutV150(*before, GetParam().filter)),
            WriteSdp(*after));
}

INSTANTIATE_TEST_SUITE_P(Offers, V150FilterTest, testing::ValuesIn(kCases),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace sallyport::signaling_edge
