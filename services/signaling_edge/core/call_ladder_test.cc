#include "services/signaling_edge/core/call_ladder.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr MonoTime kNow = MonoTime::FromOrigin(absl::Hours(1));

std::vector<std::string> Texts(const CallLadder::View& view) {
  std::vector<std::string> out;
  for (const LadderMessage& message : view.messages) {
    out.push_back(message.text);
  }
  return out;
}

TEST(CallLadderTest, OneLegOfManyBranchesIsKeptOnce) {
  CallLadder ladder({});
  const LegTraceId caller = ladder.Begin(7);
  ladder.Add(caller, {}, false, "INVITE", kNow);
  ladder.Attach(1, 7);
  ladder.Attach(2, 7);
  ladder.Add(ladder.Of(1, LegSide::kB), {}, true, "to one", kNow);
  ladder.Add(ladder.Of(2, LegSide::kB), {}, true, "to two", kNow);
  ladder.Add(caller, {}, true, "SIP/2.0 180 Ringing", kNow);
  EXPECT_THAT(Texts(ladder.Look(1)),
              ElementsAre("INVITE", "to one", "SIP/2.0 180 Ringing"));
  EXPECT_THAT(Texts(ladder.Look(2)),
              ElementsAre("INVITE", "to two", "SIP/2.0 180 Ringing"));
  ladder.Release(7);
  ladder.Forget(1);
  EXPECT_THAT(Texts(ladder.Look(2)),
              ElementsAre("INVITE", "to two", "SIP/2.0 180 Ringing"));
  ladder.Forget(2);
  EXPECT_EQ(ladder.legs(), 0u);
  EXPECT_EQ(ladder.bytes(), 0u);
  EXPECT_FALSE(ladder.Look(2).kept);
}

TEST(CallLadderTest, AnInviteThatBecomesNoCallLeavesNothing) {
  CallLadder ladder({});
  ladder.Add(ladder.Begin(7), {}, false, "INVITE", kNow);
  EXPECT_EQ(ladder.legs(), 1u);
  ladder.Release(7);
  EXPECT_EQ(ladder.legs(), 0u);
  EXPECT_EQ(ladder.bytes(), 0u);
}

TEST(CallLadderTest, TheMiddleOfALongLegIsLeftOut) {
  CallLadder ladder({.max_leg_bytes = 4000});
  ladder.Begin(7);
  ladder.Attach(1, 7);
  for (int i = 0; i < 100; ++i) {
    ladder.Add(ladder.Of(1, LegSide::kA), {}, false, Cat("m", i), kNow);
  }
  const CallLadder::View view = ladder.Look(1);
  EXPECT_LE(ladder.bytes(), 4000u);
  EXPECT_EQ(view.messages.size() + view.dropped, 100u);
  EXPECT_EQ(view.messages.front().text, "m0");
  EXPECT_EQ(view.messages.back().text, "m99");
}

