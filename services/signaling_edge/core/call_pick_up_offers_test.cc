// Pick-up of a ringing call (RFC 3891 section 3) where not both sides have made
// an offer (RFC 3261 section 13.2.1), and where media goes end to end.
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/call_pick_up_fixture.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

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

// -------------------------------------------- the taker has made no offer

class TakerWithoutOfferTest : public CallPickUpTest {
 protected:
  // Takes it; it has an offer, and the caller nothing yet.
  void TakeWithoutOffer() {
    Take("");
    const auto cancel = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(cancel && cancel->message.method() == SipMethod::kCancel);
    taker_ok_ = ToTaker(200);
    EXPECT_TRUE(Has(taker_ok_.message.body(), "m=audio 50006 "));
    EXPECT_TRUE(edge_.Idle());
    EXPECT_FALSE(edge_.core().calls().Find(1)->answered.has_value());
    CancelIsAnswered();
  }
  void TakerIsHungUp(std::string_view reason, CallDisposition disposition) {
    const auto bye = edge_.TakeTo(other_);
    ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
    EXPECT_EQ(bye->message.Value(HeaderId::kCallId), "gw2");
    edge_.Answer(*bye, 200, "");
    ExpectOver(reason, disposition);
  }
  void PbxAcksTheRefusal(const Sent& refused) {
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(refused), "", "pbx"));
  }
};

TEST_F(TakerWithoutOfferTest, GetsTheCallersAndAnswersWithItsAck) {
  Ring();
  TakeWithoutOffer();
  EXPECT_TRUE(Has(taker_ok_.message.body(), "RTP/AVP 0\r\n"));
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
  EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 RTP/AVP 0\r\n"));
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6600);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  EXPECT_TRUE(edge_.Idle());
  const CallRecord& record = *edge_.core().calls().Find(1);
  EXPECT_EQ(record.state, CallState::kAnswered);
  EXPECT_EQ(record.legs[1].sip_call_id, "gw2");
  EXPECT_EQ(record.legs[1].sip_status, 200);
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
  TakerEnds();
}

