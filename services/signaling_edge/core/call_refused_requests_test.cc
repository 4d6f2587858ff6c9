// Requests within a dialog, of a dialog that is not there, and messages that
// cannot be read: what operators are told of why they were refused (CUC-69).
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kStranger[] = "198.51.100.9:5060";
constexpr char kPbxName[] = "tenants/t/peers/pbx";

class RefusedRequestsTest : public EdgeCoreTest {
 protected:
  std::string Offer() { return TestSdp("192.0.2.10", 4000, false); }

  // The call, from now on; of what was before nothing is left.
  void Establish() {
    ok_ = Established(invite_);
    call_ = edge_.core().calls().Records()[0]->id;
    edge_.events.clear();
  }

  int CodeToPbx() {
    auto sent = edge_.TakeToUdp(kPbx);
    if (sent && sent->message.status_code() == 100) {
      sent = edge_.TakeToUdp(kPbx);
    }
    EXPECT_TRUE(sent.has_value());
    if (sent) answer_ = *sent;
    return sent ? sent->message.status_code() : 0;
  }

  const EdgeEvent& Refused() {
    const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
    static const EdgeEvent none = [] {
      EdgeEvent event;
      event.refusal.emplace();
      return event;
    }();
    EXPECT_NE(event, nullptr);
    return event == nullptr ? none : *event;
  }

  // The last refusal is of the call, by its caller, and its ladder says why.
  void ExpectOfTheCall(std::string_view reason, int code,
                       std::string_view method, std::string_view last_step) {
    const EdgeEvent& event = Refused();
    EXPECT_EQ(event.reason, reason);
    EXPECT_EQ(event.tenant, "tenants/t");
    EXPECT_EQ(event.refusal->kind, RefusalKind::kRequest);
    EXPECT_EQ(event.refusal->call, call_);
    EXPECT_EQ(event.refusal->peer, kPbxName);
    EXPECT_EQ(event.refusal->sip_status, code);
    EXPECT_EQ(event.refusal->sip_method, method);
    EXPECT_EQ(event.call, 0u);
    EXPECT_THAT(event.refusal->steps,
                ElementsAre("sender: SOURCE_ADDRESS",
                            "dial_plan: tenants/t/dialPlans/clear",
                            "route: tenants/t/routePatterns/gw",
                            "called: tenants/t/peers/gw", "call: answered",
                            "leg: caller", last_step));
    ExpectLadder(code, reason);
  }

  void ExpectLadder(int code, std::string_view reason) {
    const CallLadder::View ladder = edge_.core().LadderOf(call_);
    ASSERT_FALSE(ladder.messages.empty());
    const LadderMessage& last = ladder.messages.back();
    EXPECT_THAT(last.text, HasSubstr(Cat("SIP/2.0 ", code)));
    EXPECT_EQ(last.reason, reason);
    EXPECT_EQ(last.leg, LegSide::kA);
  }

  void ExpectNothingKept() {
    EXPECT_THAT(edge_.core().calls().Records(), IsEmpty());
    EXPECT_EQ(edge_.core().calls().ladder().legs(), 0u);
    EXPECT_EQ(edge_.core().transactions(), 0u);
    for (const EdgeEvent& event : edge_.events) {
      EXPECT_EQ(event.call, 0u);
    }
  }

  size_t Told(std::string_view reason) const {
    size_t told = 0;
    for (const EdgeEvent& event : edge_.events) {
      told += event.refusal.has_value() && event.reason == reason ? 1 : 0;
    }
    return told;
  }

  Sent invite_;
  Sent ok_;
  Sent answer_;
  uint64_t call_ = 0;
};

// ------------------------------------------------------- within a dialog

