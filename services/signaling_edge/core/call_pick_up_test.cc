// INVITE with Replaces of an early dialog (RFC 3891 section 3): another device
// of the called party takes the call that rings.
#include <string>
#include <string_view>

#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/call_pick_up_fixture.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

TEST_F(CallPickUpTest, WhatRingsIsTakenByAnotherDevice) {
  Ring();
  Take(offer_);
  ExpectTaken();
  // Each hears of the relay, and the relay of the one who took it.
  EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 RTP/AVP 0\r\n"));
  EXPECT_TRUE(Has(taker_ok_.message.body(), "m=audio 50006 RTP/AVP 0\r\n"));
  ASSERT_EQ(edge_.updated.size(), 1u);
  EXPECT_EQ(edge_.updated[0].legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(edge_.updated[0].legs[1].remote->rtp_port, 6600);
  AckBoth();
  CancelIsAnswered();
  EXPECT_TRUE(edge_.Idle());
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
  TakerEnds();
}

TEST_F(CallPickUpTest, EarlyOnlyIsServed) {
  Ring();
  Take(offer_, ";early-only");
  ExpectTaken();
}

TEST_F(CallPickUpTest, BothAnswersAreSentUntilTheyAreAcknowledged) {
  Ring();
  Take(offer_);
  ExpectTaken();
  CancelIsAnswered();
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  edge_.Advance(absl::Milliseconds(600));
  EXPECT_EQ(ToPbx(200).message.Value(HeaderId::kCseq), "1 INVITE");
  EXPECT_TRUE(edge_.Idle());
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  TakerEnds();
}

TEST_F(CallPickUpTest, WhoDoesNotAcknowledgeEndsIt) {
  Ring();
  Take(offer_);
  ExpectTaken();
  CancelIsAnswered();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  edge_.Advance(absl::Seconds(33));
  EXPECT_EQ(edge_.core().calls().Find(1)->reason, "ACK_MISSING");
}

// RFC 3261 section 9.1: the answer and the CANCEL may cross.
TEST_F(CallPickUpTest, AnAnswerThatCrossesIsHungUp) {
  Ring();
  Take(offer_);
  ExpectTaken();
  AckBoth();
  edge_.Answer(invite_, 200, "g1", answer_);
  const auto ack = edge_.TakeTo(invite_.connection);
  const auto bye = edge_.TakeTo(invite_.connection);
  ASSERT_TRUE(ack && bye);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(bye->message.Value(HeaderId::kCallId),
            invite_.message.Value(HeaderId::kCallId));
  edge_.Answer(*bye, 200, "g1");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  TakerEnds();
}

// A re-INVITE has the number of the INVITE that was cancelled.
TEST_F(CallPickUpTest, ALateRefusalIsNotThatOfAReinvite) {
  Ring();
  Take(offer_);
  ExpectTaken();
  AckBoth();
  edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", 2, Tag(ok_),
                                     TestSdp("192.0.2.10", 4100, false)));
  ToPbx(100);
  const auto reinvite = edge_.TakeTo(other_);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.Value(HeaderId::kCallId), "gw2");
  CancelIsAnswered();
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(*reinvite, 200, "", offer_);
  EXPECT_EQ(edge_.TakeTo(other_)->message.method(), SipMethod::kAck);
  ToPbx(200);
}

// Section 3: of early dialogs only those that the edge has begun.
TEST_F(CallPickUpTest, TheCallersOwnEarlyDialogIs481) {
  Ring();
  edge_.ReceiveUdp(
      kPbx, WithHeaders(
                PbxInvite("95551234", TestSdp("192.0.2.10", 4400, false),
                          "pbx2", "pbx2"),
                Cat("Replaces: pbx1;to-tag=", Tag(ringing_), ";from-tag=p1")));
  ToPbx(100);
  ToPbx(481);
  EXPECT_TRUE(Has(edge_.Refusals(), "DIALOG_NOT_FOUND"));
  ExpectRingsOn();
}

TEST_F(CallPickUpTest, AnotherPartyGets481) {
  Ring();
  edge_.ReceiveUdp(
      kPbx,
      WithHeaders(PbxInvite("95551234", TestSdp("192.0.2.10", 4400, false),
                            "pbx2", "pbx2"),
                  Cat("Replaces: ", Early())));
  ToPbx(100);
  ToPbx(481);
  ExpectRingsOn();
}

TEST_F(CallPickUpTest, APeerThatMayNotReplaceGets403) {
  edge_.Load(TestPlan());
  Ring();
  Take(offer_);
  ToTaker(403);
  EXPECT_TRUE(Has(edge_.Refusals(), "REPLACES_NOT_ALLOWED"));
  ExpectRingsOn();
}