TEST_F(TakerWithoutOfferTest, ItsOfferIsSentUntilItAcknowledges) {
  Ring();
  TakeWithoutOffer();
  edge_.Advance(absl::Milliseconds(600));
  EXPECT_EQ(ToTaker(200).message.body(), taker_ok_.message.body());
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ToPbx(200);
  // The same ACK once more is nothing.
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(TakerWithoutOfferTest, AnAckWithoutAnswerEndsTheCall) {
  Ring();
  TakeWithoutOffer();
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  PbxAcksTheRefusal(ToPbx(488));
  EXPECT_TRUE(Has(edge_.Refusals(), "MEDIA_REFUSED"));
  TakerIsHungUp("MEDIA_REFUSED", CallDisposition::kRefused);
}

TEST_F(TakerWithoutOfferTest, NoAckEndsItToo) {
  Ring();
  TakeWithoutOffer();
  edge_.Advance(absl::Seconds(33));
  EXPECT_EQ(edge_.core().calls().Find(1)->reason, "ACK_MISSING");
  EXPECT_EQ(ToPbx(480).message.Value(HeaderId::kCallId), "pbx1");
}

TEST_F(TakerWithoutOfferTest, TheCallerMayGiveUpMeanwhile) {
  Ring();
  TakeWithoutOffer();
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ToPbx(200);
  PbxAcksTheRefusal(ToPbx(487));
  TakerIsHungUp("CANCELLED", CallDisposition::kCancelled);
}

TEST_F(TakerWithoutOfferTest, AlsoWhileTheRelayIsAsked) {
  Ring();
  TakeWithoutOffer();
  edge_.relay_answers = false;
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  EXPECT_TRUE(edge_.Idle());
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ToPbx(200);
  PbxAcksTheRefusal(ToPbx(487));
  edge_.relay_answers = true;
  edge_.AnswerMedia();
  TakerIsHungUp("CANCELLED", CallDisposition::kCancelled);
}

TEST_F(TakerWithoutOfferTest, SoMayTheTaker) {
  Ring();
  TakeWithoutOffer();
  edge_.Receive(other_, FromTaker("BYE", 2, taker_ok_));
  ToTaker(200);
  PbxAcksTheRefusal(ToPbx(480));
  ExpectOver("CALL_REJECTED", CallDisposition::kNoAnswer);
}

TEST_F(TakerWithoutOfferTest, AnOperatorEndsBoth) {
  Ring();
  TakeWithoutOffer();
  edge_.Perform(edge_.core().OnEndCall(1, "ENDED_BY_OPERATOR", edge_.now()));
  PbxAcksTheRefusal(ToPbx(480));
  TakerIsHungUp("ENDED_BY_OPERATOR", CallDisposition::kFailed);
}

TEST_F(TakerWithoutOfferTest, AnAnswerThatCrossesIsHungUp) {
  Ring();
  Take("");
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kCancel);
  taker_ok_ = ToTaker(200);
  edge_.Answer(invite_, 200, "g1", answer_);
  const auto ack = edge_.TakeTo(invite_.connection);
  const auto bye = edge_.TakeTo(invite_.connection);
  ASSERT_TRUE(ack && bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(bye->message.Value(HeaderId::kCallId),
            invite_.message.Value(HeaderId::kCallId));
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
}

TEST_F(TakerWithoutOfferTest, OthersMayNotPickItUpMeanwhile) {
  Ring();
  TakeWithoutOffer();
  edge_.Receive(other_,
                absl::StrReplaceAll(Taking(Early(), offer_), {{"gw2", "gw3"}}));
  ToTaker(100);
  ToTaker(481);  // that dialog is no more
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ToPbx(200);
}

TEST_F(TakerWithoutOfferTest, WhoGivesUpBeforeItIsAnsweredLeavesItRinging) {
  Ring();
  edge_.relay_answers = false;
  Take("");
  edge_.Receive(other_, TakerCancels());
  ToTaker(200);
  ToTaker(487);
  edge_.relay_answers = true;
  edge_.AnswerMedia();
  ExpectRingsOn();
}

TEST_F(TakerWithoutOfferTest, WithoutARelayItRingsOn) {
  Ring();
  edge_.relay_works = false;
  Take("");
  ToTaker(503);
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(TakerWithoutOfferTest, ARelayThatIsLostMeanwhileIsToldOfByAnOffer) {
  Ring();
  TakeWithoutOffer();
  edge_.relay_updates = false;
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  edge_.relay_updates = true;
  ok_ = ToPbx(200);
  EXPECT_EQ(edge_.created.size(), 2u);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  edge_.Advance(absl::Seconds(3));
  const auto reinvite = edge_.TakeTo(other_);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
  EXPECT_EQ(reinvite->message.Value(HeaderId::kCallId), "gw2");
}

TEST_F(TakerWithoutOfferTest, ABodyThatIsNoDescriptionIsRefused) {
  Ring();
  edge_.Receive(
      other_, Cat(Taking(Early(), ""), "\nContent-Type: text/plain\n\nhello"));
  ToTaker(100);
  ToTaker(415);
  ExpectRingsOn();
}

// RFC 3261 section 13.2.1: the caller keeps the answer that it has.
TEST_F(TakerWithoutOfferTest, ACallerWithEarlyMediaGetsAnOfferAfterwards) {
  invite_ = PbxCallsGateway();
  edge_.Answer(invite_, 183, "g1", answer_);
  const Sent early = ToPbx(183);
  other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  TakeWithoutOffer();
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
  EXPECT_EQ(ok_.message.body(), early.message.body());
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6600);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  const auto reinvite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
  edge_.Answer(*reinvite, 200, "", TestSdp("192.0.2.10", 4000, false));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  TakerEnds();
}

TEST_F(TakerWithoutOfferTest, OneThatHasItForSureLikewise) {
  edge_.ReceiveUdp(
      kPbx,
      WithHeaders(PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)),
                  "Supported: 100rel"));
  ToPbx(100);
  invite_ = *edge_.TakeTo(edge_.AcceptDialled("gw.d.test"));
  edge_.Answer(invite_, 183, "g1", answer_, "", {"Require: 100rel", "RSeq: 7"});
  const Sent early = ToPbx(183);
  edge_.ReceiveUdp(
      kPbx, WithHeaders(PbxInDialog("PRACK", 2, Tag(early)),
                        Cat("RAck: ", early.message.Value(HeaderId::kRseq),
                            " 1 INVITE")));
  ToPbx(200);
  edge_.Answer(*edge_.TakeTo(invite_.connection), 200, "g1");
  other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  TakeWithoutOffer();
  // RFC 3311 section 5.1: no UPDATE until it is known who answers.
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 3, Tag(early),
                                     TestSdp("192.0.2.10", 4100, false)));
  ToPbx(500);
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
  EXPECT_TRUE(ok_.message.body().empty());
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  const auto reinvite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
}

