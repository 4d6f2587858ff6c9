// What strangers, and parties that misbehave, must not get from the edge.
#include <string>
#include <variant>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

class EdgeAbuseTest : public EdgeCoreTest {
 protected:
  static constexpr char kStranger[] = "198.51.100.9:5060";

  static std::string FromStranger(std::string_view method,
                                  std::string_view to_tag,
                                  std::string_view more = "") {
    return Cat(method,
               " sip:95551234@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKst",
               method,
               "\nMax-Forwards: 70\nFrom: <sip:bob@d.test>;tag=s1\n"
               "To: <sip:95551234@203.0.113.1>",
               to_tag.empty() ? "" : ";tag=", to_tag,
               "\nCall-ID: st1\nCSeq: 1 ", method,
               "\nContact: <sip:bob@198.51.100.9>", more);
  }

  // One answer with `code`, and nothing of it is left.
  void ExpectOneAnswer(const std::string& request, int code) {
    SCOPED_TRACE(request);
    edge_.ReceiveUdp(kStranger, request);
    auto answer = edge_.TakeToUdp(kStranger);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->message.status_code(), code);
    EXPECT_EQ(edge_.core().transactions(), 0u);
    edge_.Advance(absl::Minutes(1));
    EXPECT_TRUE(edge_.Idle());
  }
};

// A datagram with a forged source must not make us send several to its owner,
// nor take a place that a peer needs.
// UM-13: who is no configured gateway is dropped before a call begins.
TEST_F(EdgeAbuseTest, AStrangersDatagramGetsOneAnswerAndNoState) {
  ExpectOneAnswer(FromStranger("INVITE", ""), 407);
  ExpectOneAnswer(FromStranger("INVITE", "forged"), 481);
  // RFC 3261 section 8.2: who it is comes first, and what it wants after.
  ExpectOneAnswer(FromStranger("INVITE", "", "\nRequire: foo"), 407);
  ExpectOneAnswer(FromStranger("SUBSCRIBE", "", "\nRequire: foo"), 420);
  ExpectOneAnswer(FromStranger("BYE", "forged"), 481);
  ExpectOneAnswer(FromStranger("OPTIONS", ""), 200);
  ExpectOneAnswer(FromStranger("CANCEL", ""), 481);
  ExpectOneAnswer(FromStranger("NOTIFY", ""), 407);
  ExpectOneAnswer(FromStranger("REGISTER", ""), 403);
}

// Nor does a phone that shows its certificate and never its password.
TEST_F(EdgeAbuseTest, APhoneWithoutPasswordLeavesNoState) {
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  for (int i = 0; i < 100; ++i) {
    edge_.Receive(phone,
                  Cat("INVITE sip:95551234@d.test SIP/2.0\n"
                      "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKf",
                      i,
                      "\nMax-Forwards: 70\nFrom: <sip:alice@d.test>;tag=f\n"
                      "To: <sip:95551234@d.test>\nCall-ID: f",
                      i,
                      "\nCSeq: 1 INVITE\n"
                      "Contact: <sip:alice@203.0.113.5:40000>"));
  }
  EXPECT_EQ(edge_.core().stats().challenges, 100u);
  EXPECT_EQ(edge_.core().transactions(), 0u);
}

TEST_F(EdgeAbuseTest, AStrangersConnectionEndsHoweverMuchItSays) {
  const ConnectionId stranger = edge_.ConnectTcp("198.51.100.9");
  for (int i = 0; i < 10; ++i) {
    edge_.Advance(absl::Seconds(4));
    edge_.Receive(stranger, FromStranger("OPTIONS", ""));
  }
  EXPECT_EQ(edge_.closed, std::vector<ConnectionId>{stranger});
}

TEST_F(EdgeAbuseTest, AUsersAndAPeersConnectionStay) {
  const ConnectionId bob = edge_.ConnectTcp("198.51.100.9");
  ASSERT_TRUE(edge_.Register(bob, "bob"));
  const ConnectionId peer = edge_.ConnectTcp("192.0.2.10");
  edge_.Receive(peer, FromStranger("OPTIONS", ""));
  edge_.Advance(absl::Minutes(5));
  EXPECT_TRUE(edge_.closed.empty());
}

TEST_F(EdgeAbuseTest, ManyPingsGetOnePong) {
  const ConnectionId stranger = edge_.ConnectTcp("198.51.100.9");
  std::string pings;
  for (int i = 0; i < 1000; ++i) pings += "\r\n\r\n";
  const EdgeActions actions = edge_.core().OnData(stranger, pings, edge_.now());
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(std::get<SendBytes>(actions[0]).bytes, "\r\n");
}