// RFC 3261 section 8.2.2.3.
TEST_F(RefusedRequestsTest, AReInviteThatRequiresWhatWeDoNotHave) {
  Establish();
  edge_.ReceiveUdp(kPbx,
                   WithHeaders(PbxInDialog("INVITE", 2, Tag(ok_), Offer()),
                               "Require: frozen, timer, cold"));
  EXPECT_EQ(CodeToPbx(), 420);
  EXPECT_EQ(answer_.message.Value(HeaderId::kUnsupported), "frozen, cold");
  ExpectOfTheCall("EXTENSION_UNSUPPORTED", 420, "INVITE",
                  "extensions: EXTENSION_UNSUPPORTED");
  EXPECT_THAT(Refused().refusal->explanation, HasSubstr("frozen, cold"));
  EXPECT_FALSE(edge_.TakeTo(invite_.connection));
  // It had a number all the same (section 12.2.2).
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 2, Tag(ok_), "", "again"));
  EXPECT_EQ(CodeToPbx(), 500);
  ExpectOfTheCall("CSEQ_OUT_OF_ORDER", 500, "UPDATE",
                  "dialog: CSEQ_OUT_OF_ORDER");
  edge_.ReceiveUdp(kPbx, PbxInDialog("UPDATE", 3, Tag(ok_)));
  EXPECT_EQ(CodeToPbx(), 200);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(RefusedRequestsTest, AReInviteOfASchemeThatWeDoNotHave) {
  Establish();
  std::string invite = PbxInDialog("INVITE", 2, Tag(ok_), Offer());
  invite.replace(0, invite.find(" SIP/2.0"), "INVITE http:edge");
  edge_.ReceiveUdp(kPbx, invite);
  EXPECT_EQ(CodeToPbx(), 416);
  ExpectOfTheCall("URI_SCHEME_UNSUPPORTED", 416, "INVITE",
                  "uri: URI_SCHEME_UNSUPPORTED");
}

TEST_F(RefusedRequestsTest, OneThatHasNoPlaceThere) {
  Establish();
  edge_.ReceiveUdp(kPbx, PbxInDialog("SUBSCRIBE", 2, Tag(ok_)));
  EXPECT_EQ(CodeToPbx(), 405);
  ExpectOfTheCall("METHOD_NOT_ALLOWED", 405, "SUBSCRIBE",
                  "method: METHOD_NOT_ALLOWED");
  edge_.ReceiveUdp(kPbx, PbxInDialog("PRACK", 3, Tag(ok_)));
  EXPECT_EQ(CodeToPbx(), 481);
  ExpectOfTheCall("TRANSACTION_NOT_FOUND", 481, "PRACK",
                  "dialog: TRANSACTION_NOT_FOUND");
  edge_.ReceiveUdp(kPbx, PbxInDialog("INFO", 4, Tag(ok_), Offer()));
  EXPECT_EQ(CodeToPbx(), 415);
  ExpectOfTheCall("BODY_TYPE_UNSUPPORTED", 415, "INFO",
                  "request: BODY_TYPE_UNSUPPORTED");
  edge_.ReceiveUdp(kPbx,
                   WithHeaders(PbxInDialog("INVITE", 5, Tag(ok_), Offer()),
                               "Supported: timer\nSession-Expires: 10"));
  EXPECT_EQ(CodeToPbx(), 422);
  EXPECT_TRUE(answer_.message.Has(HeaderId::kMinSe));
  ExpectOfTheCall("SESSION_INTERVAL_TOO_SMALL", 422, "INVITE",
                  "session_timer: SESSION_INTERVAL_TOO_SMALL");
}

// RFC 3261 section 14.2: each is told by its own leg alone.
TEST_F(RefusedRequestsTest, TwoReInvitesAtOnce) {
  Establish();
  edge_.RequestFrom(invite_, "g1", "INVITE", 1,
                    TestSdp("192.0.2.20", 6002, false));
  ASSERT_TRUE(edge_.TakeTo(invite_.connection));  // 100
  auto towards = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(towards && towards->message.method() == SipMethod::kInvite);
  edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", 2, Tag(ok_), Offer()));
  EXPECT_EQ(CodeToPbx(), 491);
  ExpectOfTheCall("REQUEST_PENDING", 491, "INVITE", "request: REQUEST_PENDING");
  // What the other side refuses is not our reason.
  edge_.Answer(*towards, 486, "p1");
  const auto refused = edge_.TakeTo(invite_.connection);
  ASSERT_TRUE(refused && refused->message.status_code() >= 400);
  for (const LadderMessage& one : edge_.core().LadderOf(call_).messages) {
    EXPECT_EQ(one.reason,
              one.text.starts_with("SIP/2.0 491") ? "REQUEST_PENDING" : "");
  }
  EXPECT_EQ(Told("REQUEST_PENDING"), 1u);
}

