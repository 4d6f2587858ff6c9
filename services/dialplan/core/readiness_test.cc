#include "services/dialplan/core/readiness.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kPeer[] = "tenants/t/peers/gw";

// A tenant with one secured plan, its gateway, one edge and a trusted root.
class ReadinessTest : public testing::Test {
 protected:
  ReadinessTest() {
    snapshot_.tenants = {TestTenant()};
    snapshot_.dial_plans = {TestPlan(SecurityMode::kSecured, "secured")};
    snapshot_.peers = {TestPeer("gw", "secured")};
    facts_.now = absl::FromUnixSeconds(1'800'000'000);
    EdgeFact edge;
    edge.target = "edge:7002";
    edge.instance = "edge-0";
    edge.plan_version = 7;
    edge.trust_in_force = edge.listens_tls = true;
    edge.certificate =
        CertificateFact{"CN=edge", "0a", facts_.now - absl::Hours(1),
                        facts_.now + absl::Hours(1), true};
    edge.peers[kPeer] = {true, "", true};
    facts_.edges = {edge};
    facts_.trust.certificates = facts_.trust.valid = 1;
  }

  std::vector<ReadinessStep> Assess() {
    ResolveDefaults(snapshot_);
    return AssessReadiness(snapshot_, snapshot_.dial_plans[0], facts_);
  }
  // "11011": which steps are done.
  std::string Done() {
    std::string out;
    for (const ReadinessStep& step : Assess()) out += step.done() ? '1' : '0';
    return out;
  }

  PlanSnapshot snapshot_;
  SecurityFacts facts_;
};

// UM-02: five steps in their order. UM-07: the last is the FQDN.
TEST_F(ReadinessTest, AllDone) {
  EXPECT_EQ(Done(), "11111");
  const auto steps = Assess();
  EXPECT_THAT(steps[0].title, HasSubstr("edge"));
  EXPECT_THAT(steps[1].Detail(), HasSubstr("SECURED"));
  EXPECT_THAT(steps[3].Detail(), HasSubstr("1 of 1 trusted"));
  EXPECT_THAT(steps[4].Detail(), HasSubstr("gw.t.test:5061"));
}

// UM-04: a plan without its security set is not step 2.
TEST_F(ReadinessTest, Um04SecurityNotSet) {
  snapshot_.dial_plans[0].security_mode = SecurityMode::kUnsecured;
  EXPECT_EQ(Done().substr(1, 1), "0");
  EXPECT_THAT(Assess()[1].Detail(), HasSubstr("security_mode"));
}

// Never guessed: what could not be asked is not done, and says so.
TEST_F(ReadinessTest, UnreachableServicesAreSaidPlainly) {
  facts_.edges[0] = {};
  facts_.edges[0].target = "edge:7002";
  facts_.edges[0].error = "UNAVAILABLE";
  facts_.trust = {};
  facts_.trust.error = "UNAVAILABLE";
  EXPECT_EQ(Done(), "01001");
  const auto steps = Assess();
  EXPECT_THAT(steps[0].Detail(),
              HasSubstr("signaling_edge edge:7002: could not be asked: "
                        "UNAVAILABLE"));
  EXPECT_THAT(steps[3].Detail(), HasSubstr("CallManager-trust: could not"));
  facts_.edges.clear();
  EXPECT_EQ(Done(), "01001");
  EXPECT_THAT(Assess()[0].Detail(), HasSubstr("edges"));
}

// UM-03: association with an edge that nobody knows.
TEST_F(ReadinessTest, Um03UnknownAssociatedEdge) {
  snapshot_.dial_plans[0].edges = {"edge-0", "edge-9"};
  EXPECT_EQ(Done().substr(2, 1), "0");
  const auto steps = Assess();
  ASSERT_THAT(steps[2].findings, SizeIs(2));
  EXPECT_TRUE(steps[2].findings[0].good);
  EXPECT_EQ(steps[2].findings[1].component, "signaling_edge edge-9");
}

TEST_F(ReadinessTest, RtmAssociatesExplicitly) {
  snapshot_.tenants[0].rtm_profile = true;
  snapshot_.dial_plans[0].security_mode = SecurityMode::kSipSecured;
  EXPECT_EQ(Done().substr(2, 1), "0");
}

// UM-06, UM-08: each component by itself.
TEST_F(ReadinessTest, Um06Certificates) {
  facts_.edges[0].certificate->not_after = facts_.now - absl::Hours(24);
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr("expired on"));
  facts_.edges[0].certificate->not_after = facts_.now + absl::Hours(1);
  facts_.edges[0].peers[kPeer].mutual_tls = false;
  facts_.edges[0].peers[kPeer].in_service = false;
  facts_.edges[0].peers[kPeer].reason = "TLS_ALERT_RECEIVED";
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr("(last: TLS_ALERT_RECEIVED)"));
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr(kPeer));
  facts_.edges[0].peers[kPeer].mutual_tls = true;
  EXPECT_TRUE(Assess()[3].done());
  facts_.trust.valid = 0;
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr("no valid certificate, of 1"));
}

