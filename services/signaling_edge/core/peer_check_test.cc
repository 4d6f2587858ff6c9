#include "services/signaling_edge/core/peer_check.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kGw[] = "tenants/t/peers/gw";
constexpr char kSecuredGw[] = "tenants/t/peers/sgw";

absl::Status Failed(std::string_view reason, std::string_view text) {
  return MakeError(absl::StatusCode::kUnavailable, reason, text);
}

// Checks of the peers of TestPlan(), and of sgw, which is one of a SECURED
// plan, through a whole EdgeCore.
class PeerCheckTest : public testing::Test {
 protected:
  PeerCheckTest() {
    auto plan = TestPlan();
    PeerEntry peer = *Find(*plan, kGw);
    peer.name = kSecuredGw;
    peer.fqdn = "sgw.d.test";
    peer.address = "192.0.2.21";
    peer.dial_plan = "tenants/t/dialPlans/secured";
    plan->peers.push_back(peer);
    edge_.Load(std::move(plan));
    edge_.events.clear();
  }

  static const PeerEntry* Find(const PlanSnapshot& plan,
                               std::string_view name) {
    for (const PeerEntry& peer : plan.peers) {
      if (peer.name == name) return &peer;
    }
    return nullptr;
  }

  absl::Status Start(std::string_view peer, bool secured, bool media = false) {
    auto actions = edge_.core().OnCheckPeer({.id = ++id_,
                                             .peer = std::string(peer),
                                             .secured = secured,
                                             .media_secured = media,
                                             .phone = phone_},
                                            edge_.now());
    if (actions.ok()) edge_.Perform(*std::move(actions));
    return actions.status();
  }

  const PeerCheckResult& Result() {
    EXPECT_EQ(edge_.checked.size(), 1u);
    static const PeerCheckResult none;
    return edge_.checked.empty() ? none : edge_.checked.back();
  }
  // "resolve+ connect+ handshake-": the steps and how they ended.
  std::string Steps() {
    std::string out;
    for (const PeerCheckStep& step : Result().steps) {
      CatTo(out, out.empty() ? "" : " ", step.step, step.succeeded ? "+" : "-");
    }
    return out;
  }
  std::string Last() {
    return Result().steps.empty() ? "" : Result().steps.back().detail;
  }

  // A check of sgw that has come as far as the INVITE with the SRTP offer.
  Sent MediaOffer() {
    EXPECT_THAT(Start(kSecuredGw, true, true), IsOk());
    const ConnectionId id = edge_.AcceptDialled("sgw.d.test");
    auto options = edge_.TakeTo(id);
    EXPECT_TRUE(options.has_value());
    if (options) edge_.Answer(*options, 200, "o");
    auto invite = edge_.TakeTo(id);
    EXPECT_TRUE(invite && invite->message.method() == SipMethod::kInvite);
    return invite.has_value() ? *invite : Sent{};
  }

  EdgeHarness edge_;
  uint64_t id_ = 0;
  std::string phone_;
};

TEST_F(PeerCheckTest, MutualTlsAndOptions) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].server_name, "gw.d.test");
  const ConnectionId id = edge_.AcceptDialled("gw.d.test");
  const auto options = edge_.TakeTo(id);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->message.method(), SipMethod::kOptions);
  EXPECT_EQ(options->message.request_uri(), "sip:gw.d.test;transport=tls");
  edge_.Advance(absl::Milliseconds(30));
  edge_.Answer(*options, 200, "x");
  EXPECT_TRUE(Result().succeeded) << Result().reason;
  EXPECT_EQ(Steps(), "resolve+ connect+ handshake+ identity+ options+");
  EXPECT_THAT(Result().steps[3].detail, HasSubstr("DNS:gw.d.test"));
  EXPECT_THAT(Last(), HasSubstr("200 OK after 30 ms"));
  EXPECT_EQ(Result().round_trip_time, absl::Milliseconds(30));
  // Nothing of it stays: a check uses a connection of its own.
  EXPECT_THAT(edge_.closed, ElementsAre(id));
  EXPECT_EQ(edge_.core().connections().size(), 0u);
  edge_.Advance(absl::Minutes(1));
  EXPECT_EQ(edge_.core().transactions(), 0u);
  const PeerHealth* health = edge_.core().peer_health().Find(kGw);
  ASSERT_NE(health, nullptr);
  EXPECT_TRUE(health->up);
  EXPECT_TRUE(health->mutual_tls_time.has_value());
}

