// PRACK (RFC 3262) and UPDATE in early dialogs (RFC 3311) from end to end.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class CallReliableTest : public EdgeCoreTest {
 protected:
  // pbx, which has PRACK, calls gw; the INVITE there.
  Sent Call(std::string_view sdp, std::string_view extension = "Supported") {
    edge_.ReceiveUdp(kPbx, WithHeaders(PbxInvite("95551234", sdp),
                                       Cat(extension, ": 100rel")));
    edge_.TakeToUdp(kPbx);
    gateway_ = edge_.AcceptDialled("gw.d.test");
    return *edge_.TakeTo(gateway_);
  }
  void Progress(const Sent& invite, int code, int rseq,
                std::string_view sdp = "") {
    edge_.Answer(invite, code, "g1", sdp, "",
                 {"Require: 100rel", Cat("RSeq: ", rseq)});
  }
  std::string Prack(int cseq, const Sent& response, std::string_view sdp = "",
                    int offset = 0) {
    const int rseq =
        std::stoi(std::string(response.message.Value(HeaderId::kRseq)));
    return WithHeaders(PbxInDialog("PRACK", cseq, Tag(response), sdp),
                       Cat("RAck: ", rseq + offset, " 1 INVITE"));
  }
  // The next to pbx, which must be of this status.
  Sent ToPbx(int code) {
    auto sent = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(sent.has_value()) << code;
    if (!sent) return {};
    EXPECT_EQ(sent->message.status_code(), code);
    return *sent;
  }

  const std::string offer_ = TestSdp("192.0.2.10", 4000, false);
  const std::string answer_ = TestSdp("192.0.2.20", 6000, false);
  ConnectionId gateway_ = 0;
};

TEST_F(CallReliableTest, EndToEndWithEarlyMedia) {
  const Sent invite = Call(offer_);
  EXPECT_EQ(invite.message.Value(HeaderId::kSupported), "timer, 100rel");
  Progress(invite, 183, 100, answer_);
  const Sent early = ToPbx(183);
  EXPECT_EQ(early.message.Value(HeaderId::kRequire), "100rel");
  EXPECT_TRUE(Has(early.message.body(), "203.0.113.1"));
  EXPECT_TRUE(edge_.Idle());  // gw's waits for that of pbx
  edge_.ReceiveUdp(kPbx, Prack(2, early));
  ToPbx(200);
  const Sent prack = *edge_.TakeTo(gateway_);
  EXPECT_EQ(prack.message.method(), SipMethod::kPrack);
  EXPECT_EQ(prack.message.Value(HeaderId::kRack), "100 1 INVITE");
  edge_.Answer(prack, 200, "g1");
  // The answer is known: the 200 has none (RFC 6337 section 2).
  edge_.Answer(invite, 200, "g1");
  const Sent ok = ToPbx(200);
  EXPECT_TRUE(ok.message.body().empty());
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok)));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallReliableTest, NotOfferedForACallerWithout) {
  const Sent invite = PbxCallsGateway();
  EXPECT_EQ(invite.message.Value(HeaderId::kSupported), "timer");
}

TEST_F(CallReliableTest, SentAgainUntilConfirmedThenGivenUp) {
  const Sent invite = Call(offer_);
  Progress(invite, 180, 1);
  const Sent first = ToPbx(180);
  edge_.Advance(absl::Milliseconds(1600));  // T1, then 2 T1
  EXPECT_EQ(ToPbx(180).message.Value(HeaderId::kRseq),
            first.message.Value(HeaderId::kRseq));
  ToPbx(180);
  EXPECT_TRUE(edge_.Idle());
  edge_.Advance(absl::Seconds(31));  // 64 T1
  int last = 0;
  while (auto sent = edge_.TakeToUdp(kPbx)) last = sent->message.status_code();
  EXPECT_EQ(last, 504);  // section 3
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kCancel);
  edge_.Answer(invite, 487, "g1");
}