// ------------------------------------------------- of no dialog that lives

TEST_F(RefusedRequestsTest, AReInviteOfADialogThatIsNotThere) {
  edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", 2, "nobody", Offer()));
  EXPECT_EQ(CodeToPbx(), 481);
  const EdgeEvent& event = Refused();
  EXPECT_EQ(event.reason, "DIALOG_NOT_FOUND");
  EXPECT_EQ(event.resource, kPbxName);
  EXPECT_EQ(event.refusal->kind, RefusalKind::kCall);
  EXPECT_EQ(event.refusal->peer, kPbxName);
  EXPECT_EQ(event.refusal->dial_plan, "tenants/t/dialPlans/clear");
  EXPECT_EQ(event.refusal->call, 0u);
  EXPECT_EQ(event.refusal->sip_status, 481);
  EXPECT_EQ(event.refusal->sip_method, "INVITE");
  EXPECT_THAT(event.refusal->steps,
              ElementsAre("sender: SOURCE_ADDRESS",
                          "dial_plan: tenants/t/dialPlans/clear",
                          "dialog: DIALOG_NOT_FOUND"));
  ExpectNothingKept();
  // Nor is it asked what it would require.
  edge_.ReceiveUdp(
      kPbx, WithHeaders(PbxInDialog("UPDATE", 3, "nobody"), "Require: frozen"));
  EXPECT_EQ(CodeToPbx(), 481);
  EXPECT_EQ(Refused().refusal->kind, RefusalKind::kRequest);
}

// The dialog lives, and is somebody else's: its call is named, and untouched.
TEST_F(RefusedRequestsTest, ADialogOfAnother) {
  Establish();
  const size_t messages = edge_.core().LadderOf(call_).messages.size();
  edge_.ReceiveUdp(kStranger, PbxInDialog("INVITE", 2, Tag(ok_), Offer()));
  const EdgeEvent& event = Refused();
  EXPECT_EQ(event.reason, "DIALOG_NOT_FOUND");
  EXPECT_EQ(event.refusal->call, call_);
  EXPECT_EQ(event.refusal->peer, "");
  EXPECT_THAT(event.refusal->explanation, HasSubstr("not come from the party"));
  EXPECT_THAT(event.refusal->steps,
              ElementsAre("source: stranger", "dialog: DIALOG_NOT_FOUND"));
  EXPECT_EQ(edge_.core().LadderOf(call_).messages.size(), messages);
}

TEST_F(RefusedRequestsTest, OfStrangersOneIsToldEachSecond) {
  const auto ask = [&](int i) {
    std::string bye = PbxInDialog("BYE", i, "nobody", "", Cat("s", i));
    edge_.ReceiveUdp(kStranger, bye);
  };
  for (int i = 0; i < 20; ++i) ask(i);
  EXPECT_EQ(Told("DIALOG_NOT_FOUND"), 1u);
  EXPECT_EQ(edge_.core().stats().refusals.at("DIALOG_NOT_FOUND"), 20u);
  EXPECT_EQ(Refused().refusal->peer, "");
  EXPECT_EQ(Refused().resource, "");
  ExpectNothingKept();
  edge_.Advance(absl::Seconds(1));
  ask(30);
  EXPECT_EQ(Told("DIALOG_NOT_FOUND"), 2u);
  // They take nothing from those whom we know.
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, "nobody"));
  EXPECT_EQ(Told("DIALOG_NOT_FOUND"), 3u);
}

TEST_F(RefusedRequestsTest, OfThoseWhomWeKnowNotMoreThanFiftyAtOnce) {
  for (int i = 0; i < 80; ++i) {
    edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", i, "nobody", "", Cat("s", i)));
  }
  EXPECT_EQ(Told("DIALOG_NOT_FOUND"), 50u);
  EXPECT_EQ(edge_.core().stats().refusals.at("DIALOG_NOT_FOUND"), 80u);
  ExpectNothingKept();
}

// ------------------------------------------------------- cannot be read

class UnreadableTest : public RefusedRequestsTest {
 protected:
  static std::string With(std::string text, std::string_view what,
                          std::string_view instead) {
    return text.replace(text.find(what), what.size(), instead);
  }