// A user agent asks for whom a call is before it looks at the offer, and
// OPTIONS are of the server.
TEST_F(PeerCheckTest, TheOfferIsForTheNumberThatIsNamed) {
  phone_ = "+1555 0100";
  const Sent named = MediaOffer();
  EXPECT_EQ(named.message.request_uri(),
            "sip:+1555%200100@sgw.d.test;transport=tls");
  EXPECT_EQ(named.message.Value(HeaderId::kTo),
            "<sip:+1555%200100@sgw.d.test;transport=tls>");
  edge_.Answer(named, 404, "t");
  EXPECT_EQ(Result().reason, "SRTP_NOT_PROVEN");
  EXPECT_THAT(Last(), Not(HasSubstr("name a number")));
  edge_.checked.clear();
  edge_.closed.clear();
  phone_.clear();
  const Sent nobody = MediaOffer();
  EXPECT_EQ(nobody.message.request_uri(),
            "sip:connectivity-test@sgw.d.test;transport=tls");
  edge_.Answer(nobody, 404, "t");
  EXPECT_THAT(Last(), HasSubstr("name a number that it takes"));
}

// UM-108: a test with the wrong value fails with a transport mismatch reason,
// and nothing is sent: least of all to a secured peer in clear.
TEST_F(PeerCheckTest, WrongTransportIsNotEvenTried) {
  ASSERT_THAT(Start(kGw, false), IsOk());
  EXPECT_EQ(Result().reason, "TRANSPORT_MISMATCH");
  EXPECT_EQ(Steps(), "transport-");
  EXPECT_THAT(edge_.connects, IsEmpty());
  EXPECT_TRUE(edge_.Idle());
  edge_.checked.clear();
  ASSERT_THAT(Start("tenants/t/peers/pbx", true), IsOk());
  EXPECT_EQ(Result().reason, "TRANSPORT_MISMATCH");
  EXPECT_EQ(edge_.core().peer_health().Find(kGw), nullptr);
}

TEST_F(PeerCheckTest, SrtpIsAskedOfSecuredPlansOnly) {
  ASSERT_THAT(Start(kGw, true, true), IsOk());
  EXPECT_EQ(Result().reason, "SECURITY_MODE_SRTP_NOT_ALLOWED");
}

TEST_F(PeerCheckTest, UnsecuredPeerOverUdp) {
  ASSERT_THAT(Start("tenants/t/peers/pbx", false), IsOk());
  const auto options = edge_.TakeToUdp("192.0.2.10:5060");
  ASSERT_TRUE(options.has_value());
  // Any answer but 408 and 503 means that it is up (protocols.md section 8).
  edge_.Answer(*options, 404, "x");
  EXPECT_TRUE(Result().succeeded);
  EXPECT_EQ(Steps(), "resolve+ connect+ options+");
  EXPECT_EQ(Result().sip_status, 404);
}

TEST_F(PeerCheckTest, OutOfServiceByItsOwnWord) {
  ASSERT_THAT(Start("tenants/t/peers/pbx", false), IsOk());
  edge_.Answer(*edge_.TakeToUdp("192.0.2.10:5060"), 503, "x");
  EXPECT_EQ(Result().reason, "PEER_OUT_OF_SERVICE");
  ASSERT_NE(edge_.Last(EdgeEvent::Type::kPeerDown), nullptr);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kPeerDown)->resource,
            "tenants/t/peers/pbx");
  edge_.checked.clear();
  ASSERT_THAT(Start("tenants/t/peers/pbx", false), IsOk());
  edge_.Answer(*edge_.TakeToUdp("192.0.2.10:5060"), 200, "x");
  EXPECT_NE(edge_.Last(EdgeEvent::Type::kPeerUp), nullptr);
}

