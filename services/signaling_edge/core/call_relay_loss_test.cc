// Calls whose relay is lost before they are answered, or before the ACK: they
// go on at another one, and who has been told of the old one gets an offer of
// the new one, by UPDATE (RFC 3311) or by re-INVITE.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

class CallRelayLossTest : public EdgeCoreTest {
 protected:
  // pbx calls gw, with further header lines of its INVITE.
  void Call(std::string_view headers = "",
            std::string_view number = "95551234") {
    edge_.ReceiveUdp(kPbx,
                     headers.empty()
                         ? PbxInvite(number, offer_)
                         : WithHeaders(PbxInvite(number, offer_), headers));
    edge_.TakeToUdp(kPbx);  // 100
    gateway_ = edge_.AcceptDialled("gw.d.test");
    invite_ = *edge_.TakeTo(gateway_);
  }
  void LoseRelay() {
    MediaEvent event;
    event.kind = MediaEvent::Kind::kLost;
    event.relay = "relay1";
    event.session = Cat("tenants/t/sessions/", edge_.created.back().request);
    edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  }
  // Where the relay's session that was made last takes media of a leg.
  std::string Line(LegSide side) const {
    return Cat("m=audio ",
               50000 + 4 * edge_.created.back().request + 2 * IndexOf(side),
               " ");
  }
  // The next to pbx, which must be of this status.
  Sent ToPbx(int code) {
    auto sent = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(sent.has_value()) << code;
    if (!sent) return {};
    EXPECT_EQ(sent->message.status_code(), code);
    return *sent;
  }
  // An offer of the new session, answered.
  void Offered(const std::optional<Sent>& offer, SipMethod method,
               LegSide side) {
    ASSERT_TRUE(offer.has_value());
    EXPECT_EQ(offer->message.method(), method);
    EXPECT_TRUE(Has(offer->message.body(), Line(side)))
        << offer->message.body();
    edge_.Answer(*offer, 200, "", side == LegSide::kA ? offer_ : answer_);
    if (method != SipMethod::kInvite) return;
    const auto ack =
        side == LegSide::kA ? edge_.TakeToUdp(kPbx) : edge_.TakeTo(gateway_);
    ASSERT_TRUE(ack.has_value());
    EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  }
  void OfferedAgain(LegSide side) {
    Offered(
        side == LegSide::kA ? edge_.TakeToUdp(kPbx) : edge_.TakeTo(gateway_),
        SipMethod::kInvite, side);
  }
  Sent Answered() {
    edge_.Answer(invite_, 200, "g1", answer_);
    const auto ack = edge_.TakeTo(gateway_);
    EXPECT_TRUE(ack && ack->message.method() == SipMethod::kAck);
    return ToPbx(200);
  }
  void Ack(const Sent& ok) {
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok)));
  }
  // The call stands with the session that was made last, and ends as others do.
  void ExpectUp(const Sent& ok, int cseq = 5) {
    EXPECT_TRUE(edge_.Idle());
    edge_.Advance(absl::Minutes(1));
    EXPECT_TRUE(edge_.Idle());
    const CallRecord record = *edge_.core().calls().Find(1);
    EXPECT_EQ(record.state, CallState::kAnswered);
    EXPECT_EQ(record.media_session,
              Cat("tenants/t/sessions/", edge_.created.back().request));
    edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", cseq, Tag(ok)));
    ToPbx(200);
    const auto bye = edge_.TakeTo(gateway_);
    ASSERT_TRUE(bye.has_value());
    edge_.Answer(*bye, 200, "");
    EXPECT_EQ(edge_.core().calls().Find(1)->reason, "NORMAL_CLEARING");
    ASSERT_FALSE(edge_.deleted.empty());
    EXPECT_EQ(edge_.deleted.back().session, record.media_session);
  }
  // pbx confirms a reliable response.
  void Prack(int cseq, const Sent& response) {
    edge_.ReceiveUdp(
        kPbx, WithHeaders(PbxInDialog("PRACK", cseq, Tag(response)),
                          Cat("RAck: ", response.message.Value(HeaderId::kRseq),
                              " 1 INVITE")));
    ToPbx(200);
    const auto prack = edge_.TakeTo(gateway_);
    ASSERT_TRUE(prack.has_value());
    edge_.Answer(*prack, 200, "g1");
  }
  // Early media that both sides have for sure.
  void Settle(const std::vector<std::string>& gateway_allows) {
    std::vector<std::string> headers = {"Require: 100rel", "RSeq: 7"};
    for (const std::string& one : gateway_allows) headers.push_back(one);
    edge_.Answer(invite_, 183, "g1", answer_, "", headers);
    Prack(2, ToPbx(183));
    ASSERT_TRUE(edge_.Idle());
  }

  const std::string offer_ = TestSdp("192.0.2.10", 4000, false);
  const std::string answer_ = TestSdp("192.0.2.20", 6000, false);
  Sent invite_;
  ConnectionId gateway_ = 0;
};

