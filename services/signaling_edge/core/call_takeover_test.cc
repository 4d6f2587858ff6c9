// INVITE with Replaces (RFC 3891), and INVITEs that come back (RFC 5393).
#include <memory>
#include <string>

#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

class CallTakeoverTest : public EdgeCoreTest {
 protected:
  void Allow() {
    auto plan = TestPlan();
    plan->trunk_security_profiles.resize(1);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].accept_replaces = true;
    for (PeerEntry& peer : plan->peers) {
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
    }
    edge_.Load(plan);
  }

  std::string Replacing(std::string_view replaces, std::string_view more = "") {
    return WithHeaders(PbxInvite("95551234", TestSdp("192.0.2.10", 4400, false),
                                 "pbx2", "pbx2"),
                       Cat("Replaces: ", replaces, more));
  }
  std::string Mine(std::string_view more = "") {
    return Cat("pbx1;to-tag=", Tag(ok_), ";from-tag=p1", more);
  }
  // The final answer to the INVITE that was received last.
  int Code() {
    for (;;) {
      const auto answer = edge_.TakeToUdp(kPbx);
      if (!answer.has_value()) return 0;
      if (answer->message.status_code() != 100) {
        return answer->message.status_code();
      }
    }
  }

  Sent invite_;
  Sent ok_;
};

TEST_F(CallTakeoverTest, APartyTakesItsSideOverAndTheOtherGoesOn) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing(Mine()));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  const auto reinvite = edge_.TakeTo(invite_.connection);
  ASSERT_TRUE(reinvite.has_value());
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
  // Within the dialog that the gateway has.
  EXPECT_EQ(reinvite->message.Value(HeaderId::kCallId),
            invite_.message.Value(HeaderId::kCallId));
  edge_.Answer(*reinvite, 200, "", TestSdp("192.0.2.20", 6000, false));
  EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
            SipMethod::kAck);
  const auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok.has_value());
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(ok->message.Value(HeaderId::kCallId), "pbx2");
  // The dialog that was replaced ends, the call does not.
  const auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye.has_value());
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(bye->message.Value(HeaderId::kCallId), "pbx1");
  edge_.Answer(*bye, 200, "");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  // The new one is the call's from now on, the old one nobody's.
  std::string ack = PbxInDialog("ACK", 1, Tag(*ok), "", "new");
  edge_.ReceiveUdp(kPbx, absl::StrReplaceAll(ack, {{"pbx1", "pbx2"}}));
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok_)));
  EXPECT_EQ(Code(), 481);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.ReceiveUdp(
      kPbx, absl::StrReplaceAll(PbxInDialog("BYE", 2, Tag(*ok), "", "nb"),
                                {{"Call-ID: pbx1", "Call-ID: pbx2"}}));
  EXPECT_EQ(Code(), 200);
  edge_.Answer(*edge_.TakeTo(invite_.connection), 200, "");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(CallTakeoverTest, WhatIsRefusedLeavesTheCallAsItWas) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing(Mine()));
  edge_.TakeToUdp(kPbx);
  const auto reinvite = edge_.TakeTo(invite_.connection);
  ASSERT_TRUE(reinvite.has_value());
  edge_.Answer(*reinvite, 488, "");
  EXPECT_TRUE(edge_.TakeTo(invite_.connection).has_value());  // ACK
  EXPECT_EQ(Code(), 488);
  // The first dialog stands.
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok_)));
  EXPECT_EQ(Code(), 200);
  edge_.Answer(*edge_.TakeTo(invite_.connection), 200, "");
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

// RFC 4028 section 9.
TEST_F(CallTakeoverTest, TooShortASessionIsARefusedCall) {
  Allow();
  ok_ = Established(invite_);
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, Replacing(Mine(), "\nSession-Expires: 30"));
  edge_.TakeToUdp(kPbx);  // 100
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->message.status_code(), 422);
  EXPECT_EQ(refused->message.Value(HeaderId::kMinSe), "90");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "SESSION_INTERVAL_TOO_SMALL");
  EXPECT_EQ(event->refusal->steps.back(),
            "session_timer: SESSION_INTERVAL_TOO_SMALL");
  ASSERT_NE(event->record, nullptr);
  EXPECT_EQ(event->record->legs[0].sip_call_id, "pbx2");
  // The call that was to be taken over goes on.
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_NE(event->refusal->call, edge_.core().calls().Records()[0]->id);
}

TEST_F(CallTakeoverTest, ARequirementOfReplacesIsServed) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing(Mine(), "\nRequire: replaces"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_TRUE(edge_.TakeTo(invite_.connection).has_value());
}

// RFC 3891 section 3, line by line.
TEST_F(CallTakeoverTest, WithoutTheFlagAPeerMayNot) {
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing(Mine()));
  EXPECT_EQ(Code(), 403);
  EXPECT_TRUE(Has(edge_.Refusals(), "REPLACES_NOT_ALLOWED"));
}

