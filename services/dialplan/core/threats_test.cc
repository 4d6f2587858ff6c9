#include "services/dialplan/core/threats.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

enum Row { kVoice, kFax, kGateway, kToll, kDenial, kImpersonation, kHijack };

class ThreatsTest : public testing::Test {
 protected:
  ThreatsTest() {
    snapshot_.tenants = {TestTenant()};
    snapshot_.dial_plans = {TestPlan(SecurityMode::kSecured, "secured"),
                            TestPlan(SecurityMode::kUnsecured, "clear")};
    PeerEntry peer = TestPeer("gw", "secured");
    peer.hardening = {true, true, true, true};
    snapshot_.peers = {peer};
    snapshot_.users = {TestUser("u", "secured")};
    facts_.now = absl::FromUnixSeconds(1'800'000'000);
    EdgeFact edge;
    edge.instance = "edge-0";
    edge.plan_version = 7;
    edge.certificate = CertificateFact{"CN=edge", "0a", facts_.now,
                                       facts_.now + absl::Hours(1), true};
    edge.refusals = 12;
    facts_.edges = {edge};
    facts_.trust.certificates = facts_.trust.valid = 1;
  }

  ThreatRow Get(Row row) {
    ResolveDefaults(snapshot_);
    const auto rows = AssessThreats(snapshot_, facts_);
    EXPECT_THAT(rows, SizeIs(7));
    return rows[row];
  }
  std::string Active() {
    std::string out;
    for (int i = 0; i < 7; ++i) {
      out += Get(static_cast<Row>(i)).active() ? '1' : '0';
    }
    return out;
  }

  PlanSnapshot snapshot_;
  SecurityFacts facts_;
};

// UM-16: seven rows, each with what is in force.
TEST_F(ThreatsTest, EverythingSecured) {
  EXPECT_EQ(Active(), "1111111");
  EXPECT_THAT(Get(kVoice).Detail(), HasSubstr("tenants/t/peers/gw: its dial "
                                              "plan is SECURED: SRTP"));
  EXPECT_THAT(Get(kDenial).Detail(), HasSubstr("refused 12 attempts"));
}

// UM-09, UM-14, UM-15: a peer in clear.
TEST_F(ThreatsTest, APeerInClear) {
  PeerEntry peer = TestPeer("pbx", "clear");
  peer.address = "192.0.2.1";
  peer.kind = PeerKind::kSipTrunk;
  snapshot_.peers.push_back(peer);
  EXPECT_EQ(Active(), "0011100");
  EXPECT_THAT(Get(kVoice).Detail(), HasSubstr("RTP in clear"));
  EXPECT_THAT(Get(kImpersonation).Detail(), HasSubstr("tenants/t/peers/pbx"));
  EXPECT_THAT(Get(kHijack).Detail(), HasSubstr("dialPlans/clear"));
  // IPsec is the documents' other mitigation; UM-75 says what it may cost.
  snapshot_.peers[1].ipsec_enabled = true;
  EXPECT_EQ(Active(), "1111111");
  snapshot_.peers[1].kind = PeerKind::kIpPbx;
  snapshot_.peers[1].hardening = {true, true, true, true};
  EXPECT_THAT(Get(kVoice).findings[1].detail, HasSubstr("UM-75"));
}

TEST_F(ThreatsTest, SipSecuredMediaIsInClear) {
  snapshot_.dial_plans[0].security_mode = SecurityMode::kSipSecured;
  EXPECT_EQ(Active(), "0011111");
  EXPECT_THAT(Get(kVoice).Detail(), HasSubstr("SIP_SECURED"));
  // UM-10: the status says what becomes of T.38.
  EXPECT_EQ(Get(kFax).findings.back().component, "T.38");
}

// UM-11: what was not marked is shown.
TEST_F(ThreatsTest, Um11Checklist) {
  snapshot_.peers[0].hardening.ssh_not_telnet = false;
  EXPECT_FALSE(Get(kGateway).active());
  EXPECT_THAT(Get(kGateway).Detail(),
              HasSubstr("not marked: SSH and not Telnet"));
}

// UM-12: a way out that no restriction can close.
TEST_F(ThreatsTest, Um12OpenPatternThatCountsAsInternal) {
  snapshot_.route_patterns = {TestPattern("out", "9.!", "gw")};
  EXPECT_FALSE(Get(kToll).active());
  EXPECT_THAT(Get(kToll).Detail(), HasSubstr("tenants/t/routePatterns/out"));
  snapshot_.route_patterns[0].toll_class = TollClass::kInternational;
  EXPECT_TRUE(Get(kToll).active());
}

// UM-13: a clear peer that is known by a name alone.
TEST_F(ThreatsTest, Um13Sources) {
  snapshot_.peers.push_back(TestPeer("pbx", "clear"));
  EXPECT_FALSE(Get(kDenial).active());
  snapshot_.peers[1].source_addresses = {"192.0.2.0/24"};
  EXPECT_TRUE(Get(kDenial).active());
}

// Never guessed: with no edge to ask, nothing is known to be in force.
TEST_F(ThreatsTest, UnreachableServices) {
  facts_.edges[0].error = "UNAVAILABLE";
  EXPECT_EQ(Active(), "0011000");
  EXPECT_THAT(Get(kVoice).Detail(), HasSubstr("could not be asked"));
  facts_.edges.clear();
  EXPECT_EQ(Active(), "0011000");
  facts_.trust.error = "UNAVAILABLE";
  EXPECT_FALSE(Get(kImpersonation).active());
}

TEST_F(ThreatsTest, AnEdgeWithoutPlanHoldsNothing) {
  facts_.edges[0].plan_version = 0;
  EXPECT_FALSE(Get(kVoice).active());
}

}  // namespace
}  // namespace sallyport::dialplan