TEST_F(PeerCheckTest, NoAnswer) {
  ASSERT_THAT(Start("tenants/t/peers/pbx", false), IsOk());
  edge_.Advance(absl::Seconds(9));
  EXPECT_EQ(Result().reason, "OPTIONS_TIMEOUT");
  EXPECT_EQ(Steps(), "resolve+ connect+ options-");
}

TEST_F(PeerCheckTest, NameThatCannotBeResolved) {
  ASSERT_THAT(Start("tenants/t/peers/far", false), IsOk());
  ASSERT_EQ(edge_.resolves.size(), 1u);
  edge_.Perform(edge_.core().OnHostResolved(edge_.resolves[0].query,
                                            absl::NotFoundError("no such name"),
                                            edge_.now()));
  EXPECT_EQ(Result().reason, "PEER_NAME_UNRESOLVED");
  EXPECT_THAT(Last(), HasSubstr("far.d.test"));
}

TEST_F(PeerCheckTest, TheFamilyOfThePeerIsAskedFor) {
  ASSERT_THAT(Start("tenants/t/peers/far", false), IsOk());
  auto plan = TestPlan();
  for (PeerEntry& peer : plan->peers) {
    peer.address_family = AddressFamily::kAny;
  }
  edge_.Load(std::move(plan));
  ASSERT_THAT(Start("tenants/t/peers/far", false), IsOk());
  ASSERT_EQ(edge_.resolves.size(), 2u);
  EXPECT_EQ(edge_.resolves[0].family, AddressFamily::kIpv4Only);
  EXPECT_EQ(edge_.resolves[1].family, AddressFamily::kAny);
}

TEST_F(PeerCheckTest, TheNextAddressIsTriedAndTold) {
  ASSERT_THAT(Start("tenants/t/peers/far", false), IsOk());
  edge_.Perform(edge_.core().OnHostResolved(
      edge_.resolves[0].query,
      std::vector<SocketAddress>{*SocketAddress::FromIp("192.0.2.30", 0),
                                 *SocketAddress::FromIp("192.0.2.31", 0)},
      edge_.now()));
  edge_.Close(edge_.connects[0].connection,
              Failed("CONNECT_FAILED", "connect: Connection refused"));
  ASSERT_EQ(edge_.connects.size(), 2u);
  const ConnectionId id = edge_.AcceptDialled("");
  edge_.Answer(*edge_.TakeTo(id), 200, "x");
  EXPECT_TRUE(Result().succeeded);
  EXPECT_EQ(Steps(), "resolve+ connect- connect+ options+");
  // Where nobody listens, nothing was refused.
  EXPECT_EQ(edge_.Refusals(), "");
}

TEST_F(PeerCheckTest, NobodyListens) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  edge_.Close(edge_.connects[0].connection,
              Failed("CONNECT_FAILED", "connect: Connection refused"));
  EXPECT_EQ(Result().reason, "CONNECT_FAILED");
  EXPECT_EQ(Steps(), "resolve+ connect-");
}

// UM-14: a certificate that does not hold the configured name.
TEST_F(PeerCheckTest, WrongName) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  edge_.AcceptDialled("other.d.test");
  EXPECT_EQ(Result().reason, "PEER_IDENTITY_MISMATCH");
  EXPECT_EQ(Steps(), "resolve+ connect+ handshake+ identity-");
  EXPECT_THAT(Last(), HasSubstr("DNS:other.d.test"));
  EXPECT_THAT(Last(), HasSubstr("expected was gw.d.test"));
  EXPECT_EQ(edge_.Refusals(), "PEER_IDENTITY_MISMATCH");
  EXPECT_EQ(edge_.core().connections().size(), 0u);
}

TEST_F(PeerCheckTest, ChainThatWeDoNotTrust) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  edge_.Close(edge_.connects[0].connection,
              Failed("PEER_CERTIFICATE_UNTRUSTED", "no path to a root"));
  EXPECT_EQ(Result().reason, "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_EQ(Steps(), "resolve+ connect+ handshake-");
  EXPECT_THAT(Last(), HasSubstr("alert unknown_ca"));
}

