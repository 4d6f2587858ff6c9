// Requests outside of calls that are refused: what operators are told of them,
// and of how many (CUC-69).
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kStranger[] = "198.51.100.9:5060";
constexpr char kBob[] = "198.51.100.1:5060";
constexpr char kBobName[] = "tenants/t/users/bob";

class EdgeRefusedRequestsTest : public EdgeCoreTest {
 protected:
  // A request without To tag. `transport` is that of Via.
  static std::string Text(std::string_view method, std::string_view more = "",
                          std::string_view user = "5551000",
                          std::string_view id = "out1", int cseq = 1,
                          std::string_view transport = "UDP") {
    return Cat(method, " sip:d.test SIP/2.0\nVia: SIP/2.0/", transport,
               " 192.0.2.10:5060;branch=z9hG4bK", id, method, cseq,
               "\nMax-Forwards: 70\nFrom: <sip:", user,
               "@d.test>;tag=o1\nTo: <sip:", user, "@d.test>\nCall-ID: ", id,
               "\nCSeq: ", cseq, " ", method, "\nContact: <sip:", user,
               "@192.0.2.10>", more.empty() ? "" : "\n", more);
  }

  // The status that it gets.
  int Ask(std::string_view from, const std::string& text) {
    edge_.ReceiveUdp(from, text);
    auto sent = edge_.TakeToUdp(from);
    EXPECT_TRUE(sent.has_value());
    if (sent) answer_ = *sent;
    return sent ? sent->message.status_code() : 0;
  }

  // The same with bob's password.
  int AskAsBob(std::string_view method, std::string_view more) {
    const int code = Ask(kBob, Text(method, "", "bob"));
    EXPECT_TRUE(code == 401 || code == 407) << code;
    edge_.events.clear();
    return Ask(kBob,
               EdgeHarness::WithDigest(Text(method, more, "bob", "out1", 2),
                                       answer_, "bob", method, "sip:d.test"));
  }

  size_t Told() const {
    size_t told = 0;
    for (const EdgeEvent& event : edge_.events) {
      told += event.refusal.has_value() ? 1 : 0;
    }
    return told;
  }

  // One refusal was told, of the pbx, and nothing is kept.
  void ExpectOfThePbx(std::string_view reason, int code,
                      std::string_view method, std::string_view last_step) {
    SCOPED_TRACE(reason);
    ASSERT_EQ(Told(), 1u);
    const EdgeEvent& event = *edge_.Last(EdgeEvent::Type::kRefused);
    EXPECT_EQ(event.reason, reason);
    EXPECT_EQ(event.tenant, "tenants/t");
    EXPECT_EQ(event.resource, "tenants/t/peers/pbx");
    EXPECT_EQ(event.refusal->peer, "tenants/t/peers/pbx");
    EXPECT_EQ(event.refusal->kind, RefusalKind::kRequest);
    EXPECT_EQ(event.refusal->sip_status, code);
    EXPECT_EQ(event.refusal->sip_method, method);
    EXPECT_EQ(event.refusal->call, 0u);
    EXPECT_EQ(event.call, 0u);
    EXPECT_THAT(event.refusal->steps,
                ElementsAre("sender: SOURCE_ADDRESS",
                            "dial_plan: tenants/t/dialPlans/clear", last_step));
    edge_.events.clear();
    ExpectNothingKept();
  }

  // The same of bob, who has shown the password.
  void ExpectOfBob(std::string_view reason, int code, RefusalKind kind) {
    ASSERT_EQ(Told(), 1u);
    const EdgeEvent& event = *edge_.Last(EdgeEvent::Type::kRefused);
    EXPECT_EQ(event.reason, reason);
    EXPECT_EQ(event.resource, kBobName);
    EXPECT_EQ(event.refusal->subject, kBobName);
    EXPECT_EQ(event.refusal->kind, kind);
    EXPECT_EQ(event.refusal->sip_status, code);
    EXPECT_THAT(event.refusal->steps[0], HasSubstr("sender: DIGEST"));
  }

  void ExpectNothingKept() {
    EXPECT_EQ(edge_.core().calls().ladder().legs(), 0u);
    EXPECT_EQ(edge_.core().transactions(), 0u);
    EXPECT_EQ(edge_.core().calls().Records().size(), 0u);
    EXPECT_TRUE(edge_.Idle());
  }

  Sent answer_;
};

