// Transfers of calls whose both ends are ours: REFER (RFC 3515), Replaces (RFC
// 3891), Target-Dialog (RFC 4538), as RFC 5589 has them.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class CallTransferTest : public EdgeCoreTest {
 protected:
  // pbx talks to gw; bob is registered.
  void Connect() {
    bob_ = edge_.ConnectTcp("198.51.100.1");
    ASSERT_TRUE(edge_.Register(bob_, "bob"));
    edge_.Forget();
    ok_ = Established(invite_);
    gateway_ = invite_.connection;
  }
  void Refer(const std::string& to, uint32_t cseq = 2,
             std::vector<std::string> more = {}) {
    more.push_back("Refer-To: " + to);
    edge_.RequestFrom(invite_, "g1", "REFER", cseq, "", more);
  }
  Sent To(ConnectionId connection, SipMethod method) {
    auto sent = edge_.TakeTo(connection);
    EXPECT_TRUE(sent.has_value()) << MethodName(method);
    if (!sent) return {};
    EXPECT_EQ(sent->message.method(), method);
    return *sent;
  }
  int Code(ConnectionId connection) {
    auto sent = edge_.TakeTo(connection);
    return sent ? sent->message.status_code() : 0;
  }
  // The next NOTIFY to the gateway, answered: "SIP/2.0 180 Ringing active".
  std::string Notified() {
    const Sent notify = To(gateway_, SipMethod::kNotify);
    EXPECT_EQ(notify.message.Value(HeaderId::kEvent), "refer");
    edge_.Answer(notify, 200, "g1");
    const std::string_view state =
        notify.message.Value(HeaderId::kSubscriptionState);
    return Cat(
        notify.message.body().substr(0, notify.message.body().size() - 2), " ",
        state.substr(0, state.find(';')));
  }

  ConnectionId bob_ = 0, gateway_ = 0;
  Sent invite_, ok_;
  const std::string answer_ = TestSdp("198.51.100.1", 5000, false);
  const char* contact_ = "<sip:bob@198.51.100.1>";
};

TEST_F(CallTransferTest, Blind) {
  Connect();
  Refer("<sip:bob@203.0.113.1>");
  EXPECT_EQ(Code(gateway_), 202);
  EXPECT_EQ(Notified(), "SIP/2.0 100 Trying active");
  const Sent ring = To(bob_, SipMethod::kInvite);
  // Who is transferred is shown as the caller.
  EXPECT_TRUE(Has(ring.message.Value(HeaderId::kFrom), "5551000@"));
  edge_.Answer(ring, 180, "b", "", contact_);
  EXPECT_EQ(Notified(), "SIP/2.0 180 Ringing active");
  edge_.Answer(ring, 200, "b", answer_, contact_);
  To(bob_, SipMethod::kAck);
  // pbx learns of the new media within its own dialog.
  const Sent again = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(again.message.method(), SipMethod::kInvite);
  EXPECT_EQ(again.message.Value(HeaderId::kCallId), "pbx1");
  EXPECT_NE(again.message.body(), ok_.message.body());
  EXPECT_EQ(Notified(), "SIP/2.0 200 OK terminated");
  edge_.Answer(To(gateway_, SipMethod::kBye), 200, "g1");
  edge_.Answer(again, 200, "", TestSdp("192.0.2.10", 4700, false),
               "<sip:5551000@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4700);
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 5000);
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->reason, "TRANSFERRED");
  EXPECT_EQ(edge_.deleted.size(), 1u);
  // And it ends as any other.
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok_)));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 200);
  edge_.Answer(To(bob_, SipMethod::kBye), 200, "b");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(CallTransferTest, ATargetThatRefusesLeavesTheCall) {
  Connect();
  Refer("<sip:bob@203.0.113.1>");
  Code(gateway_);
  Notified();
  edge_.Answer(To(bob_, SipMethod::kInvite), 486, "b");
  EXPECT_EQ(Notified(), "SIP/2.0 486 Busy Here terminated");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Forget();
  // It can be tried again.
  Refer("<sip:nobody@203.0.113.1>", 3);
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  EXPECT_EQ(Notified(), "SIP/2.0 404 Not Found terminated");
}

