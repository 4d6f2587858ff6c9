// A call that becomes encrypted when the keys of DTLS-SRTP come: who shows a
// lock is told so (CUC-63).
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kPhone[] = "<sip:alice@203.0.113.5:40000;transport=tls>";

// gw calls alice, both by DTLS-SRTP; gw is a peer with "transmit security
// status".
class CallSecurityStatusTest : public EdgeCoreTest {
 protected:
  void Up(std::string_view gateway_allows,
          const std::vector<std::string>& phone_allows) {
    auto plan = TestPlan();
    for (DialPlanEntry& each : plan->dial_plans) {
      if (each.security_mode == SecurityMode::kUnsecured) continue;
      each.security_mode = SecurityMode::kSecured;
      each.srtp_keying = SrtpKeying::kDtls;
    }
    plan->trunk_security_profiles.resize(1);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].transmit_security_status = true;
    for (PeerEntry& each : plan->peers) {
      if (each.name == "tenants/t/peers/gw") {
        each.trunk_security_profile = plan->trunk_security_profiles[0].name;
      }
    }
    edge_.Load(plan);
    phone_ = edge_.ConnectTls("", "SEP1");
    ASSERT_TRUE(edge_.Register(phone_, "alice"));
    gateway_ = edge_.ConnectTls("gw.d.test", "");
    edge_.Forget();
    edge_.Receive(gateway_, Cat("INVITE sip:1001@203.0.113.1 SIP/2.0\n"
                                "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKg1\n"
                                "Max-Forwards: 70\n"
                                "From: <sip:222@gw.d.test>;tag=gw\n"
                                "To: <sip:1001@203.0.113.1>\nCall-ID: gw\n"
                                "CSeq: 1 INVITE\nContact: "
                                "<sip:222@192.0.2.20;transport=tls>\n",
                                gateway_allows,
                                "Content-Type: application/sdp\n\n", offer_));
    edge_.TakeTo(gateway_);  // 100
    auto invite = edge_.TakeTo(phone_);
    ASSERT_TRUE(invite);
    EXPECT_EQ(Status(*invite), "Authenticated;orientation=from");
    invite_ = *invite;
    edge_.Answer(invite_, 200, "a", answer_, kPhone, phone_allows);
    ASSERT_TRUE(edge_.TakeTo(phone_));  // ACK
    auto ok = edge_.TakeTo(gateway_);
    ASSERT_TRUE(ok && ok->message.status_code() == 200);
    EXPECT_EQ(Status(*ok), "Authenticated;orientation=to");
    ok_ = *ok;
    Ack(1);
    EXPECT_TRUE(edge_.Idle());
  }
  std::string FromGateway(std::string_view method, int cseq,
                          std::string_view sdp = "") {
    return Cat(method,
               " sip:edge@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bK",
               method, cseq,
               "\nMax-Forwards: 70\n"
               "From: <sip:222@gw.d.test>;tag=gw\n"
               "To: <sip:1001@203.0.113.1>;tag=",
               Tag(ok_), "\nCall-ID: gw\nCSeq: ", cseq, " ", method,
               "\nContact: <sip:222@192.0.2.20;transport=tls>",
               sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }
  void Ack(int cseq) { edge_.Receive(gateway_, FromGateway("ACK", cseq)); }
  // The DTLS handshake of a leg is complete.
  void Keyed(LegSide side) {
    MediaEvent event;
    event.kind = MediaEvent::Kind::kKeyed;
    event.relay = "relay1";
    event.session = edge_.core().calls().Records()[0]->media_session;
    event.leg = side;
    event.suites[IndexOf(side)] = SrtpSuite::kAeadAes128Gcm;
    edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  }
  // What follows "security=".
  static std::string Status(const Sent& sent) {
    const std::string info(sent.message.Value(HeaderId::kCallInfo));
    const size_t at = info.find("security=");
    return at == std::string::npos ? "" : info.substr(at + 9);
  }
  // The next there is a request of this method that says "Encrypted".
  Sent Told(ConnectionId at, SipMethod method) {
    auto sent = edge_.TakeTo(at);
    EXPECT_TRUE(sent && sent->message.method() == method);
    if (!sent) return {};
    EXPECT_EQ(Status(*sent), at == phone_ ? "Encrypted;orientation=from"
                                          : "Encrypted;orientation=to");
    return *sent;
  }

  const std::string offer_ = TestDtlsSdp("192.0.2.20", 6000, 'A', "actpass");
  const std::string answer_ = TestDtlsSdp("203.0.113.5", 4000, 'B', "active");
  const std::vector<std::string> update_ = {"Allow: INVITE, ACK, BYE, UPDATE"};
  static constexpr char kUpdate[] = "Allow: INVITE, ACK, BYE, UPDATE\n";
  ConnectionId phone_ = 0, gateway_ = 0;
  Sent invite_, ok_;
};