TEST_F(EdgeRefusedRequestsTest, WhatAPeerAsksForAndWeDoNotHave) {
  EXPECT_EQ(Ask(kPbx, Text("OPTIONS", "Require: frozen, timer")), 420);
  EXPECT_EQ(answer_.message.Value(HeaderId::kUnsupported), "frozen");
  ExpectOfThePbx("EXTENSION_UNSUPPORTED", 420, "OPTIONS",
                 "extensions: EXTENSION_UNSUPPORTED");
  std::string other = Text("OPTIONS");
  other.replace(0, other.find(" SIP/2.0"), "OPTIONS http:edge");
  EXPECT_EQ(Ask(kPbx, other), 416);
  ExpectOfThePbx("URI_SCHEME_UNSUPPORTED", 416, "OPTIONS",
                 "uri: URI_SCHEME_UNSUPPORTED");
  EXPECT_EQ(Ask(kPbx, Text("MESSAGE")), 405);
  EXPECT_THAT(std::string(answer_.message.Value(HeaderId::kAllow)),
              HasSubstr("OPTIONS"));
  ExpectOfThePbx("METHOD_NOT_ALLOWED", 405, "MESSAGE",
                 "method: METHOD_NOT_ALLOWED");
  EXPECT_EQ(Ask(kPbx, Text("PUBLISH")), 405);
  ExpectOfThePbx("METHOD_NOT_ALLOWED", 405, "PUBLISH",
                 "method: METHOD_NOT_ALLOWED");
  // What it calls it is its own text.
  EXPECT_EQ(Ask(kPbx, Text("SECRET")), 501);
  ExpectOfThePbx("METHOD_UNKNOWN", 501, "", "method: METHOD_UNKNOWN");
}

TEST_F(EdgeRefusedRequestsTest, EventsThatWeDoNotHave) {
  EXPECT_EQ(Ask(kPbx, Text("SUBSCRIBE", "Event: presence")), 489);
  EXPECT_EQ(answer_.message.Value(HeaderId::kAllowEvents), "message-summary");
  ExpectOfThePbx("EVENT_UNSUPPORTED", 489, "SUBSCRIBE",
                 "request: EVENT_UNSUPPORTED");
  EXPECT_EQ(Ask(kPbx, Text("SUBSCRIBE", "Event: message-summary")), 403);
  ExpectOfThePbx("IDENTITY_NOT_ALLOWED", 403, "SUBSCRIBE",
                 "identity: IDENTITY_NOT_ALLOWED");
  EXPECT_EQ(Ask(kPbx, Text("NOTIFY", "Event: message-summary")), 403);
  ExpectOfThePbx("IDENTITY_NOT_ALLOWED", 403, "NOTIFY",
                 "identity: IDENTITY_NOT_ALLOWED");
}

// RFC 6665 section 8.3.2: 489 says which there are.
TEST_F(EdgeRefusedRequestsTest, NotificationsThatWeCannotRead) {
  auto plan = TestPlan();
  plan->peers[2].message_waiting_allowed = true;
  edge_.Load(plan);
  edge_.events.clear();
  EXPECT_EQ(Ask(kPbx, Text("NOTIFY", "Event: presence")), 489);
  EXPECT_EQ(answer_.message.Value(HeaderId::kAllowEvents), "message-summary");
  ExpectOfThePbx("EVENT_UNSUPPORTED", 489, "NOTIFY",
                 "request: EVENT_UNSUPPORTED");
  EXPECT_EQ(Ask(kPbx, Text("NOTIFY", "Event: message-summary")), 415);
  EXPECT_EQ(answer_.message.Value(HeaderId::kAccept),
            "application/simple-message-summary");
  ExpectOfThePbx("BODY_TYPE_UNSUPPORTED", 415, "NOTIFY",
                 "request: BODY_TYPE_UNSUPPORTED");
  EXPECT_EQ(Ask(kPbx, Text("NOTIFY",
                           "Event: message-summary\n"
                           "Content-Type: application/simple-message-summary\n"
                           "\nMessages-Waiting: yes\n")),
            404);
  ExpectOfThePbx("ROUTE_NOT_FOUND", 404, "NOTIFY", "route: ROUTE_NOT_FOUND");
}

// RFC 3261 section 9.2.
TEST_F(EdgeRefusedRequestsTest, ACancelOfNothing) {
  edge_.ReceiveUdp(kPbx, PbxCancel());
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 481);
  ExpectOfThePbx("TRANSACTION_NOT_FOUND", 481, "CANCEL",
                 "dialog: TRANSACTION_NOT_FOUND");
}

// The INVITE was answered, and its transaction is over.
TEST_F(EdgeRefusedRequestsTest, ACancelThatComesTooLate) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  edge_.Answer(*edge_.TakeTo(invite.connection), 200, "g1");
  edge_.Forget();
  edge_.Advance(absl::Minutes(2));
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, PbxCancel());
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 481);
  EXPECT_EQ(Told(), 1u);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kRefused)->refusal->sip_method,
            "CANCEL");
  EXPECT_EQ(edge_.core().transactions(), 0u);
}

TEST_F(EdgeRefusedRequestsTest, WhoShowsAPasswordIsNamed) {
  EXPECT_EQ(AskAsBob("SUBSCRIBE", "Event: presence"), 489);
  ExpectOfBob("EVENT_UNSUPPORTED", 489, RefusalKind::kRequest);
  EXPECT_EQ(AskAsBob("SUBSCRIBE", "Event: message-summary\nRequire: frozen"),
            420);
  ExpectOfBob("EXTENSION_UNSUPPORTED", 420, RefusalKind::kRequest);
  EXPECT_EQ(AskAsBob("REGISTER", "Require: frozen"), 420);
  ExpectOfBob("EXTENSION_UNSUPPORTED", 420, RefusalKind::kRegistration);
  EXPECT_EQ(AskAsBob("REGISTER", "Expires: 1"), 423);
  ExpectOfBob("EXPIRES_TOO_BRIEF", 423, RefusalKind::kRegistration);
}

