// What is too long for UDP goes by TCP, and by UDP after all to who takes none
// (RFC 3261 section 18.1.1).
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Refused() {
  return MakeError(absl::StatusCode::kUnavailable, "CONNECT_FAILED",
                   "connection refused");
}

// caller calls 8555 at pbx, both by UDP and in clear.
class EdgeLongRequestsTest : public EdgeCoreTest {
 protected:
  EdgeLongRequestsTest() : EdgeLongRequestsTest(EdgeHarness::Options()) {}
  explicit EdgeLongRequestsTest(const EdgeOptions& options)
      : EdgeCoreTest(options) {
    PeerEntry trunk;
    for (const PeerEntry& peer : plan_->peers) {
      if (peer.name == "tenants/t/peers/pbx") trunk = peer;
    }
    trunk.name = "tenants/t/peers/caller";
    trunk.address = "192.0.2.30";
    plan_->peers.insert(plan_->peers.begin(), trunk);
    Load();
  }

  void Load() {
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
    edge_.Forget();
    edge_.events.clear();
  }

  // An offer whose INVITE is longer than 1300 octets with `lines` of 50.
  static std::string Offer(int lines) {
    std::string more;
    for (int i = 0; i < lines; ++i) {
      CatTo(more, "a=fmtp:0 ", std::string(39, 'x'), "\r\n");
    }
    return TestSdp("192.0.2.30", 4000, false, more);
  }

  // The caller's INVITE, with such an offer.
  void Call(int lines, std::string_view call_id = "c1") {
    std::string invite =
        Cat("INVITE sip:8555@203.0.113.1 SIP/2.0\n"
            "Via: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bK",
            call_id,
            "\nMax-Forwards: 70\nFrom: <sip:5551000@192.0.2.30>;tag=p1\n"
            "To: <sip:8555@203.0.113.1>\nCall-ID: ",
            call_id,
            "\nCSeq: 1 INVITE\nContact: <sip:5551000@192.0.2.30>\n"
            "Content-Type: application/sdp\n\n",
            Offer(lines));
    edge_.ReceiveUdp(kCaller, invite);
    const auto trying = edge_.TakeToUdp(kCaller);
    EXPECT_TRUE(trying && trying->message.status_code() == 100);
  }

  uint64_t by_tcp() { return edge_.core().stats().long_by_tcp; }
  uint64_t by_udp() { return edge_.core().stats().long_by_udp; }

  static constexpr char kCaller[] = "192.0.2.30:5060";
  std::shared_ptr<PlanSnapshot> plan_ = TestPlan();
};

std::string ViaOf(const Sent& sent) {
  return std::string(sent.message.FirstItem(HeaderId::kVia));
}

TEST_F(EdgeLongRequestsTest, WhatIsShortGoesByUdp) {
  Call(0);
  const auto invite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(invite);
  EXPECT_LE(WrittenSize(invite->message), 1300u);
  EXPECT_TRUE(edge_.connects.empty());
  EXPECT_EQ(by_tcp() + by_udp(), 0u);
}

TEST_F(EdgeLongRequestsTest, WhatIsLongGoesByTcpWhichViaNames) {
  Call(20);
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].transport, SipTransport::kTcp);
  EXPECT_EQ(edge_.connects[0].to.ToString(), kPbx);
  EXPECT_TRUE(edge_.Idle());
  const ConnectionId tcp = edge_.AcceptDialled("");
  const auto invite = edge_.TakeTo(tcp);
  ASSERT_TRUE(invite);
  EXPECT_GT(WrittenSize(invite->message), 1300u);
  EXPECT_TRUE(
      ViaOf(*invite).starts_with("SIP/2.0/TCP 203.0.113.1;branch=z9hG4bK"))
      << ViaOf(*invite);
  // Reliable: it is not sent again, and times out as any other.
  edge_.Advance(absl::Seconds(10));
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(*invite, 180, "b1", "", "<sip:8555@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kCaller)->message.status_code(), 180);
  edge_.Answer(*invite, 200, "b1", TestSdp("192.0.2.10", 6000, false),
               "<sip:8555@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kCaller)->message.status_code(), 200);
  // The ACK is short, and the contact says nothing of TCP.
  const auto ack = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_TRUE(ViaOf(*ack).starts_with("SIP/2.0/UDP "));
  EXPECT_EQ(by_tcp(), 1u);
  EXPECT_EQ(by_udp(), 0u);
  EXPECT_EQ(edge_.Refusals(), "");
  // The next takes the connection that is there.
  Call(20, "c2");
  EXPECT_TRUE(edge_.TakeTo(tcp));
  EXPECT_EQ(edge_.connects.size(), 1u);
}

// RFC 3263 section 4.1, where the far side says that it is there by TCP.
TEST_F(EdgeLongRequestsTest, WhatFollowsGoesWhereTheContactSays) {
  Call(20);
  const ConnectionId tcp = edge_.AcceptDialled("");
  const auto invite = edge_.TakeTo(tcp);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 200, "b1", TestSdp("192.0.2.10", 6000, false),
               "<sip:8555@192.0.2.10;transport=tcp>");
  const auto ack = edge_.TakeTo(tcp);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_TRUE(ViaOf(*ack).starts_with("SIP/2.0/TCP "));
  // What the far side sends in the dialog by it is the peer's.
  edge_.TakeToUdp(kCaller);
  edge_.RequestFrom(*invite, "b1", "BYE", 1);
  const auto ok = edge_.TakeTo(tcp);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(edge_.TakeToUdp(kCaller)->message.method(), SipMethod::kBye);
}