// The call to the target is one more until the party has gone there.
TEST_F(CallTransferTest, OneCallMoreThanTheTenantMayHave) {
  auto plan = TestPlan();
  plan->tenants[0].limits.max_calls = 1;
  edge_.Load(plan);
  Connect();
  Refer("<sip:bob@203.0.113.1>");
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  EXPECT_EQ(Notified(), "SIP/2.0 503 Service Unavailable terminated");
  EXPECT_EQ(edge_.Refusals(), "TENANT_CALL_LIMIT");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_TRUE(edge_.Idle());
  plan = TestPlan();
  plan->tenants[0].limits.max_calls = 2;
  edge_.Load(plan);
  Refer("<sip:bob@203.0.113.1>", 3);
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  const Sent ring = To(bob_, SipMethod::kInvite);
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", "", "two", "two"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 503);
  edge_.Answer(ring, 200, "b", answer_, contact_);
  EXPECT_EQ(edge_.core().calls().live(), 2u);  // until the old one's BYE
}

TEST_F(CallTransferTest, TheReferrerNeedNotWait) {
  Connect();
  Refer("<sip:bob@203.0.113.1>");
  Code(gateway_);
  Notified();
  const Sent ring = To(bob_, SipMethod::kInvite);
  edge_.RequestFrom(invite_, "g1", "BYE", 3);
  EXPECT_EQ(Code(gateway_), 200);
  EXPECT_EQ(edge_.TakeToUdp(kPbx), std::nullopt);  // pbx stays
  edge_.Answer(ring, 200, "b", answer_, contact_);
  const Sent again = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(again.message.method(), SipMethod::kInvite);
  edge_.Answer(again, 200, "", TestSdp("192.0.2.10", 4700, false));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallTransferTest, WithoutReferrerAFailureEndsIt) {
  Connect();
  Refer("<sip:bob@203.0.113.1>");
  const Sent ring = [&] {
    Code(gateway_);
    Notified();
    return To(bob_, SipMethod::kInvite);
  }();
  edge_.RequestFrom(invite_, "g1", "BYE", 3);
  Code(gateway_);
  edge_.Answer(ring, 486, "b");
  const Sent bye = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(bye.message.method(), SipMethod::kBye);
  edge_.Answer(bye, 200, "");
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(CallTransferTest, WhoIsTransferredMayHangUp) {
  Connect();
  Refer("<sip:bob@203.0.113.1>");
  Code(gateway_);
  Notified();
  const Sent ring = To(bob_, SipMethod::kInvite);
  edge_.Answer(ring, 180, "b", "", contact_);
  Notified();
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok_)));
  edge_.TakeToUdp(kPbx);
  edge_.Answer(To(gateway_, SipMethod::kBye), 200, "g1");
  To(bob_, SipMethod::kCancel);
  edge_.Answer(ring, 487, "b");
  edge_.Advance(absl::Minutes(3));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

// Who was put on hold for the transfer does not stay so.
TEST_F(CallTransferTest, HoldIsTakenBack) {
  Connect();
  edge_.RequestFrom(invite_, "g1", "INVITE", 2,
                    TestSdp("192.0.2.20", 6000, false, "a=sendonly\r\n"));
  Code(gateway_);
  const Sent hold = *edge_.TakeToUdp(kPbx);
  EXPECT_TRUE(Has(hold.message.body(), "a=sendonly"));
  edge_.Answer(hold, 200, "",
               TestSdp("192.0.2.10", 4000, false, "a=recvonly\r\n"),
               "<sip:5551000@192.0.2.10>");
  edge_.TakeToUdp(kPbx);
  edge_.RequestFrom(invite_, "g1", "ACK", 2);
  edge_.Forget();
  Refer("<sip:bob@203.0.113.1>", 3);
  Code(gateway_);
  Notified();
  const Sent ring = To(bob_, SipMethod::kInvite);
  EXPECT_TRUE(Has(ring.message.body(), "a=sendrecv"));
  edge_.Answer(ring, 200, "b", answer_, contact_);
  EXPECT_TRUE(Has(edge_.TakeToUdp(kPbx)->message.body(), "a=sendrecv"));
}

