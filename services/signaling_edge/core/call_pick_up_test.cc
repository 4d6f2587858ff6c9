// INVITE with Replaces of an early dialog (RFC 3891 section 3): another device
// of the called party takes the call that rings.
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// pbx calls gw, whose other connection takes the call.
class CallPickUpTest : public EdgeCoreTest {
 protected:
  CallPickUpTest() {
    auto plan = TestPlan();
    plan->trunk_security_profiles.resize(1);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].accept_replaces = true;
    for (PeerEntry& peer : plan->peers) {
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
    }
    edge_.Load(plan);
  }
  void Ring() {
    invite_ = PbxCallsGateway();
    edge_.Answer(invite_, 180, "g1");
    ringing_ = ToPbx(180);
    other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  }
  // The dialog at which it rings, as who rings there sees it.
  std::string Early(std::string_view more = "") const {
    const auto from = ParseNameAddr(invite_.message.Value(HeaderId::kFrom));
    return Cat(invite_.message.Value(HeaderId::kCallId),
               ";to-tag=", from->tag(), ";from-tag=g1", more);
  }
  std::string Taking(std::string_view replaces, std::string_view sdp) const {
    return Cat(
        "INVITE sip:222@203.0.113.1 SIP/2.0\n"
        "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw2\n"
        "Max-Forwards: 70\nReplaces: ",
        replaces,
        "\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
        "To: <sip:5551000@203.0.113.1>\nCall-ID: gw2\nCSeq: 1 INVITE\n"
        "Contact: <sip:222@192.0.2.20;transport=tls>",
        sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }
  std::string FromTaker(std::string_view method, int cseq,
                        const Sent& ok) const {
    return Cat(method,
               " sip:edge@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw2",
               method, cseq,
               "\nMax-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
               "To: <sip:5551000@203.0.113.1>;tag=",
               Tag(ok), "\nCall-ID: gw2\nCSeq: ", cseq, " ", method);
  }
  Sent Next(std::optional<Sent> sent, int code) {
    EXPECT_TRUE(sent.has_value()) << code;
    if (!sent) return {};
    EXPECT_EQ(sent->message.status_code(), code);
    return *sent;
  }
  Sent ToPbx(int code) { return Next(edge_.TakeToUdp(kPbx), code); }
  Sent ToTaker(int code) { return Next(edge_.TakeTo(other_), code); }
  // The same of a caller that makes no offer.
  void RingWithoutOffer() {
    edge_.ReceiveUdp(kPbx, PbxInvite("95551234", ""));
    ToPbx(100);
    invite_ = *edge_.TakeTo(edge_.AcceptDialled("gw.d.test"));
    EXPECT_TRUE(invite_.message.body().empty());
    edge_.Answer(invite_, 180, "g1");
    ringing_ = ToPbx(180);
    other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  }
  // Takes it; the caller has the taker's offer, and the taker nothing yet.
  void TakeLate() {
    Take(offer_);
    const auto cancel = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(cancel && cancel->message.method() == SipMethod::kCancel);
    ok_ = ToPbx(200);
    EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 "));
    EXPECT_TRUE(edge_.Idle());
    EXPECT_EQ(edge_.created.back().legs[1].remote->rtp_port, 6600);
    CancelIsAnswered();
  }
  std::string TakerCancels() const {
    return "CANCEL sip:222@203.0.113.1 SIP/2.0\n"
           "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw2\n"
           "Max-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
           "To: <sip:5551000@203.0.113.1>\nCall-ID: gw2\n"
           "CSeq: 1 CANCEL";
  }
  void PbxIsHungUp(std::string_view reason, CallDisposition disposition) {
    const auto bye = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
    edge_.Answer(*bye, 200, "");
    ExpectOver(reason, disposition);
  }
  void Take(std::string_view sdp, std::string_view more = "") {
    edge_.Receive(other_, Taking(Early(more), sdp));
    ToTaker(100);
  }
  // The one that rang is told, and both parties are answered.
  void ExpectTaken(CallState state = CallState::kAnswered) {
    const auto cancel = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(cancel.has_value());
    EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
    EXPECT_TRUE(Has(cancel->message.Value(HeaderId::kReason), "elsewhere"));
    taker_ok_ = ToTaker(200);
    ok_ = ToPbx(200);
    EXPECT_EQ(ok_.message.Value(HeaderId::kCallId), "pbx1");
    const CallRecord& record = *edge_.core().calls().Find(1);
    EXPECT_TRUE(record.answered.has_value());
    EXPECT_EQ(record.state, state);
    EXPECT_EQ(record.legs[1].sip_call_id, "gw2");
    EXPECT_EQ(record.legs[1].sip_status, 200);
  }
  void AckBoth() {
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
    edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  }
  void CancelIsAnswered() {
    edge_.Answer(invite_, 487, "g1");
    const auto ack = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(ack.has_value());
    EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  }
  void TakerEnds() {
    edge_.Receive(other_, FromTaker("BYE", 2, taker_ok_));
    ToTaker(200);
    const auto bye = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(bye.has_value());
    EXPECT_EQ(bye->message.method(), SipMethod::kBye);
    edge_.Answer(*bye, 200, "");
    ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
  }
  // The call rings on, and who rings may answer.
  void ExpectRingsOn() {
    EXPECT_TRUE(edge_.Idle());
    edge_.Answer(invite_, 200, "g1", answer_);
    EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
              SipMethod::kAck);
    ok_ = ToPbx(200);
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
    const CallRecord& record = *edge_.core().calls().Find(1);
    EXPECT_EQ(record.state, CallState::kAnswered);
    EXPECT_EQ(record.legs[1].sip_call_id,
              invite_.message.Value(HeaderId::kCallId));
    const RelayLeg& leg =
        (edge_.updated.empty() ? edge_.created.back().legs
                               : edge_.updated.back().legs)[1];
    EXPECT_EQ(leg.remote->rtp_port, 6000);
  }

  const std::string answer_ = TestSdp("192.0.2.20", 6000, false);
  const std::string offer_ = TestSdp("192.0.2.20", 6600, false);
  Sent invite_;
  Sent ringing_;
  Sent ok_;
  Sent taker_ok_;
  ConnectionId other_ = 0;
};

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