TEST_F(CallPickUpTest, WithoutACodecInCommonItRingsOn) {
  Ring();
  Take(absl::StrReplaceAll(offer_, {{"AVP 0", "AVP 8"}, {"0 PCMU", "8 PCMA"}}));
  ToTaker(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "MEDIA_NOT_SUPPORTED"));
  ExpectRingsOn();
}

TEST_F(CallPickUpTest, OnlyWhatBothKnowIsAnswered) {
  edge_.ReceiveUdp(
      kPbx,
      PbxInvite("95551234",
                "v=0\r\no=x 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"
                "c=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                "m=audio 4000 RTP/AVP 0 8 101\r\n"
                "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"));
  ToPbx(100);
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  invite_ = *edge_.TakeTo(gateway);
  edge_.Answer(invite_, 180, "g1");
  ToPbx(180);
  other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  Take(
      "v=0\r\no=x 1 1 IN IP4 192.0.2.20\r\ns=-\r\n"
      "c=IN IP4 192.0.2.20\r\nt=0 0\r\n"
      "m=video 6700 RTP/AVP 34\r\n"
      "m=audio 6600 RTP/AVP 9 8 96\r\na=rtpmap:9 G722/8000\r\n"
      "a=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
      "a=sendonly\r\n");
  ExpectTaken(CallState::kHeld);
  EXPECT_TRUE(Has(ok_.message.body(), " RTP/AVP 8 96\r\n"));
  EXPECT_FALSE(Has(ok_.message.body(), "G722"));
  EXPECT_FALSE(Has(ok_.message.body(), "m=video"));
  EXPECT_TRUE(Has(ok_.message.body(), "a=sendonly"));
  EXPECT_TRUE(Has(taker_ok_.message.body(), "m=video 0 "));
  EXPECT_TRUE(Has(taker_ok_.message.body(), " RTP/AVP 8 101\r\n"));
  EXPECT_TRUE(Has(taker_ok_.message.body(), "a=recvonly"));
}

// RFC 3261 section 13.2.1: the caller keeps the answer that it has, and gets an
// offer after the ACK.
TEST_F(CallPickUpTest, ACallerWithEarlyMediaGetsAnOffer) {
  invite_ = PbxCallsGateway();
  edge_.Answer(invite_, 183, "g1", answer_);
  const Sent early = ToPbx(183);
  other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  Take(offer_);
  ExpectTaken();
  EXPECT_EQ(ok_.message.body(), early.message.body());
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6600);
  CancelIsAnswered();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  EXPECT_TRUE(edge_.Idle());
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  const auto reinvite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
  EXPECT_TRUE(Has(reinvite->message.body(), "m=audio 50004 "));
  edge_.Answer(*reinvite, 200, "", TestSdp("192.0.2.10", 4000, false));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  TakerEnds();
}

TEST_F(CallPickUpTest, SoDoesOneThatHasItForSure) {
  edge_.ReceiveUdp(
      kPbx,
      WithHeaders(PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)),
                  "Supported: 100rel"));
  ToPbx(100);
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  invite_ = *edge_.TakeTo(gateway);
  edge_.Answer(invite_, 183, "g1", answer_, "", {"Require: 100rel", "RSeq: 7"});
  const Sent early = ToPbx(183);
  other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  // Not while its PRACK is awaited.
  Take(offer_);
  ToTaker(491);
  edge_.Receive(other_, FromTaker("ACK", 1, {}));
  edge_.ReceiveUdp(
      kPbx, WithHeaders(PbxInDialog("PRACK", 2, Tag(early)),
                        Cat("RAck: ", early.message.Value(HeaderId::kRseq),
                            " 1 INVITE")));
  ToPbx(200);
  const auto prack = edge_.TakeTo(gateway);
  ASSERT_TRUE(prack.has_value());
  edge_.Answer(*prack, 200, "g1");
  edge_.Receive(other_,
                absl::StrReplaceAll(Taking(Early(), offer_), {{"gw2", "gw3"}}));
  ToTaker(100);
  const auto cancel = edge_.TakeTo(gateway);
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  taker_ok_ = ToTaker(200);
  ok_ = ToPbx(200);
  EXPECT_TRUE(ok_.message.body().empty());
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  edge_.Receive(other_, absl::StrReplaceAll(FromTaker("ACK", 1, taker_ok_),
                                            {{"gw2", "gw3"}}));
  const auto reinvite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
}