TEST(CallLadderTest, AllCallsTogetherStayWithinTheirBound) {
  CallLadder ladder({.max_bytes = 100'000});
  for (uint64_t call = 1; call <= 5000; ++call) {
    ladder.Begin(call);
    ladder.Attach(call, call);
    ladder.Add(ladder.Of(call, LegSide::kA), {}, false, std::string(1000, 'x'),
               kNow);
    ladder.Release(call);
    ASSERT_LE(ladder.bytes(), 100'000u);
    if (call > 200) ladder.Forget(call - 200);
  }
  // The last ones are there, the oldest are not.
  EXPECT_EQ(ladder.Look(5000).messages.size(), 1u);
  EXPECT_EQ(ladder.Look(4850).messages.size(), 0u);
  EXPECT_EQ(ladder.Look(4850).dropped, 1u);
  EXPECT_TRUE(ladder.Look(4850).kept);
}

TEST(CallLadderTest, ALegThatTalksMuchTakesNoOthersPlace) {
  CallLadder ladder({.max_bytes = 100'000, .max_leg_bytes = 10'000});
  for (uint64_t call = 1; call <= 2; ++call) {
    ladder.Begin(call);
    ladder.Attach(call, call);
    ladder.Add(ladder.Of(call, LegSide::kA), {}, false, "INVITE", kNow);
  }
  for (int i = 0; i < 1000; ++i) {
    ladder.Add(ladder.Of(2, LegSide::kA), {}, false, std::string(1000, 'x'),
               kNow);
  }
  EXPECT_THAT(Texts(ladder.Look(1)), ElementsAre("INVITE"));
  EXPECT_EQ(ladder.Look(1).dropped, 0u);
  EXPECT_EQ(ladder.Look(2).messages.front().text, "INVITE");
  EXPECT_EQ(ladder.Look(2).messages.size() + ladder.Look(2).dropped, 1001u);
  EXPECT_LE(ladder.bytes(), 12'000u);
}

TEST(CallLadderTest, OneOfSoManyCalls) {
  CallLadder ladder({.one_in = 3});
  int kept = 0;
  for (TransactionId id = 1; id <= 9; ++id) kept += ladder.Begin(id) != 0;
  EXPECT_EQ(kept, 3);
  CallLadder none({.one_in = 0});
  EXPECT_EQ(none.Begin(1), 0u);
  none.Attach(1, 1);
  none.Add(none.Of(1, LegSide::kA), {}, false, "INVITE", kNow);
  EXPECT_EQ(none.legs(), 0u);
  EXPECT_FALSE(none.Look(1).kept);
}

class CallLadderOfCallTest : public EdgeCoreTest {
 protected:
  std::vector<std::string> Lines(uint64_t call) {
    std::vector<std::string> out;
    for (const LadderMessage& m : edge_.core().LadderOf(call).messages) {
      std::string line = m.text.substr(0, m.text.find('\r'));
      line = line.starts_with("SIP/2.0 ") ? line.substr(8, 3)
                                          : line.substr(0, line.find(' '));
      out.push_back(Cat(m.leg == LegSide::kA ? "A" : "B", m.sent ? "<" : ">",
                        line, m.reason.empty() ? "" : Cat(" ", m.reason)));
    }
    return out;
  }
};

TEST_F(CallLadderOfCallTest, AWholeCallWithItsRetransmission) {
  Sent invite;
  const Sent ok = Established(invite);
  // The far side did not see our ACK, and says it again.
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  EXPECT_TRUE(edge_.TakeTo(invite.connection).has_value());
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx).has_value());
  auto bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(bye.has_value());
  edge_.Answer(*bye, 200, "");
  EXPECT_THAT(Lines(1), ElementsAre("A>INVITE", "A<100", "B<INVITE", "B>200",
                                    "B<ACK", "A<200", "A>ACK", "B>200", "B<ACK",
                                    "A>BYE", "A<200", "B<BYE", "B>200"));
  const CallLadder::View view = edge_.core().LadderOf(1);
  EXPECT_EQ(view.messages[2].transport, SipTransport::kTls);
  EXPECT_EQ(view.messages[2].connection, invite.connection);
  // Over, and still to be seen as long as the call's record.
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(Lines(1).size(), 13u);
}

TEST_F(CallLadderOfCallTest, ARefusalBearsItsReason) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, true));
  const std::vector<std::string> lines = Lines(1);
  EXPECT_THAT(lines,
              ::testing::Contains("A<488 SECURITY_MODE_SRTP_NOT_ALLOWED"))
      << ::testing::PrintToString(lines);
  for (const LadderMessage& m : edge_.core().LadderOf(1).messages) {
    const size_t key = m.text.find("inline:");
    if (key == std::string::npos) continue;
    EXPECT_EQ(m.text.substr(key + 7, 9), "[removed]");
  }
}

TEST_F(CallLadderOfCallTest, ARefusalThatIsRepeatedBearsItToo) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, true));
  edge_.Advance(absl::Milliseconds(500));
  std::vector<std::string> refusals;
  for (const std::string& line : Lines(1)) {
    if (line.starts_with("A<488")) refusals.push_back(line);
  }
  EXPECT_THAT(refusals, ElementsAre("A<488 SECURITY_MODE_SRTP_NOT_ALLOWED",
                                    "A<488 SECURITY_MODE_SRTP_NOT_ALLOWED"));
}

TEST(CallLadderTest, AReasonIsThatOfOneResponse) {
  CallLadder ladder({});
  const LegTraceId leg = ladder.Begin(1);
  ladder.Attach(1, 1);
  const auto sent = [&](std::string_view text) {
    ladder.Add(leg, {}, true, text, kNow);
    return ladder.Look(1).messages.back().reason;
  };
  const std::string_view first = "SIP/2.0 488 Not Acceptable Here\r\nCSeq: 1";
  ladder.SetReason(leg, "ONE");
  EXPECT_EQ(sent("SIP/2.0 100 Trying"), "");
  EXPECT_EQ(sent(first), "ONE");
  // Another refusal, for which nobody gave a reason.
  EXPECT_EQ(sent("SIP/2.0 491 Request Pending\r\nCSeq: 2"), "");
  EXPECT_EQ(sent(first), "ONE");
  ladder.SetReason(leg, "TWO");
  EXPECT_EQ(sent("SIP/2.0 488 Not Acceptable Here\r\nCSeq: 3"), "TWO");
}

TEST_F(CallLadderOfCallTest, ACancelAndItsAckOfTheRefusal) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 180, "g1");
  edge_.ReceiveUdp(kPbx, PbxCancel());
  edge_.ReceiveUdp(kPbx,
                   "ACK sip:95551234@203.0.113.1 SIP/2.0\n"
                   "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKpbx1\n"
                   "Max-Forwards: 70\n"
                   "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
                   "To: <sip:95551234@203.0.113.1>\n"
                   "Call-ID: pbx1\nCSeq: 1 ACK");
  EXPECT_THAT(Lines(1),
              ElementsAre("A>INVITE", "A<100", "B<INVITE", "B>180", "A<180",
                          "A>CANCEL", "A<200", "B<CANCEL", "A<487", "A>ACK"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