TEST_F(CallTransferTest, Attended) {
  auto plan = TestPlan();
  plan->trunk_security_profiles.resize(1);
  plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
  plan->trunk_security_profiles[0].accept_replaces = true;
  for (PeerEntry& peer : plan->peers) {
    if (peer.name == "tenants/t/peers/gw") {
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
    }
  }
  edge_.Load(plan);
  Connect();
  // gw calls bob, and then joins pbx and bob.
  edge_.Receive(gateway_, Cat("INVITE sip:bob@203.0.113.1 SIP/2.0\n"
                              "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw\n"
                              "Max-Forwards: 70\n"
                              "From: <sip:222@gw.d.test>;tag=gw2\n"
                              "To: <sip:bob@203.0.113.1>\nCall-ID: gw2\n"
                              "CSeq: 1 INVITE\nContact: <sip:222@192.0.2.20>\n"
                              "Content-Type: application/sdp\n\n",
                              TestSdp("192.0.2.20", 6200, false)));
  Code(gateway_);
  const Sent ring = To(bob_, SipMethod::kInvite);
  edge_.Answer(ring, 200, "b", answer_, contact_);
  To(bob_, SipMethod::kAck);
  const Sent ok = *edge_.TakeTo(gateway_);
  edge_.Receive(gateway_,
                Cat("ACK sip:edge@203.0.113.1 SIP/2.0\n"
                    "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgwa\n"
                    "Max-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
                    "To: <sip:bob@203.0.113.1>;tag=",
                    Tag(ok), "\nCall-ID: gw2\nCSeq: 1 ACK"));
  EXPECT_EQ(edge_.core().calls().live(), 2u);
  // Not somebody else's dialog, and not with a wrong tag.
  Refer(Cat("<sip:bob@203.0.113.1?Replaces=gw2%3Bto-tag%3D", Tag(ok),
            "%3Bfrom-tag%3Dother>"),
        2);
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  EXPECT_TRUE(Has(Notified(), "481"));
  Refer(Cat("<sip:bob@203.0.113.1?Replaces=pbx1%3Bto-tag%3D", Tag(ok_),
            "%3Bfrom-tag%3Dp1>"),
        3);
  Code(gateway_);
  Notified();
  EXPECT_TRUE(Has(Notified(), "481"));
  // Nor where the tenant has no room for the third that they are for a moment.
  const auto join = Cat("<sip:bob@203.0.113.1?Replaces=gw2%3Bto-tag%3D",
                        Tag(ok), "%3Bfrom-tag%3Dgw2>");
  auto narrow = std::make_shared<PlanSnapshot>(*plan);
  narrow->tenants[0].limits.max_calls = 2;
  edge_.Load(narrow);
  Refer(join, 4);
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  EXPECT_TRUE(Has(Notified(), "503"));
  EXPECT_TRUE(Has(edge_.Refusals(), "TENANT_CALL_LIMIT"));
  EXPECT_EQ(edge_.core().calls().live(), 2u);
  narrow = std::make_shared<PlanSnapshot>(*plan);
  narrow->tenants[0].limits.max_calls = 3;
  edge_.Load(narrow);

  Refer(join, 5);
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  EXPECT_EQ(Notified(), "SIP/2.0 200 OK terminated");
  edge_.Answer(To(gateway_, SipMethod::kBye), 200, "g1");
  edge_.Answer(To(gateway_, SipMethod::kBye), 200, "gw2");
  const Sent first = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(first.message.method(), SipMethod::kInvite);
  edge_.Answer(first, 200, "", TestSdp("192.0.2.10", 4800, false),
               "<sip:5551000@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  const Sent second = To(bob_, SipMethod::kInvite);
  EXPECT_EQ(second.message.Value(HeaderId::kCallId),
            ring.message.Value(HeaderId::kCallId));
  edge_.Answer(second, 200, "b", TestSdp("198.51.100.1", 5100, false),
               contact_);
  To(bob_, SipMethod::kAck);
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_EQ(edge_.updated.back().legs[0].remote->rtp_port, 4800);
  EXPECT_EQ(edge_.updated.back().legs[1].remote->rtp_port, 5100);
  EXPECT_EQ(edge_.created.size(), 3u);
  EXPECT_EQ(edge_.deleted.size(), 2u);
}

// CUC-23: Accept Replaces Header of the trunk's security profile is off by
// default.
TEST_F(CallTransferTest, ReplacesNeedsTheProfile) {
  Connect();
  Refer("<sip:bob@203.0.113.1?Replaces=x%3Bto-tag%3Da%3Bfrom-tag%3Db>");
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  EXPECT_TRUE(Has(Notified(), "403"));
  EXPECT_EQ(edge_.Refusals(), "REPLACES_NOT_ALLOWED");
}

// Likewise out-of-dialog REFER; where it is on, it must name a call.
// CUC-23: Accept Out-of-Dialog REFER.
TEST_F(CallTransferTest, OutsideOfADialog) {
  auto plan = TestPlan();
  plan->trunk_security_profiles.resize(1);
  plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
  for (PeerEntry& peer : plan->peers) {
    if (peer.name == "tenants/t/peers/gw") {
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
    }
  }
  edge_.Load(plan);
  Connect();
  const auto refer = [&](int n, std::string_view target) {
    edge_.Receive(gateway_,
                  Cat("REFER sip:edge@203.0.113.1 SIP/2.0\n"
                      "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKr",
                      n,
                      "\nMax-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=r\n"
                      "To: <sip:edge@203.0.113.1>\nCall-ID: r",
                      n,
                      "\nCSeq: 1 REFER\nContact: <sip:222@192.0.2.20>\n"
                      "Refer-To: <sip:bob@203.0.113.1>",
                      target.empty() ? "" : "\nTarget-Dialog: ", target));
    return Code(gateway_);
  };
  const std::string mine = Cat(
      invite_.message.Value(HeaderId::kCallId), ";local-tag=",
      [&] {
        const auto from = ParseNameAddr(invite_.message.Value(HeaderId::kFrom));
        return std::string(from->tag());
      }(),
      ";remote-tag=g1");
  EXPECT_EQ(refer(1, mine), 403);
  plan = std::make_shared<PlanSnapshot>(*plan);
  plan->trunk_security_profiles[0].accept_out_of_dialog_refer = true;
  edge_.Load(plan);
  EXPECT_EQ(refer(2, ""), 481);
  EXPECT_EQ(refer(3, Cat("pbx1;local-tag=", Tag(ok_), ";remote-tag=p1")), 481);
  EXPECT_EQ(refer(4, mine), 202);
  edge_.Answer(To(bob_, SipMethod::kInvite), 200, "b", answer_, contact_);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kInvite);
  To(gateway_, SipMethod::kBye);
}