TEST_F(CallRelayLossTest, BeforeAnyResponse) {
  Call();
  LoseRelay();
  EXPECT_TRUE(edge_.Idle());
  const Sent ok = Answered();
  ASSERT_EQ(edge_.created.size(), 2u);
  // Both far sides are known to the new relay, and the caller knows it.
  EXPECT_EQ(edge_.created[1].legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(edge_.created[1].legs[1].remote->rtp_port, 6000);
  EXPECT_TRUE(Has(ok.message.body(), Line(LegSide::kA)));
  EXPECT_TRUE(edge_.Idle());  // not before the ACK
  Ack(ok);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
  EXPECT_EQ(edge_.deleted.size(), 1u);  // what is lost is not ended
}

TEST_F(CallRelayLossTest, AfterRinging) {
  Call();
  edge_.Answer(invite_, 180, "g1");
  ToPbx(180);
  LoseRelay();
  LoseRelay();  // said twice is lost once
  const Sent ok = Answered();
  EXPECT_EQ(edge_.created.size(), 2u);
  EXPECT_TRUE(Has(ok.message.body(), Line(LegSide::kA)));
  Ack(ok);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, EarlyMediaThatBeginsAfterwardsIsOfTheNewOne) {
  Call();
  LoseRelay();
  edge_.Answer(invite_, 183, "g1", answer_);
  const Sent early = ToPbx(183);
  EXPECT_EQ(edge_.created.size(), 2u);
  EXPECT_TRUE(Has(early.message.body(), Line(LegSide::kA)));
  const Sent ok = Answered();
  EXPECT_EQ(ok.message.body(), early.message.body());
  Ack(ok);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

// RFC 3261 section 13.2.1: the first description is the answer, and those of
// further responses are ignored.
TEST_F(CallRelayLossTest, ACallerThatWasToldOfItIsToldAgain) {
  Call();
  edge_.Answer(invite_, 183, "g1", answer_);
  const Sent early = ToPbx(183);
  EXPECT_TRUE(Has(early.message.body(), Line(LegSide::kA)));
  LoseRelay();
  edge_.Answer(invite_, 183, "g1", answer_);
  EXPECT_EQ(ToPbx(183).message.body(), early.message.body());
  const Sent ok = Answered();
  EXPECT_EQ(ok.message.body(), early.message.body());
  Ack(ok);
  OfferedAgain(LegSide::kA);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, AReliableAnswerIsFollowedByUpdates) {
  Call("Supported: 100rel\nAllow: INVITE, ACK, PRACK, UPDATE");
  Settle({"Allow: INVITE, UPDATE"});
  LoseRelay();
  ASSERT_EQ(edge_.created.size(), 2u);
  Offered(edge_.TakeToUdp(kPbx), SipMethod::kUpdate, LegSide::kA);
  Offered(edge_.TakeTo(gateway_), SipMethod::kUpdate, LegSide::kB);
  EXPECT_TRUE(edge_.Idle());
  // Early media goes on, and nothing is left to be told.
  const Sent ok = Answered();
  EXPECT_TRUE(ok.message.body().empty());
  Ack(ok);
  EXPECT_EQ(edge_.created.size(), 2u);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, AnAnswerWaitsForTheUpdate) {
  Call("Supported: 100rel\nAllow: UPDATE");
  Settle({"Allow: UPDATE"});
  LoseRelay();
  const auto update = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(update.has_value());
  edge_.Answer(invite_, 200, "g1");
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(*update, 200, "", offer_);
  Offered(edge_.TakeTo(gateway_), SipMethod::kUpdate, LegSide::kB);
  const Sent ok = ToPbx(200);
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  Ack(ok);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, AnUpdateThatIsRefusedIsMadeUpForAfterTheAnswer) {
  Call("Supported: 100rel\nAllow: UPDATE");
  Settle({"Allow: UPDATE"});
  LoseRelay();
  const auto update = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(update.has_value());
  edge_.Answer(*update, 488, "");
  const Sent ok = Answered();
  Ack(ok);
  OfferedAgain(LegSide::kA);
  OfferedAgain(LegSide::kB);
  EXPECT_EQ(edge_.created.size(), 2u);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, WithoutUpdateTheyAreToldAfterTheAnswer) {
  Call("Supported: 100rel");
  Settle({"Allow: INVITE, UPDATE"});
  LoseRelay();
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
  const Sent ok = Answered();
  EXPECT_TRUE(ok.message.body().empty());
  EXPECT_TRUE(edge_.Idle());
  Ack(ok);
  OfferedAgain(LegSide::kA);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, LostWhileAPrackIsAwaited) {
  Call("Supported: 100rel\nAllow: UPDATE");
  edge_.Answer(invite_, 183, "g1", answer_, "",
               {"Require: 100rel", "RSeq: 7", "Allow: UPDATE"});
  const Sent early = ToPbx(183);
  LoseRelay();
  EXPECT_TRUE(edge_.Idle());
  Prack(2, early);
  Offered(edge_.TakeToUdp(kPbx), SipMethod::kUpdate, LegSide::kA);
  Offered(edge_.TakeTo(gateway_), SipMethod::kUpdate, LegSide::kB);
  const Sent ok = Answered();
  Ack(ok);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, BetweenAnswerAndAck) {
  Call();
  const Sent ok = Answered();
  LoseRelay();
  EXPECT_TRUE(edge_.Idle());
  Ack(ok);
  OfferedAgain(LegSide::kA);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, OfALateOfferBetweenAnswerAndAck) {
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", ""));
  ToPbx(100);
  gateway_ = edge_.AcceptDialled("gw.d.test");
  invite_ = *edge_.TakeTo(gateway_);
  edge_.Answer(invite_, 200, "g1", answer_);
  const Sent ok = ToPbx(200);
  LoseRelay();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok), offer_));
  // The called knows the new relay by its ACK, the caller does not.
  const auto ack = edge_.TakeTo(gateway_);
  ASSERT_TRUE(ack.has_value());
  EXPECT_TRUE(Has(ack->message.body(), Line(LegSide::kB)));
  EXPECT_EQ(edge_.created.size(), 2u);
  OfferedAgain(LegSide::kA);
  ExpectUp(ok);
}

