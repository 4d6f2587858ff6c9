// Lines of those who call: how many calls they may have, and that they have one
// from when they dial.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {
namespace {

class CallLinesTest : public EdgeCoreTest {
 protected:
  // alice, whose phone needs no password, has a line of two calls.
  CallLinesTest() {
    auto plan = TestPlan();
    plan->version = 2;
    LineEntry line;
    line.name = "tenants/t/lines/alice";
    line.directory_number = "4001";
    line.max_calls = 2;
    line.busy_trigger = 2;
    line.users = {"tenants/t/users/alice"};
    plan->lines = {line};
    plan->phones[0].lsc_alone = true;
    RoutePatternEntry help = plan->route_patterns[1];
    help.name = "tenants/t/routePatterns/help";
    help.pattern = "911";
    help.toll_class = TollClass::kEmergency;
    plan->route_patterns.push_back(help);
    edge_.Load(plan);
    alice_ = edge_.ConnectTls("", "SEP1");
    edge_.Receive(alice_, Text("REGISTER", "sip:d.test", "alice", 0, 1, "",
                               "\nExpires: 600"));
    const auto registered = edge_.TakeTo(alice_);
    EXPECT_TRUE(registered && registered->message.status_code() == 200);
  }

  static std::string Text(std::string_view method, std::string_view uri,
                          std::string_view to, int call, int cseq,
                          std::string_view tag, std::string_view lines = "",
                          std::string_view sdp = "") {
    return Cat(method, " ", uri,
               " SIP/2.0\n"
               "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bK",
               method, call, "x", cseq,
               "\nMax-Forwards: 70\nFrom: <sip:alice@d.test>;tag=a", call,
               "\nTo: <sip:", to, "@d.test>", tag.empty() ? "" : ";tag=", tag,
               "\nCall-ID: line", call, "\nCSeq: ", cseq, " ", method,
               "\nContact: <sip:alice@203.0.113.5:40000;transport=tls>", lines,
               sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }

  // alice dials; 0, or how she is refused.
  int Dials(std::string_view number) {
    edge_.Forget();
    edge_.Receive(
        alice_, Text("INVITE", Cat("sip:", number, "@d.test"), number, ++calls_,
                     1, "", "", TestSdp("203.0.113.5", 4000, true)));
    if (gateway_ == 0) gateway_ = edge_.AcceptDialled("gw.d.test");
    while (const auto sent = edge_.TakeTo(alice_)) {
      if (sent->message.status_code() >= 300) {
        return sent->message.status_code();
      }
    }
    const auto invite = edge_.TakeTo(gateway_);
    EXPECT_TRUE(invite.has_value()) << edge_.Refusals();
    if (invite.has_value()) last_ = *invite;
    return 0;
  }

  // The gateway answers the last call; the tag of our 200.
  std::string Answered() {
    edge_.Answer(last_, 200, Cat("g", calls_),
                 TestSdp("192.0.2.20", 6000, false));
    const auto ok = edge_.TakeTo(alice_);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    const auto to = ParseNameAddr(ok->message.Value(HeaderId::kTo));
    const std::string tag(to->Param("tag").value_or(""));
    edge_.Receive(alice_, Text("ACK", "sip:edge@203.0.113.1", "95551234",
                               calls_, 1, tag));
    return tag;
  }

  void HangUp(int call, std::string_view tag) {
    edge_.Forget();
    edge_.Receive(
        alice_, Text("BYE", "sip:edge@203.0.113.1", "95551234", call, 2, tag));
    const auto ok = edge_.TakeTo(alice_);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    const auto bye = edge_.TakeTo(gateway_);
    ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
    edge_.Answer(*bye, 200, "");
  }

  // What the PBX gets that calls alice's line.
  int PbxDials() {
    edge_.Forget();
    edge_.ReceiveUdp(kPbx, PbxInvite("4001", TestSdp("192.0.2.10", 4000, false),
                                     Cat("pbx", ++calls_), Cat("pbx", calls_)));
    int code = 0;
    while (const auto sent = edge_.TakeToUdp(kPbx)) {
      code = sent->message.status_code();
    }
    return code;
  }

  ConnectionId alice_ = 0;
  ConnectionId gateway_ = 0;
  int calls_ = 0;
  Sent last_;
};

TEST_F(CallLinesTest, ALineHasAsManyCallsAsThePlanSays) {
  EXPECT_EQ(Dials("95551234"), 0);
  const std::string first = Answered();
  EXPECT_EQ(Dials("95551234"), 0);  // it rings, and counts
  EXPECT_EQ(Dials("95551234"), 403);
  EXPECT_EQ(edge_.Refusals(), "LINE_CALL_LIMIT");
  const CallRecord& refused = *edge_.core().calls().Records().back();
  EXPECT_EQ(refused.reason, "LINE_CALL_LIMIT");
  EXPECT_EQ(refused.disposition, CallDisposition::kRefused);
  // Whoever has too many calls may still call for help.
  EXPECT_EQ(Dials("911"), 0);
  Answered();
  EXPECT_EQ(Dials("95551234"), 403);
  HangUp(1, first);
  EXPECT_EQ(Dials("95551234"), 403);  // the other, and that for help
}

TEST_F(CallLinesTest, WhatFailsOrIsGivenUpNoLongerCounts) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Dials("95551234"), 0) << i;
    edge_.Answer(last_, 486, "g");
    const auto busy = edge_.TakeTo(alice_);
    ASSERT_TRUE(busy && busy->message.status_code() == 486);
    edge_.Receive(
        alice_, Text("ACK", "sip:95551234@d.test", "95551234", calls_, 1, "x"));
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Dials("95551234"), 0) << i;
    std::string cancel =
        Text("CANCEL", "sip:95551234@d.test", "95551234", calls_, 1, "");
    cancel.replace(cancel.find("z9hG4bKCANCEL"), 13, "z9hG4bKINVITE");
    edge_.Receive(alice_, cancel);
    const auto ok = edge_.TakeTo(alice_);
    ASSERT_TRUE(ok && ok->message.status_code() == 200);
    const auto ended = edge_.TakeTo(alice_);
    ASSERT_TRUE(ended && ended->message.status_code() == 487);
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Dials("95551234"), 0) << i;
    HangUp(calls_, Answered());
  }
  // What is refused before it leaves never counted.
  for (int i = 0; i < 5; ++i) ASSERT_EQ(Dials("666"), 404);
  EXPECT_EQ(Dials("95551234"), 0);
  EXPECT_EQ(Dials("95551234"), 0);
  EXPECT_EQ(Dials("95551234"), 403);
}

TEST_F(CallLinesTest, WhoDialsIsBusyForOthers) {
  EXPECT_EQ(PbxDials(), 100);  // it rings
  EXPECT_EQ(Dials("95551234"), 0);
  EXPECT_EQ(PbxDials(), 486);
}

}  // namespace
}  // namespace sallyport::signaling_edge