TEST_F(EdgeRefusedRequestsTest, AWrongPasswordNamesNobody) {
  EXPECT_EQ(Ask(kBob, Text("SUBSCRIBE", "", "bob")), 407);
  edge_.events.clear();
  std::string text = EdgeHarness::WithDigest(
      Text("SUBSCRIBE", "Require: frozen", "bob", "out1", 2), answer_, "bob",
      "SUBSCRIBE", "sip:d.test");
  const std::string_view response = "response=\"";
  text[text.find(response) + response.size()] ^= 1;
  EXPECT_EQ(Ask(kBob, text), 407);
  EXPECT_EQ(edge_.Refusals(), "DIGEST_FAILED");
}

// A phone's certificate says which phone it is, before any password.
TEST_F(EdgeRefusedRequestsTest, APhoneIsKnownByItsCertificate) {
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  edge_.Receive(phone, Text("MESSAGE", "", "alice", "out1", 1, "TLS"));
  EXPECT_EQ(edge_.TakeTo(phone)->message.status_code(), 405);
  ASSERT_EQ(Told(), 1u);
  const EdgeEvent& event = *edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event.refusal->subject, "tenants/t/phones/SEP1");
  EXPECT_THAT(event.refusal->steps,
              ElementsAre("source: proven", "method: METHOD_NOT_ALLOWED"));
}

TEST_F(EdgeRefusedRequestsTest, ARefreshThatIsOutOfOrder) {
  EXPECT_EQ(AskAsBob("SUBSCRIBE", "Event: message-summary"), 200);
  const std::string tag = Tag(answer_);
  edge_.Forget();
  edge_.events.clear();
  std::string again = Text("SUBSCRIBE", "Event: message-summary", "bob");
  const std::string_view to = "To: <sip:bob@d.test>";
  again.insert(again.find(to) + to.size(), Cat(";tag=", tag));
  EXPECT_EQ(Ask(kBob, again), 500);
  ExpectOfBob("CSEQ_OUT_OF_ORDER", 500, RefusalKind::kRequest);
}

// Section 8.2.2.2. Who registers there has proven something lately.
TEST_F(EdgeRefusedRequestsTest, ACopyByAnotherWay) {
  EXPECT_EQ(AskAsBob("REGISTER", ""), 200);
  edge_.events.clear();
  std::string copy = Text("REGISTER", "", "bob", "out1", 2);
  const std::string_view branch = "branch=z9hG4bK";
  copy.insert(copy.find(branch) + branch.size(), "x");
  EXPECT_EQ(Ask(kBob, copy), 482);
  ASSERT_EQ(Told(), 1u);
  EXPECT_EQ(edge_.Refusals(), "MERGED_REQUEST");
  EXPECT_THAT(edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
              ElementsAre("source: familiar", "loop: MERGED_REQUEST"));
  EXPECT_EQ(Ask(kBob, copy), 482);
  EXPECT_EQ(Told(), 1u);  // one a second
}

TEST_F(EdgeRefusedRequestsTest, OfStrangersNothingIsTold) {
  for (const char* method : {"MESSAGE", "PUBLISH", "SECRET", "INFO"}) {
    Ask(kStranger, Text(method));
  }
  EXPECT_EQ(Ask(kStranger, Text("OPTIONS", "Require: frozen")), 420);
  std::string cancel = Text("CANCEL");
  EXPECT_EQ(Ask(kStranger, cancel), 481);
  // That of a dialog that is not there is, once a second.
  EXPECT_EQ(edge_.Refusals(), "DIALOG_NOT_FOUND");
  const auto& counted = edge_.core().stats().refusals;
  EXPECT_EQ(counted.at("METHOD_NOT_ALLOWED"), 2u);
  EXPECT_EQ(counted.at("TRANSACTION_NOT_FOUND"), 1u);
  ExpectNothingKept();
}

TEST_F(EdgeRefusedRequestsTest, AFloodOfOneHidesNobodyElses) {
  for (int i = 1; i <= 500; ++i) {
    Ask(kPbx, Text("MESSAGE", "", "5551000", Cat("f", i), i));
  }
  EXPECT_EQ(Told(), 20u);
  EXPECT_EQ(edge_.core().stats().refusals.at("METHOD_NOT_ALLOWED"), 500u);
  ExpectNothingKept();
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "");
  edge_.Receive(gateway, Text("MESSAGE", "", "gw", "g1", 1, "TLS"));
  EXPECT_EQ(edge_.TakeTo(gateway)->message.status_code(), 405);
  EXPECT_EQ(Told(), 21u);
  // Nor what is of more use.
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, "nobody"));
  EXPECT_EQ(Told(), 22u);
  edge_.Forget();
  edge_.Advance(absl::Seconds(1));
  Ask(kPbx, Text("MESSAGE", "", "5551000", "later"));
  EXPECT_EQ(Told(), 23u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