// What a REGISTER would be refused for ends what an earlier one brought.
TEST_F(EdgeAbuseTest, ANewPlanEndsContactsThatItForbids) {
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(phone, "alice"));
  auto plan = TestPlan();
  plan->phones[0].disabled = true;
  edge_.Load(plan);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);

  edge_.Load(TestPlan());
  const ConnectionId again = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(again, "alice"));
  plan = TestPlan();
  plan->phones[0].owner_user = "tenants/t/users/bob";
  edge_.Load(plan);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);

  plan = TestPlan();
  plan->users[0].allow_without_certificate = true;
  edge_.Load(plan);
  const ConnectionId bare = edge_.ConnectTls("", "");
  ASSERT_TRUE(edge_.Register(bare, "alice"));
  edge_.Load(plan);
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  edge_.Load(TestPlan());
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
}

// A description, with its keys, does not go around the security mode.
TEST_F(EdgeAbuseTest, ADescriptionInsideAnotherBodyIsNotPassedOn) {
  Sent invite;
  const Sent ok = Established(invite);
  int cseq = 2;
  for (const char* type : {"application/sdp", "multipart/mixed;boundary=x",
                           "Message/sipfrag", "application /sdp;", "sdp"}) {
    edge_.ReceiveUdp(kPbx, Cat(PbxInDialog("INFO", cseq++, Tag(ok)),
                               "\nContent-Type: ", type, "\n\n--x\n"));
    auto refused = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->message.status_code() / 100, 2) << type;
    EXPECT_FALSE(edge_.TakeTo(invite.connection)) << type;
  }
}

// What comes while the relay is at work is kept, but not without bound, and
// never at the price of the final answer.
TEST_F(EdgeAbuseTest, ProvisionalAnswersThatWaitAreBounded) {
  const Sent invite = PbxCallsGateway();
  edge_.relay_answers = false;
  edge_.Answer(invite, 183, "g1", TestSdp("192.0.2.20", 6000, false));
  for (int i = 0; i < 1000; ++i) edge_.Answer(invite, 180, "g1");
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  edge_.relay_answers = true;
  edge_.AnswerMedia();
  int told = 0;
  int last = 0;
  while (auto sent = edge_.TakeToUdp(kPbx)) {
    ++told;
    last = sent->message.status_code();
  }
  EXPECT_LE(told, 20);
  EXPECT_EQ(last, 200);
}

// The BYE of a lost branch (RFC 3261 section 13.2.2.4) is not that of the call:
// the branch that won is hung up in its turn.
TEST_F(EdgeAbuseTest, ALostBranchDoesNotEndTheLegThatWon) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.Answer(invite, 200, "g2", TestSdp("192.0.2.20", 6000, false));
  ASSERT_TRUE(edge_.TakeTo(invite.connection));  // ACK
  auto lost = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(lost);
  ASSERT_EQ(lost->message.method(), SipMethod::kBye);
  edge_.Answer(*lost, 200, "g2");
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(bye);
  EXPECT_TRUE(Has(bye->message.Value(HeaderId::kTo), "tag=g1"));
  edge_.Answer(*bye, 200, "g1");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(EdgeAbuseTest, BranchesWithoutEndAreNotAllHungUp) {
  Sent invite;
  Established(invite);
  for (int i = 0; i < 1000; ++i) {
    edge_.Answer(invite, 200, Cat("fork", i),
                 TestSdp("192.0.2.20", 6000, false));
  }
  EXPECT_LE(edge_.core().transactions(), 30u);
}

// What belongs to a dialog, an offer with its key maybe, is for the phone that
// has the dialog and no other of the same user.
TEST_F(EdgeAbuseTest, ACallFollowsItsPhoneAndNotItsUser) {
  auto plan = TestPlan();
  plan->phones.push_back(plan->phones[0]);
  plan->phones[1].name = "tenants/t/phones/SEP2";
  plan->phones[1].device_name = "SEP2";
  edge_.Load(plan);
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(phone, "alice"));
  edge_.ReceiveUdp(kPbx, PbxInvite("1001", TestSdp("192.0.2.10", 4000, false)));
  auto invite = edge_.TakeTo(phone);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 200, "ph", TestSdp("203.0.113.5", 6000, true));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));  // 100
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  ASSERT_EQ(ok->message.status_code(), 200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  edge_.Close(phone);
  const ConnectionId other = edge_.ConnectTls("", "SEP2");
  ASSERT_TRUE(edge_.Register(other, "alice"));
  edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", 2, Tag(*ok),
                                     TestSdp("192.0.2.10", 4002, false)));
  EXPECT_FALSE(edge_.TakeTo(other));
  const ConnectionId again = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(again, "alice"));
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 3, Tag(*ok)));
  EXPECT_FALSE(edge_.TakeTo(other));
  auto bye = edge_.TakeTo(again);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
}

}  // namespace
}  // namespace sallyport::signaling_edge