// CUC-69: which side sent the alert. A TLS 1.3 client learns after its
// handshake that the server refuses its certificate.
TEST_F(PeerCheckTest, ThePeerDoesNotTrustUs) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  const ConnectionId id = edge_.AcceptDialled("gw.d.test");
  edge_.Close(id, Failed("TLS_ALERT_RECEIVED", "TLSV1_ALERT_UNKNOWN_CA"));
  EXPECT_EQ(Result().reason, "TLS_ALERT_RECEIVED");
  EXPECT_EQ(Steps(), "resolve+ connect+ handshake+ identity+ handshake-");
  EXPECT_EQ(Last(), "the peer refused us with alert unknown_ca");
}

TEST_F(PeerCheckTest, ClearSipWhereTlsShouldBe) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  edge_.Close(edge_.connects[0].connection,
              Failed("TLS_HANDSHAKE_FAILED", "WRONG_VERSION_NUMBER"));
  EXPECT_EQ(Result().reason, "TRANSPORT_MISMATCH");
  EXPECT_EQ(Steps(), "resolve+ connect+ handshake-");
  EXPECT_NE(edge_.core().peer_health().Find(kGw), nullptr);
}

TEST_F(PeerCheckTest, AcceptedSrtpIsHungUpAtOnce) {
  const Sent invite = MediaOffer();
  EXPECT_THAT(std::string(invite.message.body()),
              HasSubstr("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
  EXPECT_THAT(std::string(invite.message.body()), HasSubstr("a=inactive"));
  edge_.Answer(invite, 200, "a", TestSdp("192.0.2.21", 6000, true));
  const auto ack = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  const auto bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(bye.has_value());
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_THAT(edge_.checked, IsEmpty());
  edge_.Answer(*bye, 200, "a");
  EXPECT_TRUE(Result().succeeded) << Result().reason;
  EXPECT_THAT(Last(), HasSubstr("AES_CM_128_HMAC_SHA1_80"));
}

// A plan with DTLS-SRTP is offered that, and takes nothing else for it.
TEST_F(PeerCheckTest, TheOfferHasTheKeysOfThePlan) {
  auto plan = TestPlan();
  PeerEntry peer = *Find(*plan, kGw);
  peer.name = kSecuredGw;
  peer.fqdn = "sgw.d.test";
  peer.address = "192.0.2.21";
  peer.dial_plan = "tenants/t/dialPlans/secured";
  plan->peers.push_back(peer);
  for (DialPlanEntry& entry : plan->dial_plans) {
    if (entry.name == peer.dial_plan) entry.srtp_keying = SrtpKeying::kDtls;
  }
  edge_.Load(std::move(plan));
  edge_.events.clear();
  const Sent invite = MediaOffer();
  const std::string body(invite.message.body());
  EXPECT_THAT(body, HasSubstr("UDP/TLS/RTP/SAVP"));
  EXPECT_THAT(body, HasSubstr("a=fingerprint:sha-256 "));
  EXPECT_EQ(body.find("a=crypto"), std::string::npos);
  edge_.Answer(invite, 200, "a", TestSdp("192.0.2.21", 6000, true));
  edge_.Advance(absl::Seconds(9));
  EXPECT_EQ(Result().reason, "SRTP_NOT_ACCEPTED");
}

// Nobody is left to ring, but that it rings is not yet what it takes.
TEST_F(PeerCheckTest, RingingIsCancelledSoon) {
  const Sent invite = MediaOffer();
  edge_.Answer(invite, 180, "r");
  EXPECT_FALSE(edge_.TakeTo(invite.connection).has_value());
  edge_.Advance(absl::Seconds(2));
  const auto cancel = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  edge_.Answer(*cancel, 200, "r");
  edge_.Answer(invite, 487, "r");
  EXPECT_TRUE(Result().succeeded) << Result().reason;
  EXPECT_THAT(Last(), HasSubstr("180 Ringing; it was not answered"));
}

TEST_F(PeerCheckTest, WhatAnswersAfterItHasRungIsJudged) {
  const Sent invite = MediaOffer();
  edge_.Answer(invite, 180, "r");
  edge_.Answer(invite, 200, "r", TestSdp("192.0.2.21", 6000, false));
  edge_.Advance(absl::Seconds(9));  // its BYE is never answered
  EXPECT_EQ(Result().reason, "SRTP_NOT_ACCEPTED");
}

TEST_F(PeerCheckTest, WhatRingsMayStillRefuse) {
  const Sent invite = MediaOffer();
  edge_.Answer(invite, 180, "r");
  edge_.Answer(invite, 486, "r");
  EXPECT_TRUE(Result().succeeded) << Result().reason;
  EXPECT_THAT(Last(), HasSubstr("180 Ringing, and then 486"));
}

TEST_F(PeerCheckTest, RefusedSrtp) {
  const Sent invite = MediaOffer();
  edge_.Answer(invite, 488, "n");
  EXPECT_EQ(Result().reason, "SRTP_NOT_ACCEPTED");
  EXPECT_EQ(Steps(), "resolve+ connect+ handshake+ identity+ options+ media-");
  // It is up all the same.
  EXPECT_TRUE(edge_.core().peer_health().Find(kSecuredGw)->up);
}

TEST_F(PeerCheckTest, AnswerInClearIsNotTakenForSrtp) {
  const Sent invite = MediaOffer();
  edge_.Answer(invite, 200, "a", TestSdp("192.0.2.21", 6000, false));
  edge_.Advance(absl::Seconds(9));  // its BYE is never answered
  EXPECT_EQ(Result().reason, "SRTP_NOT_ACCEPTED");
}

TEST_F(PeerCheckTest, ARefusalThatDoesNotJudgeTheOfferProvesNothing) {
  const Sent invite = MediaOffer();
  edge_.Answer(invite, 404, "n");
  EXPECT_EQ(Result().reason, "SRTP_NOT_PROVEN");
}

TEST_F(PeerCheckTest, UnknownPeerAndTooMany) {
  EXPECT_THAT(Start("tenants/t/peers/nobody", true),
              HasReason("PEER_NOT_FOUND"));
  for (int i = 0; i < 2048; ++i) ASSERT_THAT(Start(kGw, true), IsOk());
  EXPECT_THAT(Start(kGw, true), HasReason("CHECK_LIMIT"));
  edge_.Advance(absl::Seconds(10));
  EXPECT_EQ(edge_.checked.size(), 2048u);
  EXPECT_EQ(edge_.core().connections().size(), 0u);
  EXPECT_EQ(edge_.checked[0].reason, "HANDSHAKE_TIMEOUT");
}

TEST_F(PeerCheckTest, APeerThatGoesMeanwhile) {
  ASSERT_THAT(Start(kGw, true), IsOk());
  const ConnectionId id = edge_.AcceptDialled("gw.d.test");
  ASSERT_TRUE(edge_.TakeTo(id).has_value());
  auto plan = TestPlan();
  std::erase_if(plan->peers,
                [](const PeerEntry& peer) { return peer.name == kGw; });
  std::erase_if(plan->route_patterns, [](const RoutePatternEntry& pattern) {
    return pattern.peer == kGw;
  });
  edge_.Load(std::move(plan));
  EXPECT_FALSE(Result().succeeded);
  EXPECT_EQ(Result().reason, "CONNECTION_LOST");
}

TEST(AlertName, IsThatOfRfc8446) {
  EXPECT_EQ(AlertName("TLSV1_ALERT_UNKNOWN_CA"), "unknown_ca");
  EXPECT_EQ(AlertName("SSLV3_ALERT_BAD_CERTIFICATE"), "bad_certificate");
  EXPECT_EQ(AlertName("TLSV1_CERTIFICATE_REQUIRED"), "certificate_required");
  EXPECT_EQ(AlertName("odd"), "odd");
}

}  // namespace
}  // namespace sallyport::signaling_edge
