// What a call carries from leg to leg beyond its beginning and end: INFO,
// UPDATE, forks, late offers in the middle, and what it does not carry.
#include <string>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

class CallPassingTest : public EdgeCoreTest {
 protected:
  std::string PbxInfo(int cseq, std::string_view tag, std::string_view type,
                      std::string_view body) {
    return Cat(
        "INFO sip:edge@203.0.113.1 SIP/2.0\n"
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinfo",
        cseq,
        "\nMax-Forwards: 70\n"
        "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
        "To: <sip:95551234@203.0.113.1>;tag=",
        tag, "\nCall-ID: pbx1\nCSeq: ", cseq,
        " INFO\nX-Private: secret\nContent-Type: ", type, "\n\n", body);
  }
};

TEST_F(CallPassingTest, InfoCrossesWithItsBodyAndNothingElse) {  // RFC 6086
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(kPbx, PbxInfo(2, Tag(ok), "application/dtmf-relay",
                                 "Signal=5\r\nDuration=160\r\n"));
  auto info = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->message.method(), SipMethod::kInfo);
  EXPECT_EQ(info->message.body(), "Signal=5\r\nDuration=160\r\n");
  EXPECT_EQ(info->message.Value(HeaderId::kContentType),
            "application/dtmf-relay");
  EXPECT_FALSE(info->message.FirstNamed("X-Private").has_value());
  edge_.Answer(*info, 200, "g1");
  auto answer = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 200);
  EXPECT_EQ(answer->message.Value(HeaderId::kCseq), "2 INFO");
  // A description would go around the security mode.
  edge_.ReceiveUdp(kPbx, PbxInfo(3, Tag(ok), "application/sdp",
                                 TestSdp("192.0.2.10", 4000, false)));
  auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 415);
  EXPECT_FALSE(edge_.TakeTo(invite.connection));
}

TEST_F(CallPassingTest, InfoOfAPartyThatIsGone) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(kPbx, PbxInfo(2, Tag(ok), "text/plain", "x"));
  ASSERT_TRUE(edge_.TakeTo(invite.connection));
  edge_.Advance(absl::Seconds(33));  // timer F
  auto answer = edge_.TakeToUdp(kPbx);
  // The transaction of the sender has ended too, without a late 408.
  EXPECT_TRUE(!answer || answer->message.status_code() == 408);
  EXPECT_EQ(edge_.core().transactions(), 0u);
}

TEST_F(CallPassingTest, UpdateCarriesAnOffer) {  // RFC 3311
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(
      kPbx, PbxInDialog("UPDATE", 2, Tag(ok),
                        TestSdp("192.0.2.10", 4444, false, "a=sendonly\r\n")));
  auto update = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(update);
  EXPECT_EQ(update->message.method(), SipMethod::kUpdate);
  EXPECT_TRUE(Has(update->message.body(), "a=sendonly"));
  edge_.Answer(*update, 200, "g1",
               TestSdp("192.0.2.20", 6000, false, "a=recvonly\r\n"));
  auto answer = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 200);
  EXPECT_TRUE(Has(answer->message.body(), "a=recvonly"));
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4444);
  EXPECT_FALSE(edge_.TakeTo(invite.connection));  // no ACK for UPDATE
  // One without an offer refreshes the target, and is ours alone.
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 3, Tag(ok)));
  auto plain = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->message.status_code(), 200);
  EXPECT_FALSE(edge_.TakeTo(invite.connection));
}

TEST_F(CallPassingTest, WhatIsNotCarriedIsRefusedInItsWords) {
  Sent invite;
  const Sent ok = Established(invite);
  const struct {
    const char* method;
    int code;
  } kCases[] = {{"OPTIONS", 200},
                {"PRACK", 481},
                {"REFER", 400},  // without Refer-To
                {"NOTIFY", 405},
                {"SUBSCRIBE", 405}};
  int cseq = 1;
  for (const auto& c : kCases) {
    edge_.ReceiveUdp(kPbx, PbxInDialog(c.method, ++cseq, Tag(ok)));
    auto answer = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(answer) << c.method;
    EXPECT_EQ(answer->message.status_code(), c.code) << c.method;
    EXPECT_FALSE(edge_.TakeTo(invite.connection)) << c.method;
  }
  // Older than what was seen (RFC 3261 section 12.2.2).
  edge_.ReceiveUdp(kPbx, PbxInDialog("OPTIONS", 2, Tag(ok), "", "late"));
  auto late = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->message.status_code(), 500);
}