TEST_F(CallPickUpTest, WithoutAnOfferItIsRefused) {
  Ring();
  Take("");
  ToTaker(488);
  ExpectRingsOn();
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

// ------------------------------------------- the caller has made no offer

TEST_F(CallPickUpTest, ACallerWithoutOfferGetsTheTakers) {
  RingWithoutOffer();
  TakeLate();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  taker_ok_ = ToTaker(200);
  EXPECT_TRUE(Has(taker_ok_.message.body(), "m=audio 50006 "));
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4000);
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  EXPECT_TRUE(edge_.Idle());
  const CallRecord& record = *edge_.core().calls().Find(1);
  EXPECT_EQ(record.state, CallState::kAnswered);
  EXPECT_EQ(record.legs[1].sip_call_id, "gw2");
  TakerEnds();
}

TEST_F(CallPickUpTest, AnAckWithoutAnswerEndsBoth) {
  RingWithoutOffer();
  TakeLate();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  ToTaker(488);
  PbxIsHungUp("MEDIA_REFUSED", CallDisposition::kRefused);
}

TEST_F(CallPickUpTest, SoDoesACallerThatNeverAcknowledges) {
  RingWithoutOffer();
  TakeLate();
  edge_.Advance(absl::Seconds(33));
  for (auto sent = edge_.TakeTo(other_); sent; sent = edge_.TakeTo(other_)) {
    EXPECT_EQ(sent->message.status_code(), 480);
  }
  EXPECT_EQ(edge_.core().calls().Find(1)->reason, "ACK_MISSING");
}

TEST_F(CallPickUpTest, ATakerThatGivesUpBeforeTheAckEndsBoth) {
  RingWithoutOffer();
  TakeLate();
  edge_.Receive(other_, TakerCancels());
  ToTaker(200);
  ToTaker(487);
  PbxIsHungUp("CANCELLED", CallDisposition::kCancelled);
}

TEST_F(CallPickUpTest, AndSoDoesACallerThatHangsUpThen) {
  RingWithoutOffer();
  TakeLate();
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok_)));
  ToPbx(200);
  ToTaker(480);
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(CallPickUpTest, WithoutARelayForThemItRingsOn) {
  RingWithoutOffer();
  edge_.relay_works = false;
  Take(offer_);
  ToTaker(503);
  EXPECT_TRUE(edge_.Idle());
  edge_.relay_works = true;
  edge_.Answer(invite_, 200, "g1", answer_);
  ok_ = ToPbx(200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  const auto ack = edge_.TakeTo(invite_.connection);
  ASSERT_TRUE(ack && ack->message.method() == SipMethod::kAck);
  EXPECT_FALSE(ack->message.body().empty());
  EXPECT_EQ(edge_.core().calls().Find(1)->state, CallState::kAnswered);
  EXPECT_EQ(edge_.core().calls().Find(1)->legs[1].sip_call_id,
            invite_.message.Value(HeaderId::kCallId));
}

// A user whose line has keys: what takes its call has them too.
class SecuredPickUpTest : public CallPickUpTest {
 protected:
  void SetUp() override {
    phone_ = edge_.ConnectTls("", "SEP1");
    ASSERT_TRUE(edge_.Register(phone_, "alice"));
    edge_.ReceiveUdp(kPbx,
                     PbxInvite("1001", TestSdp("192.0.2.10", 4000, false)));
    ToPbx(100);
    invite_ = *edge_.TakeTo(phone_);
    edge_.Answer(invite_, 180, "g1", "",
                 "<sip:alice@203.0.113.5:40000;transport=tls>");
    ToPbx(180);
    other_ = edge_.ConnectTls("", "SEP1");
  }
  void TakeAs(std::string_view user, std::string_view sdp) {
    const auto text = [&](int cseq) {
      return Cat(
          "INVITE sip:d.test SIP/2.0\n"
          "Via: SIP/2.0/TLS 203.0.113.5:40001;branch=z9hG4bKtake",
          cseq, "\nMax-Forwards: 70\nReplaces: ", Early(),
          "\nFrom: <sip:", user,
          "@d.test>;tag=t1\nTo: <sip:1001@d.test>\nCall-ID: take\n"
          "CSeq: ",
          cseq,
          " INVITE\n"
          "Contact: <sip:alice@203.0.113.5:40001;transport=tls>\n"
          "Content-Type: application/sdp\n\n",
          sdp);
    };
    edge_.Receive(other_, text(1));
    ToTaker(100);
    const Sent challenge = ToTaker(407);
    edge_.Receive(other_, EdgeHarness::WithDigest(text(2), challenge, user,
                                                  "INVITE", "sip:d.test"));
    ToTaker(100);
  }

  ConnectionId phone_ = 0;
};

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
               "<sip:alice@203.0.113.5:40000;transport=tls>");
  EXPECT_EQ(edge_.TakeTo(phone_)->message.method(), SipMethod::kAck);
  ToPbx(200);
}

}  // namespace
}  // namespace sallyport::signaling_edge