// UM-89 where the edge's certificate was changed after the peer was written.
TEST_F(ReadinessTest, Um89ServerOnlyCertificate) {
  facts_.edges[0].certificate->client_auth = false;
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr("unknown vendor"));
  snapshot_.peers[0].vendor = "AudioCodes";
  EXPECT_TRUE(Assess()[3].done());
}

// UM-42, UM-44, UM-46, UM-48: the six steps on the peer, in their order,
// whoever the authority is; each is open until it is marked, and all are closed
// by a handshake.
TEST_F(ReadinessTest, Um44ChecklistOfThePeer) {
  snapshot_.peers[0].vendor = "AudioCodes";
  facts_.edges[0].peers[kPeer].mutual_tls = false;
  EXPECT_THAT(
      Assess()[3].Detail(),
      HasSubstr("open on the peer: (1) make a request on it, (2) copy the "
                "request, (3) have it signed and save the certificate, (4) "
                "import the certificate on it, (5) download the trusted root, "
                "(6) import the root on it"));
  CertificateChecklist& list = snapshot_.peers[0].certificate_checklist;
  list.request_created = list.request_copied = list.certificate_saved = true;
  list.root_downloaded = true;
  EXPECT_THAT(Assess()[3].Detail(),
              HasSubstr("open on the peer: (4) import the certificate on it, "
                        "(6) import the root on it"));
  list.certificate_imported = list.root_imported = true;
  EXPECT_THAT(Assess()[3].Detail(), Not(HasSubstr("open on the peer")));
  EXPECT_FALSE(Assess()[3].done());
  list = {};
  facts_.edges[0].peers[kPeer].mutual_tls = true;
  EXPECT_TRUE(Assess()[3].done());
}

// UM-43: the certificate of a machine is not enough, its root must be there.
TEST_F(ReadinessTest, Um43MissingRoot) {
  facts_.trust.missing_roots = {"CN=Gateway Root"};
  EXPECT_FALSE(Assess()[3].done());
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr("import CN=Gateway Root"));
}

// UM-34, UM-35: who still lacks the import, and when it is too much work.
TEST_F(ReadinessTest, Um34SelfSignedCertificates) {
  EXPECT_THAT(Assess()[3].Detail(), Not(HasSubstr("self-signed")));
  facts_.edges[0].certificate->self_signed = true;
  snapshot_.peers.push_back(TestPeer("gw2", "secured"));
  snapshot_.peers.push_back(TestPeer("gw3", "secured"));
  facts_.edges[0].peers["tenants/t/peers/gw2"] = {true, "", true};
  EXPECT_FALSE(Assess()[3].done());
  EXPECT_THAT(Assess()[3].Detail(), HasSubstr("1 of 3 peers lack it still"));
  EXPECT_THAT(Assess()[3].Detail(), Not(HasSubstr("do not scale")));
  facts_.self_signed_peers = 2;
  EXPECT_THAT(Assess()[3].Detail(),
              HasSubstr("do not scale beyond 2 peers: take those of a PKI or "
                        "commercial ones"));
  facts_.edges[0].peers["tenants/t/peers/gw3"] = {true, "", true};
  EXPECT_TRUE(Assess()[3].done());
}

// UM-07: a gateway that is known by an address alone.
TEST_F(ReadinessTest, Um07Fqdn) {
  snapshot_.dial_plans[0].security_mode = SecurityMode::kUnsecured;
  snapshot_.peers[0].fqdn.clear();
  snapshot_.peers[0].address = "192.0.2.1";
  EXPECT_THAT(Assess()[4].Detail(), HasSubstr("give its fqdn"));
  snapshot_.peers[0].status = PeerStatus::kDisabled;
  EXPECT_TRUE(Assess()[4].done());
}

}  // namespace
}  // namespace sallyport::dialplan