TEST_F(CallPassingTest, OneBranchOfAForkWinsAndTheOthersAreHungUp) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 180, "g1");
  edge_.Answer(invite, 180, "g2");
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto second = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(second);
  const std::string sdp = TestSdp("192.0.2.20", 6000, false);
  edge_.Answer(invite, 200, "g2", sdp);
  auto ack = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack);
  EXPECT_TRUE(Has(ack->message.Value(HeaderId::kTo), "tag=g2"));
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  EXPECT_EQ(Tag(*ok), Tag(*second));  // the caller sees one dialog
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  edge_.Answer(invite, 200, "g1", sdp);
  auto other_ack = edge_.TakeTo(invite.connection);
  auto other_bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(other_ack && other_bye);
  EXPECT_TRUE(Has(other_ack->message.Value(HeaderId::kTo), "tag=g1"));
  EXPECT_EQ(other_bye->message.method(), SipMethod::kBye);
  EXPECT_TRUE(Has(other_bye->message.Value(HeaderId::kTo), "tag=g1"));
  edge_.Answer(*other_bye, 200, "g1");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  // The winner hangs up by its own tag; that of the loser fits no dialog.
  edge_.RequestFrom(invite, "g1", "BYE", 1);
  auto not_it = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(not_it);
  EXPECT_EQ(not_it->message.status_code(), 481);
  edge_.RequestFrom(invite, "g2", "BYE", 2);
  auto it = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(it);
  EXPECT_EQ(it->message.status_code(), 200);
}

TEST_F(CallPassingTest, ReInviteWithoutOffer) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", 2, Tag(ok)));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));  // 100
  auto reinvite = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(reinvite);
  EXPECT_TRUE(reinvite->message.body().empty());
  edge_.Answer(*reinvite, 200, "g1", TestSdp("192.0.2.20", 6100, false));
  auto offer = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(offer);
  EXPECT_TRUE(Has(offer->message.body(), "m=audio 50004"));
  EXPECT_FALSE(edge_.TakeTo(invite.connection));
  edge_.ReceiveUdp(
      kPbx, PbxInDialog("ACK", 2, Tag(ok), TestSdp("192.0.2.10", 4000, false),
                        "ackb"));
  auto ack = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack);
  EXPECT_TRUE(Has(ack->message.body(), "m=audio 50006"));
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6100);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallPassingTest, AnAnsweredOfferWithoutAnswerEndsTheCall) {
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", ""));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  auto invite = edge_.TakeTo(gateway);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  auto ack = edge_.TakeTo(gateway);
  auto bye = edge_.TakeTo(gateway);
  auto own_bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ack && bye && own_bye);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(own_bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->record->reason,
            "MEDIA_REFUSED");
}

TEST_F(CallPassingTest, ATooLongWayIsRefused) {
  std::string text = PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false));
  text.replace(text.find("Max-Forwards: 70"), 16, "Max-Forwards: 0");
  edge_.ReceiveUdp(kPbx, text);
  auto final = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(final);
  EXPECT_EQ(final->message.status_code(), 483);
}

TEST_F(CallPassingTest, TheOperatorEndsACall) {
  Sent invite;
  Established(invite);
  const uint64_t id = edge_.core().calls().Records()[0]->id;
  edge_.Perform(edge_.core().OnEndCall(id, "ENDED_BY_OPERATOR", edge_.now()));
  auto bye = edge_.TakeTo(invite.connection);
  auto own = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye && own);
  edge_.Answer(*bye, 200, "g1");
  edge_.Answer(*own, 200, "");
  ExpectOver("ENDED_BY_OPERATOR", CallDisposition::kAnswered);
}

}  // namespace
}  // namespace sallyport::signaling_edge