TEST_F(EdgeLongRequestsTest, ACancelFollowsItsInvite) {
  Call(20);
  const ConnectionId tcp = edge_.AcceptDialled("");
  const auto invite = edge_.TakeTo(tcp);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 180, "b1", "", "<sip:8555@192.0.2.10>");
  edge_.TakeToUdp(kCaller);
  edge_.ReceiveUdp(kCaller,
                   "CANCEL sip:8555@203.0.113.1 SIP/2.0\n"
                   "Via: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKc1\n"
                   "Max-Forwards: 70\nFrom: <sip:5551000@192.0.2.30>;tag=p1\n"
                   "To: <sip:8555@203.0.113.1>\nCall-ID: c1\n"
                   "CSeq: 1 CANCEL");
  const auto cancel = edge_.TakeTo(tcp);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  EXPECT_EQ(ViaOf(*cancel), ViaOf(*invite));
}

// "if the attempt to establish the connection generates either an ICMP Protocol
// Not Supported, or results in a TCP reset, the element SHOULD retry the
// request, using UDP."
TEST_F(EdgeLongRequestsTest, WhoTakesNoConnectionGetsItByUdp) {
  Call(20);
  ASSERT_EQ(edge_.connects.size(), 1u);
  edge_.Close(edge_.connects[0].connection, Refused());
  const auto invite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(invite);
  EXPECT_TRUE(ViaOf(*invite).starts_with("SIP/2.0/UDP 203.0.113.1;branch="))
      << ViaOf(*invite);
  EXPECT_EQ(edge_.Refusals(), "");
  // As any request by UDP it is sent again.
  edge_.Advance(absl::Milliseconds(500));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  edge_.Answer(*invite, 200, "b1", TestSdp("192.0.2.10", 6000, false),
               "<sip:8555@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kCaller)->message.status_code(), 200);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  // It is not paid again, for ten minutes.
  Call(20, "c2");
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  EXPECT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(by_udp(), 2u);
  edge_.Advance(absl::Minutes(10));
  edge_.Forget();
  Call(20, "c3");
  EXPECT_EQ(edge_.connects.size(), 2u);
}

TEST_F(EdgeLongRequestsTest, WhoDoesNotAnswerTheConnectionGetsItByUdpSoon) {
  Call(20);
  edge_.Advance(absl::Milliseconds(1499));
  EXPECT_TRUE(edge_.Idle());
  edge_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  ASSERT_EQ(edge_.closed.size(), 1u);
  EXPECT_EQ(edge_.closed[0], edge_.connects[0].connection);
  EXPECT_EQ(edge_.Refusals(), "");
  // What came of the connection too late is nobody's.
  edge_.AcceptDialled("");
  EXPECT_EQ(edge_.core().connections().size(), 0u);
}

// A reset once it is open: somebody else than SIP listens there.
TEST_F(EdgeLongRequestsTest, WhoResetsTheConnectionGetsItByUdp) {
  Call(20);
  const ConnectionId tcp = edge_.AcceptDialled("");
  const auto by_tcp = edge_.TakeTo(tcp);
  ASSERT_TRUE(by_tcp);
  edge_.Close(tcp, MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                             "reset by peer"));
  const auto by_udp = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(by_udp);
  // The same request, should it have been read after all.
  const auto branch = [](const Sent& sent) {
    return std::string(
        ParseVia(sent.message.FirstItem(HeaderId::kVia))->branch());
  };
  EXPECT_EQ(branch(*by_udp), branch(*by_tcp));
  EXPECT_EQ(by_udp->message.Value(HeaderId::kCseq),
            by_tcp->message.Value(HeaderId::kCseq));
}

// One that has spoken SIP is no such: its requests end with it, as ever.
TEST_F(EdgeLongRequestsTest, AConnectionThatHasSpokenIsTrusted) {
  Call(20);
  const ConnectionId tcp = edge_.AcceptDialled("");
  const auto invite = edge_.TakeTo(tcp);
  edge_.Answer(*invite, 100, "");
  edge_.Close(tcp, MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                             "reset by peer"));
  EXPECT_FALSE(edge_.TakeToUdp(kPbx));
  EXPECT_EQ(edge_.TakeToUdp(kCaller)->message.status_code(), 503);
  Call(20, "c2");
  EXPECT_EQ(edge_.connects.size(), 2u);
}

// Who takes it and never answers is not trusted a second time.
TEST_F(EdgeLongRequestsTest, WhoReadsAndSaysNothingGetsTheNextByUdp) {
  Call(20);
  edge_.TakeTo(edge_.AcceptDialled(""));
  edge_.Advance(absl::Seconds(40));
  edge_.Forget();
  Call(20, "c2");
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
}

