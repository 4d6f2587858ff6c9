// OPTIONS that the edge sends by itself, and the connection that they go by:
// the one that is kept for the peer's calls (CCE-58).
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class EdgeProbeTest : public EdgeCoreTest {
 protected:
  void Monitor(bool enabled) {
    for (PeerEntry& peer : plan_->peers) {
      if (peer.name != "tenants/t/peers/gw") continue;
      peer.own_monitoring = true;
      peer.monitoring = {};
      peer.monitoring.enabled = enabled;
    }
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
  }
  // The next OPTIONS to gw by that connection, within its interval.
  Sent Options() {
    for (int second = 0; second < 61; ++second) {
      if (auto sent = edge_.TakeTo(gateway_)) {
        EXPECT_EQ(sent->message.method(), SipMethod::kOptions);
        return *sent;
      }
      edge_.Advance(absl::Seconds(1));
    }
    ADD_FAILURE() << "gw is not asked";
    return {};
  }
  void Dialled() {
    for (int second = 0; second < 61 && edge_.connects.empty(); ++second) {
      edge_.Advance(absl::Seconds(1));
    }
    gateway_ = edge_.AcceptDialled("gw.d.test");
  }

  std::shared_ptr<PlanSnapshot> plan_ = TestPlan();
  ConnectionId gateway_ = 0;
};

TEST_F(EdgeProbeTest, Cce58ExactlyOneConnectionByOptions) {
  Monitor(true);
  Dialled();
  for (int i = 0; i < 5; ++i) {
    edge_.Answer(Options(), 200, "g");
    EXPECT_EQ(edge_.core().connections().All().size(), 1u);
  }
  EXPECT_TRUE(edge_.core().peer_health().Find("tenants/t/peers/gw")->up);
  EXPECT_EQ(edge_.connects.size(), 1u);  // and no other was begun
  // A call goes by the same one.
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)));
  const auto invite = edge_.TakeTo(gateway_);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.method(), SipMethod::kInvite);
  EXPECT_EQ(edge_.core().connections().All().size(), 1u);
}

TEST_F(EdgeProbeTest, Cce58NoneWithoutOptions) {
  Monitor(false);
  edge_.Advance(absl::Minutes(10));
  EXPECT_TRUE(edge_.connects.empty());
  EXPECT_TRUE(edge_.core().connections().All().empty());
}

// One that was opened for a call does for OPTIONS too.
TEST_F(EdgeProbeTest, TheConnectionOfACallIsUsed) {
  const Sent invite = PbxCallsGateway();
  gateway_ = invite.connection;
  edge_.Answer(invite, 486, "g");
  edge_.Forget();
  Monitor(true);
  edge_.Answer(Options(), 200, "g");
  EXPECT_EQ(edge_.core().connections().All().size(), 1u);
}

// What does not answer and has no call is given up, and dialled again.
TEST_F(EdgeProbeTest, ADeadConnectionIsNotKept) {
  Monitor(true);
  Dialled();
  edge_.Answer(Options(), 200, "g");
  Options();  // no answer
  edge_.Advance(absl::Seconds(10));
  EXPECT_TRUE(edge_.core().connections().All().empty());
  EXPECT_FALSE(edge_.core().peer_health().Find("tenants/t/peers/gw")->up);
  for (int second = 0; second < 121 && edge_.connects.size() < 2; ++second) {
    edge_.Advance(absl::Seconds(1));
  }
  gateway_ = edge_.AcceptDialled("gw.d.test");
  edge_.Answer(Options(), 200, "g");
  EXPECT_TRUE(edge_.core().peer_health().Find("tenants/t/peers/gw")->up);
  EXPECT_EQ(edge_.core().connections().All().size(), 1u);
}

// IMP-40: what the TLS context of a peer says is asked for where we connect,
// and held to whoever connects.
TEST_F(EdgeProbeTest, Imp40ThePeersContextIsHeldTo) {
  TlsContextEntry context;
  context.name = "tenants/t/tlsContexts/c";
  context.active.peers = {"tenants/t/peers/gw"};
  context.active.tls.ciphers = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  plan_->tls_contexts = {context};
  ResolveDefaults(*plan_);
  edge_.Load(plan_);
  edge_.Forget();
  PbxCallsGateway();
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].tls, context.active.tls);
  // The harness has TLS 1.3, whose suites nobody chooses.
  EXPECT_NE(edge_.ConnectTls("gw.d.test", ""), 0u);
  EXPECT_EQ(edge_.Refusals(), "");
  plan_ = std::make_shared<PlanSnapshot>(*plan_);
  plan_->tls_contexts[0].active.tls = {.ciphers = {},
                                       .minimum_version = TlsVersion::kUnset,
                                       .maximum_version = TlsVersion::kTls12};
  ResolveDefaults(*plan_);
  edge_.Load(plan_);
  edge_.ConnectTls("gw.d.test", "");
  EXPECT_TRUE(Has(edge_.Refusals(), "TLS_VERSION_NOT_ALLOWED"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