// The answer comes before anybody has noticed.
TEST_F(CallRelayLossTest, ARelayThatDoesNotAnswerIsTakenForLost) {
  Call();
  edge_.relay_updates = false;
  edge_.Answer(invite_, 200, "g1", answer_);
  edge_.relay_updates = true;
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  const Sent ok = ToPbx(200);
  ASSERT_EQ(edge_.created.size(), 2u);
  // It may live after all.
  ASSERT_EQ(edge_.deleted.size(), 1u);
  EXPECT_EQ(edge_.deleted[0].session,
            Cat("tenants/t/sessions/", edge_.created[0].request));
  EXPECT_TRUE(Has(ok.message.body(), Line(LegSide::kA)));
  Ack(ok);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, WithoutAnotherTheCallFailsAtItsAnswer) {
  Call();
  edge_.Answer(invite_, 180, "g1");
  ToPbx(180);
  edge_.relay_works = false;
  LoseRelay();
  edge_.Answer(invite_, 200, "g1", answer_);
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  const auto bye = edge_.TakeTo(gateway_);
  ASSERT_TRUE(bye.has_value());
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "");
  EXPECT_EQ(ToPbx(503).message.Value(HeaderId::kCseq), "1 INVITE");
  EXPECT_EQ(edge_.core().calls().live(), 0u);
  const EdgeEvent* end = edge_.Last(EdgeEvent::Type::kCallEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reason, "MEDIA_RELAY_UNAVAILABLE");
  EXPECT_TRUE(edge_.deleted.empty());
}