// Neither has: one is made up, and the caller is asked with what the taker has
// answered.
TEST_F(TakerWithoutOfferTest,
       ACallerThatHasMadeNoneEitherIsAskedWithTheAnswer) {
  RingWithoutOffer();
  TakeWithoutOffer();
  EXPECT_TRUE(Has(taker_ok_.message.body(), "G722/8000"));
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
  EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 RTP/AVP 0\r\n"));
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().Find(1)->state, CallState::kAnswered);
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6600);
  TakerEnds();
}

TEST_F(TakerWithoutOfferTest, WhichMayAnswerNothing) {
  RingWithoutOffer();
  TakeWithoutOffer();
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
  const auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  edge_.Answer(*bye, 200, "");
  TakerIsHungUp("MEDIA_REFUSED", CallDisposition::kRefused);
}

// ------------------------------------------------------ with keys, and without

TEST_F(SecuredPickUpTest, OneWithoutOfferIsOfferedKeys) {
  TakeAs("alice", "");
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  EXPECT_TRUE(Has(taker_ok_.message.body(), "RTP/SAVP"));
  EXPECT_TRUE(Has(taker_ok_.message.body(), "a=crypto:1 "));
  AckAs(TestSdp("203.0.113.5", 4600, true));
  ok_ = ToPbx(200);
  EXPECT_FALSE(Has(ok_.message.body(), "crypto"));
  EXPECT_TRUE(Has(ok_.message.body(), "RTP/AVP"));
  EXPECT_FALSE(edge_.updated.back().legs[1].remote_key.empty());
}

// UM-97: nothing is taken for less than what was offered.
TEST_F(SecuredPickUpTest, ItsAnswerInClearEndsTheCall) {
  TakeAs("alice", "");
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  AckAs(TestSdp("203.0.113.5", 4600, false));
  ToPbx(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "SECURITY_MODE_SRTP_REQUIRED"));
  const auto bye = edge_.TakeTo(other_);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
}

class DtlsPickUpTest : public UserPickUpTest {
 protected:
  DtlsPickUpTest() : UserPickUpTest("alice", "1001", "TLS", "203.0.113.5") {
    auto plan = PlanThatAllows();
    plan->dial_plans[2].srtp_keying = SrtpKeying::kDtls;
    edge_.Load(plan);
  }
};

// Whoever rang has an association with the relay; who takes it begins anew (RFC
// 8842 section 4).
TEST_F(DtlsPickUpTest, OneWithoutOfferBeginsAnew) {
  RingUser(TestSdp("192.0.2.10", 4000, false));
  edge_.Answer(invite_, 183, "g1",
               TestDtlsSdp("203.0.113.5", 4200, 'A', "active"), Contact());
  const Sent early = ToPbx(183);
  TakeAs("alice", "");
  ExpectCancel();
  EXPECT_TRUE(edge_.updated.back().legs[1].restart_dtls);
  EXPECT_TRUE(edge_.updated.back().legs[1].remote_fingerprint.empty());
  taker_ok_ = ToTaker(200);
  EXPECT_TRUE(Has(taker_ok_.message.body(), "a=setup:actpass"));
  EXPECT_TRUE(Has(taker_ok_.message.body(), EdgeHarness::kRelayFingerprint));
  AckAs(TestDtlsSdp("203.0.113.5", 4600, 'B', "active"));
  ok_ = ToPbx(200);
  EXPECT_EQ(ok_.message.body(), early.message.body());
  EXPECT_FALSE(Has(ok_.message.body(), "fingerprint"));
  EXPECT_TRUE(Has(edge_.updated.back().legs[1].remote_fingerprint, "BB:BB"));
}

// --------------------------------------------- an offer was made up for the
// caller

class MadeUpOfferPickUpTest : public TakerWithoutOfferTest {
 protected:
  void SetUp() override {
    auto plan = PlanThatAllows();
    plan->sip_profiles.resize(1);
    plan->sip_profiles[0].name = "tenants/t/sipProfiles/gw";
    plan->sip_profiles[0].settings.early_offer = EarlyOffer::kMandatory;
    plan->peers[1].sip_profile = plan->sip_profiles[0].name;
    ResolveDefaults(*plan);
    edge_.Load(plan);
    edge_.ReceiveUdp(kPbx, PbxInvite("95551234", ""));
    ToPbx(100);
    invite_ = *edge_.TakeTo(edge_.AcceptDialled("gw.d.test"));
    EXPECT_TRUE(Has(invite_.message.body(), "G722/8000"));
    edge_.Answer(invite_, 180, "g1");
    ringing_ = ToPbx(180);
    other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  }
  void ExpectBothHeard() {
    const RelayLegs& legs = edge_.updated.back().legs;
    EXPECT_EQ(legs[0].remote->rtp_port, 4000);
    EXPECT_EQ(legs[1].remote->rtp_port, 6600);
    EXPECT_EQ(edge_.created.size(), 1u);
    EXPECT_EQ(edge_.core().calls().Find(1)->state, CallState::kAnswered);
  }
};