// CUC-30: what a peer refers from outside of a dialog is looked up in a search
// space of its own, apart from what it refers within one.
TEST_F(CallTransferTest, Cuc30SearchSpacesOfReferences) {
  auto plan = TestPlan();
  plan->trunk_security_profiles.resize(1);
  plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
  plan->trunk_security_profiles[0].accept_out_of_dialog_refer = true;
  plan->partitions = {{.name = "tenants/t/partitions/far"}};
  plan->calling_search_spaces = {
      {"tenants/t/callingSearchSpaces/all", {"tenants/t/partitions/far"}}};
  for (RoutePatternEntry& pattern : plan->route_patterns) {
    if (pattern.pattern == "7.!") pattern.partition = plan->partitions[0].name;
  }
  const auto set = [&](const std::string& rerouting,
                       const std::string& outside) {
    plan = std::make_shared<PlanSnapshot>(*plan);
    for (PeerEntry& peer : plan->peers) {
      if (peer.name != "tenants/t/peers/gw") continue;
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
      peer.rerouting_search_space = rerouting;
      peer.outside_refer_search_space = outside;
    }
    edge_.Load(plan);
  };
  const std::string all = plan->calling_search_spaces[0].name;
  set(all, "");
  Connect();
  int n = 0;
  const auto outside = [&] {
    ++n;
    edge_.Receive(
        gateway_,
        Cat("REFER sip:edge@203.0.113.1 SIP/2.0\n"
            "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKq",
            n,
            "\nMax-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=r\n"
            "To: <sip:edge@203.0.113.1>\nCall-ID: q",
            n,
            "\nCSeq: 1 REFER\nContact: <sip:222@192.0.2.20>\n"
            "Refer-To: <sip:75551111@203.0.113.1>\nTarget-Dialog: ",
            invite_.message.Value(HeaderId::kCallId), ";local-tag=",
            std::string(
                ParseNameAddr(invite_.message.Value(HeaderId::kFrom))->tag()),
            ";remote-tag=g1"));
    return Code(gateway_);
  };
  // Within the dialog the pattern is seen, outside it is not.
  EXPECT_EQ(outside(), 202);
  EXPECT_TRUE(edge_.resolves.empty());
  set("", all);
  EXPECT_EQ(outside(), 202);
  EXPECT_EQ(edge_.resolves.size(), 1u);  // of far.d.test
}