TEST_F(CallRelayLossTest, WithoutAnotherEarlyMediaEndsSoonAfterTheAnswer) {
  Call("Supported: 100rel\nAllow: UPDATE");
  Settle({"Allow: UPDATE"});
  edge_.relay_works = false;
  LoseRelay();
  edge_.Advance(absl::Minutes(1));  // it rings on
  EXPECT_LT(edge_.created.size(), 20u);
  EXPECT_TRUE(edge_.Idle());
  const Sent ok = Answered();
  Ack(ok);
  edge_.Advance(absl::Seconds(20));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Advance(absl::Seconds(15));
  EXPECT_EQ(edge_.core().calls().Find(1)->reason, "MEDIA_RELAY_LOST");
}

TEST_F(CallRelayLossTest, WhoCancelsIsAnsweredAndNothingIsLeft) {
  Call("Supported: 100rel\nAllow: UPDATE");
  Settle({"Allow: UPDATE"});
  LoseRelay();
  ASSERT_TRUE(edge_.TakeToUdp(kPbx).has_value());  // UPDATE
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ToPbx(200);
  ToPbx(487);
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kCancel);
  edge_.Answer(invite_, 487, "g1");
  EXPECT_EQ(edge_.core().calls().Find(1)->reason, "CANCELLED");
  ASSERT_EQ(edge_.deleted.size(), 1u);
  EXPECT_EQ(edge_.deleted[0].session,
            Cat("tenants/t/sessions/", edge_.created[1].request));
}

// RFC 4028 section 7.3: the INVITE is sent anew, and tells of the new relay.
TEST_F(CallRelayLossTest, AnInviteThatIsSentAnewIsOfTheNewOne) {
  Call();
  LoseRelay();
  edge_.Answer(invite_, 422, "g0", "", "", {"Min-SE: 4000"});
  edge_.TakeTo(gateway_);  // ACK
  const auto again = edge_.TakeTo(gateway_);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(Has(again->message.body(), Line(LegSide::kB)));
  EXPECT_EQ(edge_.created.size(), 2u);
  invite_ = *again;
  const Sent ok = Answered();
  Ack(ok);
  ExpectUp(ok);
}

TEST_F(CallRelayLossTest, AnotherBranchOfAForkIsRungForWithoutMedia) {
  Call();
  LoseRelay();
  edge_.Answer(invite_, 180, "g1");
  ToPbx(180);
  edge_.Answer(invite_, 183, "g2", answer_);
  EXPECT_TRUE(ToPbx(183).message.body().empty());
  const Sent ok = Answered();
  Ack(ok);
  OfferedAgain(LegSide::kB);
  ExpectUp(ok);
}

