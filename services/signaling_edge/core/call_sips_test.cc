// Calls by sips (RFC 5630, RFC 3261 section 26.2.2): TLS all the way, or no
// call; whatever the modes of the legs would allow.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {
namespace {

class CallSipsTest : public EdgeCoreTest {
 protected:
  // The gateway's INVITE.
  static std::string Invite(std::string_view uri, std::string_view id = "gw1") {
    return Cat("INVITE ", uri,
               " SIP/2.0\nVia: SIP/2.0/TLS 192.0.2.20;branch=", "z9hG4bK", id,
               "\nMax-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=g\nTo: <",
               uri, ">\nCall-ID: ", id,
               "\nCSeq: 1 INVITE\nContact: <sips:222@192.0.2.20>\n"
               "Content-Type: application/sdp\n\n",
               TestSdp("192.0.2.20", 4000, false));
  }
  // The first response to it that is no 100.
  SipMessage Answer(ConnectionId to) {
    for (;;) {
      const auto sent = edge_.TakeTo(to);
      if (!sent.has_value()) return SipMessage();
      if (sent->message.status_code() != 100) return sent->message;
    }
  }
  // alice with a contact of this scheme.
  ConnectionId Phone(std::string_view scheme) {
    const ConnectionId phone = edge_.ConnectTls("", "SEP1");
    const std::string request =
        Cat("REGISTER sip:d.test SIP/2.0\n"
            "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKr1\n"
            "Max-Forwards: 70\nFrom: <sip:alice@d.test>;tag=r\n"
            "To: <sip:alice@d.test>\nCall-ID: r1\nCSeq: 1 REGISTER\nContact: <",
            scheme, ":alice@203.0.113.5:40000>\n\n");
    edge_.Receive(phone, request);
    const auto challenge = edge_.TakeTo(phone);
    EXPECT_TRUE(challenge);
    std::string again = EdgeHarness::WithDigest(request, *challenge, "alice",
                                                "REGISTER", "sip:d.test");
    again.replace(again.find("z9hG4bKr1"), 9, "z9hG4bKr2");
    edge_.Receive(phone, again);
    const auto done = edge_.TakeTo(phone);
    EXPECT_TRUE(done && done->message.status_code() == 200);
    edge_.Forget();
    return phone;
  }
};

TEST_F(CallSipsTest, ATrunkOverTlsIsCalledBySips) {
  auto plan = TestPlan();
  plan->peers.push_back(plan->peers[1]);
  PeerEntry& other = plan->peers.back();
  other.name = "tenants/t/peers/other";
  other.fqdn = "other.d.test";
  other.address = "192.0.2.30";
  plan->route_patterns[1].peer = other.name;
  ResolveDefaults(*plan);
  edge_.Load(std::move(plan));
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  edge_.Receive(gateway, Invite("sips:95551234@203.0.113.1"));
  const ConnectionId trunk = edge_.AcceptDialled("other.d.test");
  const auto invite = edge_.TakeTo(trunk);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.request_uri(), "sips:5551234@other.d.test");
  EXPECT_EQ(invite->message.Value(HeaderId::kTo),
            "<sips:5551234@other.d.test>");
  EXPECT_EQ(invite->message.Value(HeaderId::kContact),
            "<sips:edge@203.0.113.1>");
  edge_.Answer(*invite, 200, "o", TestSdp("192.0.2.30", 4002, false),
               "sips:o@192.0.2.30");
  const SipMessage answer = Answer(gateway);
  EXPECT_EQ(answer.status_code(), 200);
  EXPECT_EQ(answer.Value(HeaderId::kContact), "<sips:edge@203.0.113.1>");
}

TEST_F(CallSipsTest, WhatLeavesInClearIsNotTaken) {
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  edge_.Receive(gateway, Invite("sips:85551234@203.0.113.1"));
  const SipMessage answer = Answer(gateway);
  EXPECT_EQ(answer.status_code(), 480);
  EXPECT_TRUE(Has(answer.Value(HeaderId::kWarning), "SIPS Not Allowed"));
  EXPECT_FALSE(edge_.TakeToUdp(kPbx).has_value());
  edge_.Receive(gateway, Invite("sip:85551234@203.0.113.1", "gw2"));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx).has_value());  // and by sip it is
}

TEST_F(CallSipsTest, WhatCameInClearIsRefused) {
  std::string invite =
      PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false));
  invite.replace(invite.find("INVITE sip:"), 11, "INVITE sips:");
  edge_.ReceiveUdp(kPbx, invite);
  auto answer = edge_.TakeToUdp(kPbx);
  while (answer && answer->message.status_code() == 100) {
    answer = edge_.TakeToUdp(kPbx);
  }
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 403);
  EXPECT_TRUE(edge_.connects.empty());
}

// RFC 5630 section 5.3: a contact is asked for what it registered, and by the
// scheme that the caller used.
TEST_F(CallSipsTest, AContactBySips) {
  const ConnectionId phone = Phone("sips");
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  edge_.Receive(gateway, Invite("sips:1001@203.0.113.1"));
  auto invite = edge_.TakeTo(phone);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.request_uri(), "sips:alice@203.0.113.5:40000");
  edge_.Receive(gateway, Invite("sip:1001@203.0.113.1", "gw2"));
  invite = edge_.TakeTo(phone);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.request_uri(),
            "sip:alice@203.0.113.5:40000;transport=tls");
  EXPECT_EQ(invite->message.Value(HeaderId::kContact),
            "<sip:edge@203.0.113.1;transport=tls>");
}

TEST_F(CallSipsTest, AContactBySip) {
  const ConnectionId phone = Phone("sip");
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  edge_.Receive(gateway, Invite("sips:1001@203.0.113.1"));
  EXPECT_EQ(Answer(gateway).status_code(), 480);
  EXPECT_FALSE(edge_.TakeTo(phone).has_value());
}

TEST_F(CallSipsTest, AContactBySipsIsNotRegisteredInClear) {
  const std::string request =
      "REGISTER sip:d.test SIP/2.0\n"
      "Via: SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bKb1\n"
      "Max-Forwards: 70\nFrom: <sip:bob@d.test>;tag=r\n"
      "To: <sip:bob@d.test>\nCall-ID: b1\nCSeq: 1 REGISTER\n"
      "Contact: <sips:bob@203.0.113.7>\n\n";
  edge_.ReceiveUdp("203.0.113.7:5060", request);
  const auto challenge = edge_.TakeToUdp("203.0.113.7:5060");
  ASSERT_TRUE(challenge);
  std::string again = EdgeHarness::WithDigest(request, *challenge, "bob",
                                              "REGISTER", "sip:d.test");
  again.replace(again.find("z9hG4bKb1"), 9, "z9hG4bKb2");
  edge_.ReceiveUdp("203.0.113.7:5060", again);
  const auto refused = edge_.TakeToUdp("203.0.113.7:5060");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 400);
}

}  // namespace
}  // namespace sallyport::signaling_edge