  // The only record, of the INVITE of `caller` that was refused so.
  void ExpectCall(std::string_view reason, int code, std::string_view where,
                  std::string_view caller) {
    const EdgeEvent& event = Refused();
    EXPECT_EQ(event.reason, reason);
    EXPECT_EQ(event.refusal->peer, caller);
    EXPECT_EQ(event.refusal->sip_status, code);
    EXPECT_EQ(event.refusal->sip_method, "INVITE");
    EXPECT_EQ(event.refusal->explanation, where);
    EXPECT_THAT(event.refusal->steps.back(), Cat("parser: ", reason));
    const auto records = edge_.core().calls().Records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0]->id, event.refusal->call);
    EXPECT_EQ(records[0]->reason, reason);
    EXPECT_EQ(records[0]->disposition, CallDisposition::kFailed);
    ASSERT_EQ(records[0]->legs.size(), 1u);
    EXPECT_EQ(records[0]->legs[0].party.resource, caller);
    EXPECT_EQ(records[0]->legs[0].sip_call_id, "pbx1");
    call_ = records[0]->id;
    ExpectLadder(code, reason);
    EXPECT_THAT(edge_.core().LadderOf(call_).messages.front().text,
                HasSubstr("INVITE "));
    EXPECT_EQ(edge_.core().calls().live(), 0u);
  }
};

TEST_F(UnreadableTest, AnInviteOfAPeerIsACallThatIsOver) {
  const std::string invite =
      With(PbxInvite("95551234", Offer()), "<sip:5551000@192.0.2.10>\nContent",
           "<sip:secret word>\nContent");
  edge_.ReceiveUdp(kPbx, invite);
  EXPECT_EQ(CodeToPbx(), 400);
  ExpectCall("SIP_HEADER_MALFORMED", 400, "Contact, line 8", kPbxName);
  EXPECT_EQ(edge_.core().calls().Records()[0]->called, "95551234");
  EXPECT_EQ(edge_.core().calls().Records()[0]->calling, "5551000");
  // The same once more is no other call.
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, invite);
  EXPECT_EQ(CodeToPbx(), 400);
  EXPECT_EQ(edge_.core().calls().Records().size(), 1u);
  EXPECT_EQ(edge_.Refusals(), "");
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().transactions(), 0u);
  EXPECT_TRUE(edge_.core().LadderOf(call_).kept);
}

TEST_F(UnreadableTest, AnotherVersion) {
  edge_.ReceiveUdp(
      kPbx, With(PbxInvite("95551234", Offer()), " SIP/2.0\n", " SIP/3.0\n"));
  EXPECT_EQ(CodeToPbx(), 505);
  ExpectCall("SIP_VERSION_UNSUPPORTED", 505,
             "line 1: only SIP/2.0 is spoken here", kPbxName);
}

TEST_F(UnreadableTest, TooLong) {
  std::string invite = PbxInvite("95551234", "");
  for (size_t at = 0; (at = invite.find('\n', at)) != std::string::npos;) {
    invite.replace(at, 1, "\r\n");
    at += 2;
  }
  edge_.ReceiveUdpOctets(kPbx, invite + "\r\nContent-Length: 9999999\r\n\r\n");
  EXPECT_EQ(CodeToPbx(), 513);
  ExpectCall("SIP_MESSAGE_TOO_LARGE", 513, "Content-Length: body, line 9",
             kPbxName);
}

TEST_F(UnreadableTest, AlsoByTls) {
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "");
  edge_.Receive(gateway, With(With(PbxInvite("95551234", Offer()),
                                   "SIP/2.0/UDP", "SIP/2.0/TLS"),
                              "Max-Forwards: 70", "Max-Forwards: many"));
  const auto refused = edge_.TakeTo(gateway);
  ASSERT_TRUE(refused && refused->message.status_code() == 400);
  ExpectCall("SIP_HEADER_MALFORMED", 400, "Max-Forwards, line 3",
             "tenants/t/peers/gw");
}