TEST_F(CallTakeoverTest, AnUnknownDialogIs481) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing("pbx1;to-tag=no;from-tag=p1"));
  EXPECT_EQ(Code(), 481);
}

// Section 8: whoever knows a dialog of another cannot have it, nor learns it
// is.
TEST_F(CallTakeoverTest, ADialogOfAnotherIs481) {
  Allow();
  ok_ = Established(invite_);
  const auto from = ParseNameAddr(invite_.message.Value(HeaderId::kFrom));
  edge_.ReceiveUdp(kPbx,
                   Replacing(Cat(invite_.message.Value(HeaderId::kCallId),
                                 ";to-tag=", from->tag(), ";from-tag=g1")));
  EXPECT_EQ(Code(), 481);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallTakeoverTest, EarlyOnlyOfAnAnsweredCallIs486) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing(Mine(";early-only")));
  EXPECT_EQ(Code(), 486);
}

TEST_F(CallTakeoverTest, ACallThatIsOverIs603) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok_)));
  EXPECT_EQ(Code(), 200);
  edge_.ReceiveUdp(kPbx, Replacing(Mine()));
  EXPECT_EQ(Code(), 603);
}

TEST_F(CallTakeoverTest, TwoAtOnceAre400) {
  Allow();
  ok_ = Established(invite_);
  edge_.ReceiveUdp(kPbx, Replacing(Mine(), Cat("\nReplaces: ", Mine())));
  EXPECT_EQ(Code(), 400);
}

// pbx calls by gw, gw by pbx, and pbx again: two proxies that point at each
// other, and keep the Vias that they got.
class LoopTest : public CallTakeoverTest {
 protected:
  static std::string WithVia(std::string text, const Sent& out) {
    return absl::StrReplaceAll(
        text,
        {{"\nMax-Forwards", Cat("\nVia: ", out.message.Value(HeaderId::kVia),
                                "\nMax-Forwards")}});
  }
  // The INVITE to pbx.
  Sent HalfARound() {
    const Sent out = PbxCallsGateway();
    edge_.Receive(out.connection,
                  WithVia(Cat("INVITE sip:8777@203.0.113.1 SIP/2.0\n"
                              "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw\n"
                              "Max-Forwards: 70\n"
                              "From: <sip:5551000@192.0.2.10>;tag=p1\n"
                              "To: <sip:8777@203.0.113.1>\nCall-ID: gw2\n"
                              "CSeq: 1 INVITE\nContact: <sip:222@192.0.2.20>\n"
                              "Content-Type: application/sdp\n\n",
                              TestSdp("192.0.2.20", 6200, false)),
                          out));
    const auto half = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(half.has_value());
    if (!half.has_value()) return {};
    EXPECT_EQ(half->message.method(), SipMethod::kInvite);
    return *half;
  }
  std::string Again(const Sent& out, std::string_view number) {
    return WithVia(
        PbxInvite(number, TestSdp("192.0.2.10", 4000, false), "back", "back"),
        out);
  }
};

TEST_F(LoopTest, WhatComesBackTheSameIs482) {
  edge_.ReceiveUdp(kPbx, Again(HalfARound(), "95551234"));
  EXPECT_EQ(Code(), 482);
  EXPECT_TRUE(Has(edge_.Refusals(), "LOOP_DETECTED"));
}

// RFC 5393 section 4.2: a spiral is no loop.
TEST_F(LoopTest, WhatComesBackForAnotherGoesOn) {
  edge_.ReceiveUdp(kPbx, Again(HalfARound(), "95559999"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.Refusals(), "");
}

// Who forwards says so, and may mean another route.
TEST_F(LoopTest, WhatWasDivertedMeanwhileGoesOn) {
  edge_.ReceiveUdp(kPbx, WithHeaders(Again(HalfARound(), "95551234"),
                                     "Diversion: <sip:8123@192.0.2.10>"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.Refusals(), "");
}

TEST_F(LoopTest, AViaThatOthersMadeUpIsNone) {
  Sent forged = HalfARound();
  forged.message.Set(HeaderId::kVia,
                     "SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKx.01234567");
  edge_.ReceiveUdp(kPbx, Again(forged, "95551234"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.Refusals(), "");
}

// RFC 5393 section 5.3.3.
TEST_F(LoopTest, WithoutBreadthNothingIsSentOn) {
  edge_.ReceiveUdp(
      kPbx,
      WithHeaders(PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)),
                  "Max-Breadth: 0"));
  EXPECT_EQ(Code(), 440);
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(LoopTest, BreadthIsHandedOn) {
  edge_.ReceiveUdp(
      kPbx,
      WithHeaders(PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)),
                  "Max-Breadth: 7"));
  edge_.TakeToUdp(kPbx);
  const auto out = edge_.TakeTo(edge_.AcceptDialled("gw.d.test"));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->message.Value(HeaderId::kMaxBreadth), "7");
}

}  // namespace
}  // namespace sallyport::signaling_edge