TEST_F(CallSecurityStatusTest, BothAreToldByUpdateOnceAllKeysAreThere) {
  Up(kUpdate, update_);
  Keyed(LegSide::kA);
  EXPECT_TRUE(edge_.Idle());  // the weakest leg counts
  Keyed(LegSide::kB);
  for (const ConnectionId at : {phone_, gateway_}) {
    const Sent update = Told(at, SipMethod::kUpdate);
    EXPECT_TRUE(update.message.body().empty());
    EXPECT_TRUE(update.message.Has(HeaderId::kSessionExpires));
    edge_.Answer(update, 200, at == phone_ ? "a" : "gw", "", "",
                 {"Session-Expires: 1800;refresher=uas"});
  }
  Keyed(LegSide::kB);
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallSecurityStatusTest, WithoutUpdateByReInviteAndTheMediaStay) {
  Up("", {});
  const size_t updates = edge_.updated.size();
  Keyed(LegSide::kA);
  Keyed(LegSide::kB);
  // One after the other, as both would be offers.
  for (const ConnectionId at : {gateway_, phone_}) {
    const Sent invite = Told(at, SipMethod::kInvite);
    EXPECT_TRUE(Has(invite.message.body(), "a=fingerprint:"));
    EXPECT_TRUE(edge_.Idle());
    edge_.Answer(
        invite, 200, at == phone_ ? "a" : "gw",
        at == phone_ ? answer_ : TestDtlsSdp("192.0.2.20", 6000, 'A', "active"),
        at == phone_ ? kPhone : "");
    auto ack = edge_.TakeTo(at);
    ASSERT_TRUE(ack && ack->message.method() == SipMethod::kAck);
  }
  EXPECT_EQ(edge_.created.size(), 1u);
  for (size_t i = updates; i < edge_.updated.size(); ++i) {
    for (const RelayLeg& leg : edge_.updated[i].legs) {
      EXPECT_FALSE(leg.restart_dtls || leg.restart_ice);
    }
  }
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

// RFC 3261 section 14.1: after 491 some time later; who knows no UPDATE after
// all gets a re-INVITE; who refuses has heard enough.
TEST_F(CallSecurityStatusTest, GlareAndRefusals) {
  Up(kUpdate, update_);
  Keyed(LegSide::kA);
  Keyed(LegSide::kB);
  Sent to_phone = Told(phone_, SipMethod::kUpdate);
  edge_.Answer(Told(gateway_, SipMethod::kUpdate), 488, "gw");
  edge_.Answer(to_phone, 491, "a");
  edge_.Advance(absl::Seconds(2));
  EXPECT_TRUE(edge_.Idle());
  edge_.Advance(absl::Seconds(3));
  to_phone = Told(phone_, SipMethod::kUpdate);
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(to_phone, 405, "a");
  const Sent invite = Told(phone_, SipMethod::kInvite);
  edge_.Answer(invite, 491, "a");
  ASSERT_TRUE(edge_.TakeTo(phone_));  // ACK
  edge_.Advance(absl::Seconds(5));
  edge_.Answer(Told(phone_, SipMethod::kInvite), 200, "a", answer_, kPhone);
  ASSERT_TRUE(edge_.TakeTo(phone_));  // ACK
  edge_.Advance(absl::Minutes(2));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

// A party that is always busy is not asked for ever.
TEST_F(CallSecurityStatusTest, WhoIsAlwaysBusyIsLeftAlone) {
  Up(kUpdate, update_);
  Keyed(LegSide::kA);
  Keyed(LegSide::kB);
  edge_.Answer(Told(phone_, SipMethod::kUpdate), 200, "a");
  int tries = 0;
  for (int i = 0; i < 30 && !edge_.Idle(); ++i) {
    edge_.Answer(Told(gateway_, SipMethod::kUpdate), 491, "gw");
    ++tries;
    edge_.Advance(absl::Seconds(5));
  }
  EXPECT_EQ(tries, 5);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

// What is under way comes first, and tells by itself whom it can.
TEST_F(CallSecurityStatusTest, AnOfferThatIsUnderWayIsWaitedFor) {
  Up(kUpdate, update_);
  Keyed(LegSide::kA);
  edge_.Receive(gateway_, FromGateway("INVITE", 2, offer_));
  edge_.TakeTo(gateway_);  // 100
  auto carried = edge_.TakeTo(phone_);
  ASSERT_TRUE(carried);
  EXPECT_EQ(Status(*carried), "Authenticated;orientation=from");
  Keyed(LegSide::kB);
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(*carried, 200, "a", answer_, kPhone);
  ASSERT_TRUE(edge_.TakeTo(phone_));  // ACK
  auto ok = edge_.TakeTo(gateway_);
  ASSERT_TRUE(ok && ok->message.status_code() == 200);
  EXPECT_EQ(Status(*ok), "Encrypted;orientation=to");
  EXPECT_TRUE(edge_.Idle());
  Ack(2);
  edge_.Answer(Told(phone_, SipMethod::kUpdate), 200, "a");
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
}

// A call that ends meanwhile is not told of.
TEST_F(CallSecurityStatusTest, NothingIsToldOfACallThatIsOver) {
  Up(kUpdate, update_);
  Keyed(LegSide::kA);
  edge_.Receive(gateway_, FromGateway("BYE", 2));
  edge_.TakeTo(gateway_);
  auto bye = edge_.TakeTo(phone_);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  Keyed(LegSide::kB);
  EXPECT_TRUE(edge_.Idle());
}

}  // namespace
}  // namespace sallyport::signaling_edge