TEST_F(EdgeLongRequestsTest, TheProfileOfAPeerMayKeepItToUdp) {
  plan_->sip_profiles.push_back(
      {.name = "tenants/t/sipProfiles/udp",
       .settings = {.long_requests = LongRequestsBy::kUdp}});
  for (PeerEntry& peer : plan_->peers) {
    if (peer.name == "tenants/t/peers/pbx") {
      peer.sip_profile = "tenants/t/sipProfiles/udp";
    }
  }
  Load();
  Call(20);
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  EXPECT_TRUE(edge_.connects.empty());
  EXPECT_EQ(by_udp(), 1u);
}

TEST_F(EdgeLongRequestsTest, APeerThatIsDisabledGetsNothingMore) {
  Call(20);
  const ConnectionId tcp = edge_.AcceptDialled("");
  EXPECT_TRUE(edge_.TakeTo(tcp));
  for (PeerEntry& peer : plan_->peers) {
    if (peer.name == "tenants/t/peers/pbx") {
      peer.status = PeerStatus::kDisabled;
    }
  }
  ResolveDefaults(*plan_);
  edge_.Load(plan_);
  EXPECT_FALSE(edge_.TakeToUdp(kPbx));
  EXPECT_EQ(edge_.core().connections().size(), 0u);
}

// A phone is reached by TCP if the address that it gave is where it is.
class PhoneTest : public EdgeLongRequestsTest {
 protected:
  void RegisterBob(std::string_view contact, std::string_view more = "") {
    const std::string request =
        Cat("REGISTER sip:d.test SIP/2.0\n"
            "Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKr1;rport\n"
            "Max-Forwards: 70\nFrom: <sip:bob@d.test>;tag=r1\n"
            "To: <sip:bob@d.test>\nCall-ID: r1\nCSeq: 1 REGISTER\n"
            "Contact: <",
            contact, ">", more, "\nExpires: 600",
            more.empty() ? "" : "\nSupported: outbound, path");
    edge_.ReceiveUdp(kBob, request);
    const auto challenge = edge_.TakeToUdp(kBob);
    ASSERT_TRUE(challenge);
    std::string again = EdgeHarness::WithDigest(request, *challenge, "bob",
                                                "REGISTER", "sip:d.test");
    again.replace(again.find("z9hG4bKr1"), 9, "z9hG4bKr2");
    again.replace(again.find("CSeq: 1"), 7, "CSeq: 2");
    edge_.ReceiveUdp(kBob, again);
    const auto done = edge_.TakeToUdp(kBob);
    ASSERT_TRUE(done);
    ASSERT_EQ(done->message.status_code(), 200);
  }
  void CallBob() {
    edge_.ReceiveUdp(
        kCaller, Cat("INVITE sip:bob@d.test SIP/2.0\n"
                     "Via: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKb1\n"
                     "Max-Forwards: 70\nFrom: <sip:5551000@192.0.2.30>;tag=p1\n"
                     "To: <sip:bob@d.test>\nCall-ID: b1\nCSeq: 1 INVITE\n"
                     "Contact: <sip:5551000@192.0.2.30>\n"
                     "Content-Type: application/sdp\n\n",
                     Offer(20)));
    EXPECT_EQ(edge_.TakeToUdp(kCaller)->message.status_code(), 100);
  }
  static constexpr char kBob[] = "192.0.2.50:5060";
};

TEST_F(PhoneTest, OneThatIsWhereItSaysIsReachedByTcp) {
  RegisterBob("sip:bob@192.0.2.50:5060");
  CallBob();
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].to.ToString(), kBob);
  EXPECT_TRUE(edge_.TakeTo(edge_.AcceptDialled("")));
}

TEST_F(PhoneTest, OneBehindNatIsNot) {
  RegisterBob("sip:bob@10.0.0.7:5060");
  CallBob();
  EXPECT_TRUE(edge_.connects.empty());
  EXPECT_TRUE(edge_.TakeToUdp(kBob));
}

// RFC 5626 section 5.3: by its flow.
TEST_F(PhoneTest, OneWithAFlowIsNot) {
  RegisterBob("sip:bob@192.0.2.50:5060",
              ";+sip.instance=\"<urn:uuid:1>\";reg-id=1");
  CallBob();
  EXPECT_TRUE(edge_.connects.empty());
  EXPECT_TRUE(edge_.TakeToUdp(kBob));
}

EdgeOptions WithoutTcp() {
  EdgeOptions options = EdgeHarness::Options();
  options.listeners.resize(1);
  return options;
}

class OnlyUdpTest : public EdgeLongRequestsTest {
 protected:
  OnlyUdpTest() : EdgeLongRequestsTest(WithoutTcp()) {}
};

// Where we listen for none, none is opened: who answers could not reach us.
TEST_F(OnlyUdpTest, EverythingGoesByUdp) {
  Call(20);
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  EXPECT_TRUE(edge_.connects.empty());
}

}  // namespace
}  // namespace sallyport::signaling_edge