TEST_F(CallReliableTest, OnceAndInOrder) {
  const Sent invite = Call(offer_);
  Progress(invite, 180, 7);
  const Sent ringing = ToPbx(180);
  Progress(invite, 180, 7);                          // its PRACK is on the way
  edge_.ReceiveUdp(kPbx, Prack(2, ringing, "", 1));  // of one that is not
  ToPbx(481);
  edge_.ReceiveUdp(kPbx, Prack(3, ringing));
  ToPbx(200);
  EXPECT_TRUE(edge_.TakeTo(gateway_).has_value());
  Progress(invite, 183, 9, answer_);  // one is missing in between
  EXPECT_TRUE(edge_.Idle());
  Progress(invite, 183, 8, answer_);
  const Sent early = ToPbx(183);
  EXPECT_EQ(
      std::stoul(std::string(early.message.Value(HeaderId::kRseq))),
      std::stoul(std::string(ringing.message.Value(HeaderId::kRseq))) + 1);
}

TEST_F(CallReliableTest, TheFinalAnswerWaitsForThePrack) {
  const Sent invite = Call(offer_);
  Progress(invite, 183, 1, answer_);
  const Sent early = ToPbx(183);
  edge_.Answer(invite, 200, "g1");
  EXPECT_TRUE(edge_.Idle());  // section 3: not before its description arrived
  edge_.ReceiveUdp(kPbx, Prack(2, early));
  ToPbx(200);  // of the PRACK
  const Sent ok = ToPbx(200);
  EXPECT_EQ(ok.message.Value(HeaderId::kCseq), "1 INVITE");
}

TEST_F(CallReliableTest, AFailureDoesNotWait) {
  const Sent invite = Call(offer_);
  Progress(invite, 183, 1, answer_);
  const Sent early = ToPbx(183);
  edge_.Answer(invite, 486, "g1");
  ToPbx(486);
  edge_.ReceiveUdp(kPbx, Prack(2, early));
  ToPbx(481);
}

// Section 5: INVITE without offer; the 183 has it and the PRACK answers.
TEST_F(CallReliableTest, LateOfferInAReliableResponse) {
  const Sent invite = Call("");
  EXPECT_TRUE(invite.message.body().empty());
  Progress(invite, 183, 1, TestSdp("192.0.2.20", 6000, false));
  const Sent early = ToPbx(183);
  EXPECT_TRUE(Has(early.message.body(), "203.0.113.1"));
  edge_.ReceiveUdp(kPbx, Prack(2, early, offer_));
  ToPbx(200);
  const Sent prack = *edge_.TakeTo(gateway_);
  EXPECT_EQ(prack.message.method(), SipMethod::kPrack);
  EXPECT_TRUE(Has(prack.message.body(), "203.0.113.1"));
  edge_.Answer(prack, 200, "g1");
  edge_.Answer(invite, 200, "g1");
  const Sent ok = ToPbx(200);
  EXPECT_TRUE(ok.message.body().empty());
  const Sent ack = *edge_.TakeTo(gateway_);
  EXPECT_TRUE(ack.message.body().empty());
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6000);
}

TEST_F(CallReliableTest, LateOfferWithoutAnswerInThePrackEndsIt) {
  const Sent invite = Call("");
  Progress(invite, 183, 1, TestSdp("192.0.2.20", 6000, false));
  const Sent early = ToPbx(183);
  edge_.ReceiveUdp(kPbx, Prack(2, early));
  ToPbx(488);  // of the PRACK
  ToPbx(488);  // of the INVITE
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kCancel);
}

