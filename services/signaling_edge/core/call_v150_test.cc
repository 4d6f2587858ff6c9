// Modem relay in offers to trunks (SIP V.150 Outbound SDP Offer Filtering).

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// With modem relay, and what is left of it.
std::string Modem(std::string_view address) {
  return Cat("v=0\r\no=x 1 1 IN IP4 ", address, "\r\ns=-\r\nc=IN IP4 ", address,
             "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 118\r\n"
             "a=rtpmap:0 PCMU/8000\r\na=rtpmap:118 v150fw/8000\r\n"
             "a=sqn:0\r\na=cdsc:1 audio RTP/AVP 118\r\n"
             "a=cdsc:2 audio udpsprt 120\r\na=ptime:20\r\n");
}
std::string Plain(std::string_view address) {
  return Cat("v=0\r\no=x 1 1 IN IP4 ", address, "\r\ns=-\r\nc=IN IP4 ", address,
             "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
             "a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n");
}

// pbx calls gw, where media is anchored, and far, where it is as `mode` says.
class CallV150Test : public EdgeCoreTest {
 protected:
  void Filter(std::string_view peer, V150Filtering filter,
              MediaMode mode = MediaMode::kAnchored) {
    auto plan = TestPlan();
    plan->trunk_security_profiles.resize(1);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].v150_filtering = filter;
    for (PeerEntry& each : plan->peers) {
      if (each.name == Cat("tenants/t/peers/", peer)) {
        each.trunk_security_profile = plan->trunk_security_profiles[0].name;
      }
    }
    for (DialPlanEntry& entry : plan->dial_plans) entry.media_mode = mode;
    edge_.Load(plan);
    edge_.Forget();
  }
  // From pbx; the INVITE at gw or far.
  Sent Dial(std::string_view number, std::string_view sdp) {
    edge_.ReceiveUdp(kPbx, PbxInvite(number, sdp));
    const auto trying = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(trying && trying->message.status_code() == 100);
    if (!edge_.resolves.empty()) {
      edge_.Perform(edge_.core().OnHostResolved(
          edge_.resolves[0].query,
          std::vector<SocketAddress>{*SocketAddress::FromIp("192.0.2.30", 0)},
          edge_.now()));
    }
    const auto sent =
        edge_.TakeTo(edge_.AcceptDialled(number[0] == '9' ? "gw.d.test" : ""));
    EXPECT_TRUE(sent.has_value());
    return sent.has_value() ? *sent : Sent{};
  }
  // The 200 to pbx, when gw or far has said this.
  std::string Answered(const Sent& invite, std::string_view sdp) {
    edge_.Answer(invite, 200, "g1", sdp);
    const auto ok = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    return ok ? std::string(ok->message.body()) : "";
  }
};

TEST_F(CallV150Test, AnAnchoredOfferLosesItsFormats) {
  Filter("gw", V150Filtering::kRemoveMer);
  const Sent invite = Dial("95551234", Modem("192.0.2.10"));
  EXPECT_TRUE(Has(invite.message.body(), "RTP/AVP 0\r\n"));
  EXPECT_FALSE(Has(invite.message.body(), "118"));
  EXPECT_TRUE(Has(invite.message.body(), "a=ptime:20"));
}

class CallV150UnfilteredTest
    : public CallV150Test,
      public testing::WithParamInterface<V150Filtering> {};

TEST_P(CallV150UnfilteredTest, TheyPass) {
  Filter("gw", GetParam());
  const Sent invite = Dial("95551234", Modem("192.0.2.10"));
  EXPECT_TRUE(Has(invite.message.body(), "RTP/AVP 0 118\r\n"));
  EXPECT_TRUE(Has(invite.message.body(), "a=rtpmap:118 v150fw/8000"));
}

INSTANTIATE_TEST_SUITE_P(Filters, CallV150UnfilteredTest,
                         testing::Values(V150Filtering::kUseDefault,
                                         V150Filtering::kNoFiltering,
                                         V150Filtering::kRemovePreMer));

// Only offers are filtered: an answer says what was offered.
TEST_F(CallV150Test, AnAnswerToTheTrunkKeepsThem) {
  Filter("pbx", V150Filtering::kRemoveMer);
  const Sent invite = Dial("95551234", Modem("192.0.2.10"));
  EXPECT_TRUE(Has(invite.message.body(), "RTP/AVP 0 118\r\n"));
  EXPECT_TRUE(Has(Answered(invite, Modem("192.0.2.20")), "RTP/AVP 0 118\r\n"));
}

TEST_F(CallV150Test, ALateOfferInAnAnswerIsOne) {
  Filter("pbx", V150Filtering::kRemoveMer);
  const Sent invite = Dial("95551234", "");
  const std::string offer = Answered(invite, Modem("192.0.2.20"));
  EXPECT_TRUE(Has(offer, "RTP/AVP 0\r\n"));
  EXPECT_FALSE(Has(offer, "118"));
}

TEST_F(CallV150Test, NothingButModemRelayIsRefused) {
  Filter("gw", V150Filtering::kRemoveMer);
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234",
                                   "v=0\r\no=x 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"
                                   "c=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                                   "m=audio 4000 RTP/AVP 118\r\n"
                                   "a=rtpmap:118 v150fw/8000\r\n"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 488);
  EXPECT_EQ(edge_.Refusals(), "MEDIA_NOT_SUPPORTED");
}

TEST_F(CallV150Test, AnOfferFromEndToEndLosesItsLines) {
  Filter("far", V150Filtering::kRemoveMer, MediaMode::kPassThrough);
  const Sent invite = Dial("75551234", Modem("192.0.2.10"));
  EXPECT_EQ(invite.message.body(), Plain("192.0.2.10"));
  // What it answers comes as it is.
  EXPECT_EQ(Answered(invite, Plain("192.0.2.30")), Plain("192.0.2.30"));
}

TEST_F(CallV150Test, FromEndToEndWithoutAFilterNothingChanges) {
  Filter("far", V150Filtering::kNoFiltering, MediaMode::kPassThrough);
  const Sent invite = Dial("75551234", Modem("192.0.2.10"));
  EXPECT_EQ(invite.message.body(), Modem("192.0.2.10"));
}

TEST_F(CallV150Test, AnAnswerFromEndToEndKeepsIts) {
  Filter("pbx", V150Filtering::kRemoveMer, MediaMode::kPassThrough);
  const Sent invite = Dial("75551234", Modem("192.0.2.10"));
  EXPECT_EQ(invite.message.body(), Modem("192.0.2.10"));
  EXPECT_EQ(Answered(invite, Modem("192.0.2.30")), Modem("192.0.2.30"));
}

TEST_F(CallV150Test, ALateOfferFromEndToEndIsOne) {
  Filter("pbx", V150Filtering::kRemoveMer, MediaMode::kPassThrough);
  const Sent invite = Dial("75551234", "");
  EXPECT_EQ(Answered(invite, Modem("192.0.2.30")), Plain("192.0.2.30"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