TEST_F(MadeUpOfferPickUpTest, TheCallerGetsTheTakersInstead) {
  Take(offer_);
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kCancel);
  ok_ = ToPbx(200);
  EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 RTP/AVP 0\r\n"));
  EXPECT_TRUE(edge_.Idle());  // the taker waits for the caller's ACK
  CancelIsAnswered();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  taker_ok_ = ToTaker(200);
  EXPECT_TRUE(Has(taker_ok_.message.body(), "m=audio 50006 "));
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  EXPECT_TRUE(edge_.Idle());
  ExpectBothHeard();
  TakerEnds();
}

TEST_F(MadeUpOfferPickUpTest, OfWhomWhoRangHadAnswered) {
  edge_.Answer(invite_, 183, "g1", answer_);
  EXPECT_TRUE(ToPbx(183).message.body().empty());
  Take(offer_);
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kCancel);
  ok_ = ToPbx(200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  taker_ok_ = ToTaker(200);
  ExpectBothHeard();
}

TEST_F(MadeUpOfferPickUpTest, OrTheTakerTheOneThatWasMadeUp) {
  TakeWithoutOffer();
  EXPECT_TRUE(Has(taker_ok_.message.body(), "G722/8000"));
  edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_, offer_));
  ok_ = ToPbx(200);
  EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 RTP/AVP 0\r\n"));
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  EXPECT_TRUE(edge_.Idle());
  ExpectBothHeard();
  TakerEnds();
}

TEST_F(MadeUpOfferPickUpTest, WhatIsRefusedRingsOnWithTheOldOne) {
  Take(TestSdp("192.0.2.20", 6600, true));  // keys, where there are none
  ToTaker(488);
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(invite_, 200, "g1", answer_);
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kAck);
  ok_ = ToPbx(200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_),
                                     TestSdp("192.0.2.10", 4000, false)));
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6000);
  EXPECT_EQ(edge_.core().calls().Find(1)->state, CallState::kAnswered);
}

TEST_F(MadeUpOfferPickUpTest, AndSoDoesWhatIsGivenUp) {
  edge_.relay_answers = false;
  Take(offer_);
  edge_.Receive(other_, TakerCancels());
  ToTaker(200);
  ToTaker(487);
  edge_.relay_answers = true;
  edge_.AnswerMedia();
  edge_.AnswerMedia();
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(invite_, 200, "g1", answer_);
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kAck);
  ToPbx(200);
}

// ------------------------------------------------------ media goes end to end

class PassedPickUpTest : public UserPickUpTest {
 protected:
  PassedPickUpTest() : UserPickUpTest("bob", "bob", "TCP", "198.51.100.1") {
    auto plan = PlanThatAllows();
    for (DialPlanEntry& entry : plan->dial_plans) {
      entry.media_mode = MediaMode::kPassThrough;
    }
    edge_.Load(plan);
  }
  void ExpectTalks() {
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
    EXPECT_TRUE(edge_.Idle());
    const CallRecord& record = *edge_.core().calls().Find(1);
    EXPECT_EQ(record.state, CallState::kAnswered);
    EXPECT_EQ(record.legs[1].sip_call_id, "take");
    EXPECT_TRUE(edge_.created.empty());
    edge_.Receive(other_, FromUser("BYE", 3, Tag(taker_ok_), "", ""));
    ToTaker(200);
    const auto bye = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
    edge_.Answer(*bye, 200, "");
    ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
  }
  void CancelledIsAnswered() {
    edge_.Answer(invite_, 487, "g1");
    EXPECT_EQ(edge_.TakeTo(phone_)->message.method(), SipMethod::kAck);
  }

  const std::string callers_ = TestSdp("192.0.2.10", 4000, false);
  const std::string takers_ = TestSdp("198.51.100.1", 4600, false);
};

TEST_F(PassedPickUpTest, OneWithoutOfferGetsTheCallersAsItIs) {
  RingUser(callers_);
  TakeAs("bob", "");
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  EXPECT_EQ(taker_ok_.message.body(), callers_);
  CancelledIsAnswered();
  EXPECT_TRUE(edge_.Idle());
  AckAs(takers_);
  ok_ = ToPbx(200);
  EXPECT_EQ(ok_.message.body(), takers_);
  ExpectTalks();
}