TEST_F(CallReliableTest, UpdateInTheEarlyDialogFromEitherSide) {
  const Sent invite = Call(offer_);
  // Before the first answer: RFC 3311 section 5.2.
  Progress(invite, 180, 1);
  const Sent ringing = ToPbx(180);
  edge_.ReceiveUdp(kPbx, Prack(2, ringing));
  ToPbx(200);
  edge_.Answer(*edge_.TakeTo(gateway_), 200, "g1");
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 3, Tag(ringing), offer_));
  EXPECT_TRUE(ToPbx(500).message.Has(HeaderId::kRetryAfter));
  edge_.RequestFrom(invite, "g1", "UPDATE", 1, answer_);
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.status_code(), 491);

  Progress(invite, 183, 2, answer_);
  const Sent early = ToPbx(183);
  edge_.ReceiveUdp(kPbx, Prack(4, early));
  ToPbx(200);
  edge_.Answer(*edge_.TakeTo(gateway_), 200, "g1");
  // Now it may be changed, before anybody has answered the call.
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 5, Tag(early),
                                     TestSdp("192.0.2.10", 4100, false)));
  const Sent update = *edge_.TakeTo(gateway_);
  EXPECT_EQ(update.message.method(), SipMethod::kUpdate);
  edge_.Answer(update, 200, "g1", answer_);
  EXPECT_TRUE(Has(ToPbx(200).message.body(), "203.0.113.1"));
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4100);
  // The same from the called, while the call is answered meanwhile.
  edge_.RequestFrom(invite, "g1", "UPDATE", 2,
                    TestSdp("192.0.2.20", 6100, false));
  const Sent other = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(other.message.method(), SipMethod::kUpdate);
  edge_.Answer(invite, 200, "g1");
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(other, 200, "", TestSdp("192.0.2.10", 4100, false),
               "<sip:5551000@192.0.2.10>");
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.status_code(), 200);
  const Sent ok = ToPbx(200);
  EXPECT_EQ(ok.message.Value(HeaderId::kCseq), "1 INVITE");
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 6100);
}

TEST_F(CallReliableTest, AFurtherOfferInThePrack) {
  const Sent invite = Call(offer_);
  Progress(invite, 183, 1, answer_);
  const Sent early = ToPbx(183);
  edge_.ReceiveUdp(kPbx, Prack(2, early, TestSdp("192.0.2.10", 4200, false)));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx) == std::nullopt);
  const Sent prack = *edge_.TakeTo(gateway_);
  EXPECT_TRUE(Has(prack.message.body(), "203.0.113.1"));
  EXPECT_EQ(prack.message.Value(HeaderId::kRack), "1 1 INVITE");
  edge_.Answer(prack, 200, "g1", answer_);
  EXPECT_TRUE(Has(ToPbx(200).message.body(), "203.0.113.1"));
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4200);
  edge_.Answer(invite, 200, "g1");
  ToPbx(200);
}

TEST_F(CallReliableTest, CancelledWithinAnUpdate) {
  const Sent invite = Call(offer_);
  Progress(invite, 183, 1, answer_);
  const Sent early = ToPbx(183);
  edge_.ReceiveUdp(kPbx, Prack(2, early));
  ToPbx(200);
  edge_.Answer(*edge_.TakeTo(gateway_), 200, "g1");
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 3, Tag(early), offer_));
  const Sent update = *edge_.TakeTo(gateway_);
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ToPbx(200);
  ToPbx(481);  // of the UPDATE
  ToPbx(487);
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kCancel);
  edge_.Answer(update, 200, "g1", answer_);
  edge_.Answer(invite, 487, "g1");
  edge_.Advance(absl::Minutes(3));
  edge_.Forget();
  ExpectOver("CANCELLED", CallDisposition::kCancelled);
}

// Who demands it gets it, though the far side has it not.
TEST_F(CallReliableTest, RequiredByTheCaller) {
  const Sent invite = Call(offer_, "Require");
  edge_.Answer(invite, 183, "g1", answer_);
  const Sent early = ToPbx(183);
  EXPECT_EQ(early.message.Value(HeaderId::kRequire), "100rel");
  // What was not said reliably there cannot be passed on so.
  EXPECT_TRUE(early.message.body().empty());
  edge_.ReceiveUdp(kPbx, Prack(2, early));
  ToPbx(200);
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(invite, 200, "g1", answer_);
  EXPECT_TRUE(Has(ToPbx(200).message.body(), "203.0.113.1"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