TEST_F(CallTransferTest, BadOnes) {
  Connect();
  Refer("<mailto:bob@203.0.113.1>", 2);
  EXPECT_EQ(Code(gateway_), 400);
  Refer("<sip:203.0.113.1>", 3);
  EXPECT_EQ(Code(gateway_), 400);
  Refer("<sip:bob@203.0.113.1;method=BYE>", 4);
  EXPECT_EQ(Code(gateway_), 403);
  edge_.RequestFrom(invite_, "g1", "REFER", 5);
  EXPECT_EQ(Code(gateway_), 400);
  Refer("<sip:bob@203.0.113.1>", 5);
  EXPECT_EQ(Code(gateway_), 500);  // CSeq
  Refer("<sip:bob@203.0.113.1>", 6);
  EXPECT_EQ(Code(gateway_), 202);
  Notified();
  Refer("<sip:bob@203.0.113.1>", 7);
  EXPECT_EQ(Code(gateway_), 491);  // one at a time
}

// A party that is SECURED stays so, whoever it is transferred to.
TEST_F(CallTransferTest, ModesHold) {
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(phone, "alice"));
  Connect();
  Refer("<sip:1001@203.0.113.1>");
  Code(gateway_);
  Notified();
  const Sent ring = To(phone, SipMethod::kInvite);
  EXPECT_TRUE(Has(ring.message.body(), "RTP/SAVP"));
  EXPECT_TRUE(Has(ring.message.body(), "a=crypto"));
  edge_.Answer(ring, 200, "a", TestSdp("203.0.113.5", 5000, true),
               "<sip:alice@203.0.113.5:40000;transport=tls>");
  const Sent again = *edge_.TakeToUdp(kPbx);
  EXPECT_FALSE(Has(again.message.body(), "a=crypto"));
  EXPECT_TRUE(Has(again.message.body(), "RTP/AVP"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