TEST_F(PassedPickUpTest, ACallerWithoutOfferGetsTheTakersAsItIs) {
  RingUser("");
  TakeAs("bob", takers_);
  ExpectCancel();
  ok_ = ToPbx(200);
  EXPECT_EQ(ok_.message.body(), takers_);
  CancelledIsAnswered();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_), callers_));
  taker_ok_ = ToTaker(200);
  EXPECT_EQ(taker_ok_.message.body(), callers_);
  AckAs("");
  ExpectTalks();
}

// RFC 3264 sections 6 and 8: there is nobody to answer both, so that the one is
// refused line by line and the other one follows.
TEST_F(PassedPickUpTest, OneWithAnOfferIsAskedAnewWithTheCallers) {
  RingUser(callers_);
  TakeAs("bob", takers_);
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  EXPECT_TRUE(Has(taker_ok_.message.body(), "m=audio 0 RTP/AVP 0\r\n"));
  EXPECT_TRUE(Has(taker_ok_.message.body(), "o=x 1 0 IN IP4 192.0.2.10\r\n"));
  CancelledIsAnswered();
  EXPECT_TRUE(edge_.Idle());
  AckAs("");
  const auto reinvite = edge_.TakeTo(other_);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
  EXPECT_EQ(reinvite->message.Value(HeaderId::kCallId), "take");
  EXPECT_EQ(reinvite->message.body(), callers_);
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(*reinvite, 200, "", takers_);
  EXPECT_EQ(edge_.TakeTo(other_)->message.method(), SipMethod::kAck);
  ok_ = ToPbx(200);
  EXPECT_EQ(ok_.message.body(), takers_);
  ExpectTalks();
}

TEST_F(PassedPickUpTest, WhoRefusesThatEndsTheCall) {
  RingUser(callers_);
  TakeAs("bob", takers_);
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  AckAs("");
  const auto reinvite = edge_.TakeTo(other_);
  ASSERT_TRUE(reinvite.has_value());
  edge_.Answer(*reinvite, 488, "");
  EXPECT_EQ(edge_.TakeTo(other_)->message.method(), SipMethod::kAck);
  const auto bye = edge_.TakeTo(other_);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  EXPECT_EQ(bye->message.Value(HeaderId::kCallId), "take");
  ToPbx(488);
  edge_.Answer(*bye, 200, "");
}

TEST_F(PassedPickUpTest, TheCallerMayGiveUpMeanwhile) {
  RingUser(callers_);
  TakeAs("bob", takers_);
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  CancelledIsAnswered();
  AckAs("");
  ASSERT_TRUE(edge_.TakeTo(other_));  // the re-INVITE
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ToPbx(200);
  ToPbx(487);
  const auto bye = edge_.TakeTo(other_);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  edge_.Answer(*bye, 200, "");
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(PassedPickUpTest, NeitherOffersAndNobodyCanMakeOneUp) {
  RingUser("");
  TakeAs("bob", "");
  ToTaker(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "MEDIA_REFUSED"));
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(PassedPickUpTest, ACallerWithEarlyMediaKeepsIt) {
  RingUser(callers_);
  edge_.Answer(invite_, 183, "g1", TestSdp("198.51.100.1", 4200, false),
               Contact());
  ToPbx(183);
  TakeAs("bob", "");
  ToTaker(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "MEDIA_NOT_SUPPORTED"));
  EXPECT_TRUE(edge_.Idle());
}

// The lines of an offer that was made stay (RFC 3264 section 8), and its
// version goes up.
TEST_F(PassedPickUpTest, WhatCannotBeFollowedIsRefusedAndRingsOn) {
  RingUser(callers_);
  TakeAs("bob", Cat(takers_, "m=video 4700 RTP/AVP 34\r\n"));
  ToTaker(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "MEDIA_NOT_SUPPORTED"));
  EXPECT_TRUE(edge_.Idle());
}

// AVE-54: a key never comes to a clear leg, nor is one taken from it.
TEST_F(PassedPickUpTest, KeysInClearAreRefused) {
  RingUser(callers_);
  TakeAs("bob", TestSdp("198.51.100.1", 4600, true));
  ToTaker(488);
  EXPECT_TRUE(Has(edge_.Refusals(), "SECURITY_MODE_SRTP_NOT_ALLOWED"));
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(PassedPickUpTest, NorDoTheyComeToIt) {
  const std::string key =
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
  RingUser(Cat(callers_, key));
  TakeAs("bob", "");
  ExpectCancel();
  taker_ok_ = ToTaker(200);
  EXPECT_EQ(taker_ok_.message.body(), callers_);
  AckAs(Cat(takers_, key));
  EXPECT_EQ(ToPbx(200).message.body(), takers_);
}

}  // namespace
}  // namespace sallyport::signaling_edge