// pbx (clear) calls alice (SECURED, SDES): new keys, and none on the clear leg.
TEST_F(CallRelayLossTest, ASecuredLegStaysSecured) {
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(phone, "alice"));
  edge_.ReceiveUdp(kPbx, PbxInvite("1001", offer_));
  ToPbx(100);
  const Sent invite = *edge_.TakeTo(phone);
  const std::string contact = "<sip:alice@203.0.113.5:40000;transport=tls>";
  LoseRelay();
  edge_.Answer(invite, 200, "a1", TestSdp("203.0.113.5", 4200, true), contact);
  EXPECT_EQ(edge_.TakeTo(phone)->message.method(), SipMethod::kAck);
  const Sent ok = ToPbx(200);
  EXPECT_FALSE(Has(ok.message.body(), "crypto"));
  ASSERT_EQ(edge_.created.size(), 2u);
  EXPECT_FALSE(edge_.created[1].legs[0].is_srtp());
  EXPECT_TRUE(edge_.created[1].legs[1].is_srtp());
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok)));
  const auto again = edge_.TakeTo(phone);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(Has(again->message.body(), Line(LegSide::kB)));
  EXPECT_TRUE(Has(again->message.body(), "RTP/SAVP"));
  EXPECT_TRUE(Has(again->message.body(), "a=crypto:1 AES_CM_128_HMAC_SHA1_80"));
  // Clear media would be a downgrade: the call ends rather.
  edge_.Answer(*again, 200, "", TestSdp("203.0.113.5", 4200, false), contact);
  EXPECT_EQ(edge_.core().calls().Find(1)->reason,
            "SECURITY_MODE_SRTP_REQUIRED");
}

// What has answered the old relay's fingerprint is no key of the new one's.
TEST_F(CallRelayLossTest, DtlsBeginsAnew) {
  auto plan = TestPlan();
  plan->version = 2;
  for (DialPlanEntry& each : plan->dial_plans) {
    if (each.name != "tenants/t/dialPlans/gateway") continue;
    each.security_mode = SecurityMode::kSecured;
    each.srtp_keying = SrtpKeying::kDtls;
  }
  edge_.Load(plan);
  Call();
  LoseRelay();
  const auto dtls = [](char letter) {
    return TestDtlsSdp("192.0.2.20", 6000, letter, "passive");
  };
  edge_.Answer(invite_, 200, "g1", dtls('A'));
  EXPECT_TRUE(edge_.TakeTo(gateway_).has_value());  // ACK
  const Sent ok = ToPbx(200);
  ASSERT_EQ(edge_.created.size(), 2u);
  EXPECT_TRUE(edge_.created[1].legs[1].dtls);
  EXPECT_TRUE(edge_.created[1].legs[1].remote_fingerprint.empty());
  Ack(ok);
  const auto again = edge_.TakeTo(gateway_);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(Has(again->message.body(), "a=setup:actpass"));
  edge_.Answer(*again, 200, "", dtls('B'));
  EXPECT_TRUE(edge_.TakeTo(gateway_).has_value());  // ACK
  ASSERT_FALSE(edge_.updated.empty());
  EXPECT_TRUE(Has(edge_.updated.back().legs[1].remote_fingerprint, "BB:BB:BB"));
  ExpectUp(ok);
}

// An answer without keys is refused as it would have been before.
TEST_F(CallRelayLossTest, AnAnswerWithoutFingerprintIsRefused) {
  auto plan = TestPlan();
  plan->version = 2;
  for (DialPlanEntry& each : plan->dial_plans) {
    if (each.name != "tenants/t/dialPlans/gateway") continue;
    each.security_mode = SecurityMode::kSecured;
    each.srtp_keying = SrtpKeying::kDtls;
  }
  edge_.Load(plan);
  Call();
  LoseRelay();
  edge_.Answer(invite_, 200, "g1", answer_);
  EXPECT_TRUE(Has(edge_.Refusals(), "SECURITY_MODE_SRTP_REQUIRED"));
  edge_.TakeTo(gateway_);  // ACK
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kBye);
  EXPECT_EQ(ToPbx(488).message.Value(HeaderId::kCseq), "1 INVITE");
  EXPECT_EQ(edge_.created.size(), 1u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