TEST_F(CallPickUpTest, WithoutARelayItIsRefusedAndRingsOn) {
  Ring();
  edge_.relay_works = false;
  Take(offer_);
  ToTaker(503);
  edge_.relay_works = true;
  edge_.Answer(invite_, 200, "g1", answer_);
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kAck);
  ok_ = ToPbx(200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kInvite);  // the offer was of the one that is gone
}

TEST_F(CallPickUpTest, ItsRelayIsLostAndAnotherTaken) {
  Ring();
  edge_.relay_updates = false;
  Take(offer_);
  ExpectTaken();
  edge_.relay_updates = true;
  ASSERT_EQ(edge_.created.size(), 2u);
  EXPECT_EQ(edge_.created[1].legs[1].remote->rtp_port, 6600);
  AckBoth();
  CancelIsAnswered();
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());  // nobody had been told of the first
  TakerEnds();
}

TEST_F(CallPickUpTest, WhoGivesUpMeanwhileLeavesItRinging) {
  Ring();
  edge_.relay_answers = false;
  Take(offer_);
  EXPECT_TRUE(edge_.Idle());
  edge_.Receive(other_, TakerCancels());
  ToTaker(200);
  ToTaker(487);
  edge_.relay_answers = true;
  edge_.AnswerMedia();
  ExpectRingsOn();
}

TEST_F(CallPickUpTest, ACallerThatGivesUpMeanwhileEndsBoth) {
  Ring();
  edge_.relay_answers = false;
  Take(offer_);
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ToPbx(200);
  const Sent refused = ToPbx(487);
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kCancel);
  ToTaker(603);  // which does not wait for the relay
  edge_.relay_answers = true;
  edge_.AnswerMedia();
  CancelIsAnswered();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(refused), "", "pbx"));
  ExpectOver("CANCELLED", CallDisposition::kCancelled);
}

// RFC 3261 section 12.1.2: each branch of a fork is an early dialog.
TEST_F(CallPickUpTest, AnyBranchOfAForkMayBeNamed) {
  invite_ = PbxCallsGateway();
  edge_.Answer(invite_, 180, "g1");
  edge_.Answer(invite_, 180, "g2");
  edge_.Answer(invite_, 180, "g2");
  ToPbx(180);
  ToPbx(180);
  ToPbx(180);
  other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  const auto named = [this](std::string_view tag) {
    return absl::StrReplaceAll(Early(),
                               {{"from-tag=g1", Cat("from-tag=", tag)}});
  };
  edge_.Receive(other_, Taking(named("g3"), offer_));
  ToTaker(100);
  ToTaker(481);
  EXPECT_TRUE(edge_.Idle());
  edge_.Receive(other_, absl::StrReplaceAll(
                            Taking(named("g2"), offer_),
                            {{"CSeq: 1", "CSeq: 2"}, {"bKgw2", "bKgw2b"}}));
  ToTaker(100);
  ExpectTaken();
  CancelIsAnswered();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  edge_.Receive(other_, absl::StrReplaceAll(FromTaker("ACK", 1, taker_ok_),
                                            {{"CSeq: 1", "CSeq: 2"}}));
  edge_.Receive(other_, FromTaker("BYE", 3, taker_ok_));
  ToTaker(200);
  PbxIsHungUp("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(SecuredPickUpTest, WithItsKeys) {
  TakeAs("alice", TestSdp("203.0.113.5", 4600, true));
  EXPECT_EQ(edge_.TakeTo(phone_)->message.method(), SipMethod::kCancel);
  const Sent taken = ToTaker(200);
  EXPECT_TRUE(Has(taken.message.body(), "RTP/SAVP"));
  EXPECT_TRUE(Has(taken.message.body(), "a=crypto:1 "));
  const Sent ok = ToPbx(200);
  EXPECT_FALSE(Has(ok.message.body(), "crypto"));
  EXPECT_FALSE(edge_.updated.back().legs[1].remote_key.empty());
}

TEST_F(SecuredPickUpTest, ClearMediaIsRefusedAndItRingsOn) {
  TakeAs("alice", TestSdp("203.0.113.5", 4600, false));
  ToTaker(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "SECURITY_MODE_SRTP_REQUIRED"));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_TRUE(edge_.updated.empty());
  edge_.Answer(invite_, 200, "g1", TestSdp("203.0.113.5", 4200, true),
               Contact());
  EXPECT_EQ(edge_.TakeTo(phone_)->message.method(), SipMethod::kAck);
  ToPbx(200);
}

}  // namespace
}  // namespace sallyport::signaling_edge