// One that ends its connection, as nobody knows where the next one begins.
TEST_F(UnreadableTest, AStreamThatIsOutOfStep) {
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "");
  std::string invite =
      With(PbxInvite("95551234", ""), "SIP/2.0/UDP", "SIP/2.0/TLS");
  for (size_t at = 0; (at = invite.find('\n', at)) != std::string::npos;) {
    invite.replace(at, 1, "\r\n");
    at += 2;
  }
  edge_.ReceiveOctets(gateway, invite + "\r\nContent-Length: some\r\n\r\n");
  const auto refused = edge_.TakeTo(gateway);
  ASSERT_TRUE(refused && refused->message.status_code() == 400);
  ExpectCall("SIP_CONTENT_LENGTH_INVALID", 400,
             "Content-Length: not a number, line 9", "tenants/t/peers/gw");
  EXPECT_THAT(edge_.closed, ElementsAre(gateway));
}

TEST_F(UnreadableTest, OtherRequestsAreRefusalsInThePeersName) {
  edge_.ReceiveUdp(kPbx, With(PbxInDialog("OPTIONS", 2, "x"),
                              "Max-Forwards: 70", "Max-Forwards: many"));
  EXPECT_EQ(CodeToPbx(), 400);
  const EdgeEvent& event = Refused();
  EXPECT_EQ(event.refusal->kind, RefusalKind::kMalformed);
  EXPECT_EQ(event.refusal->peer, kPbxName);
  EXPECT_EQ(event.refusal->explanation, "Max-Forwards, line 3");
  EXPECT_THAT(event.refusal->steps,
              ElementsAre("sender: SOURCE_ADDRESS",
                          "dial_plan: tenants/t/dialPlans/clear",
                          "parser: SIP_HEADER_MALFORMED"));
  // Nor is anything more made of what has no Call-ID.
  edge_.ReceiveUdp(kPbx,
                   With(PbxInvite("95551234", Offer()), "Call-ID: pbx1\n", ""));
  EXPECT_EQ(Refused().reason, "SIP_HEADER_MISSING");
  EXPECT_EQ(Refused().refusal->explanation, "Call-ID");
  EXPECT_EQ(Refused().refusal->sip_status, 0);
  EXPECT_EQ(Refused().refusal->peer, kPbxName);
  ExpectNothingKept();
}

TEST_F(UnreadableTest, AReInviteIsOfItsCall) {
  Establish();
  edge_.ReceiveUdp(kPbx, With(PbxInDialog("INVITE", 2, Tag(ok_), Offer()),
                              "Max-Forwards: 70", "Max-Forwards: many"));
  EXPECT_EQ(CodeToPbx(), 400);
  EXPECT_EQ(Refused().reason, "SIP_HEADER_MALFORMED");
  EXPECT_EQ(Refused().refusal->kind, RefusalKind::kMalformed);
  EXPECT_EQ(Refused().refusal->call, call_);
  ExpectLadder(400, "SIP_HEADER_MALFORMED");
  EXPECT_EQ(edge_.core().calls().Records().size(), 1u);
}

TEST_F(UnreadableTest, OfStrangersNothingIsKept) {
  edge_.ReceiveUdp(kStranger, With(PbxInvite("95551234", Offer()),
                                   "Max-Forwards: 70", "Max-Forwards: many"));
  EXPECT_EQ(edge_.TakeToUdp(kStranger)->message.status_code(), 400);
  EXPECT_EQ(Refused().refusal->kind, RefusalKind::kMalformed);
  EXPECT_EQ(Refused().refusal->peer, "");
  EXPECT_EQ(Refused().refusal->call, 0u);
  EXPECT_THAT(Refused().refusal->steps,
              ElementsAre("source: stranger", "parser: SIP_HEADER_MALFORMED"));
  EXPECT_THAT(Refused().refusal->explanation, Not(HasSubstr("many")));
  ExpectNothingKept();
}

// An address that must prove itself by TLS or a password is a stranger's.
TEST_F(UnreadableTest, NorOfAnAddressThatProvesNothing) {
  auto plan = TestPlan();
  plan->peers[2].digest_user = "tenants/t/users/bob";
  edge_.Load(plan);
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, With(PbxInvite("95551234", Offer()),
                              "Max-Forwards: 70", "Max-Forwards: many"));
  EXPECT_EQ(CodeToPbx(), 400);
  EXPECT_EQ(Refused().refusal->peer, "");
  ExpectNothingKept();
}

}  // namespace
}  // namespace sallyport::signaling_edge
