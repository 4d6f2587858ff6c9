#include "services/signaling_edge/core/options_monitor.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/random/fake_random.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

class OptionsMonitorTest : public testing::Test {
 protected:
  OptionsMonitorTest() {
    plan_ = std::make_shared<PlanSnapshot>();
    plan_->version = 1;
    plan_->tenants.resize(1);
    plan_->tenants[0].name = "tenants/t";
    plan_->dial_plans.resize(1);
    plan_->dial_plans[0].name = "tenants/t/dialPlans/clear";
  }

  PeerEntry& AddPeer(const std::string& name) {
    PeerEntry& peer = plan_->peers.emplace_back();
    peer.name = "tenants/t/peers/" + name;
    peer.dial_plan = "tenants/t/dialPlans/clear";
    peer.address = "192.0.2.1";
    peer.port = peer.incoming_port = 5060;
    peer.transport = sallyport::SipTransport::kUdp;
    peer.monitoring.enabled = true;
    peer.monitoring.interval = absl::Seconds(60);
    peer.monitoring.out_of_service_interval = absl::Seconds(120);
    peer.monitoring.retry_interval = absl::Milliseconds(500);
    peer.monitoring.retries = 2;
    return peer;
  }

  void Load() {
    auto copy = std::make_shared<PlanSnapshot>(*plan_);
    ResolveDefaults(*copy);
    auto resolver = Resolver::Create(std::move(copy));
    ASSERT_TRUE(resolver.ok()) << resolver.status();
    resolver_ = *std::move(resolver);
    monitor_.OnPlan(resolver_->index(), now_);
  }

  // The next check, when it is due.
  PeerCheckRequest Next() {
    now_ = monitor_.deadline();
    auto request = monitor_.NextDue(now_);
    EXPECT_TRUE(request.has_value());
    return request.value_or(PeerCheckRequest());
  }

  OptionsMonitor::Verdict Answer(const PeerCheckRequest& request, int status,
                                 const std::string& reason) {
    PeerCheckResult result;
    result.id = request.id;
    result.peer = request.peer;
    result.sip_status = status;
    result.succeeded = reason.empty();
    result.reason = reason;
    return monitor_.OnChecked(result, now_);
  }

  std::shared_ptr<PlanSnapshot> plan_;
  std::shared_ptr<const Resolver> resolver_;
  FakeRandom random_;
  OptionsMonitor monitor_{random_};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

constexpr char kPeer[] = "tenants/t/peers/a";

// CUC-59: the keepalive is switched by peer. CCE-58: without it nobody is
// asked.
TEST_F(OptionsMonitorTest, OnlyWhatIsToBeMonitoredIsAsked) {
  AddPeer("a").monitoring.enabled = false;
  AddPeer("b").status = PeerStatus::kDisabled;
  Load();
  EXPECT_EQ(monitor_.size(), 0u);
  EXPECT_EQ(monitor_.deadline(), MonoTime::InfiniteFuture());
  EXPECT_FALSE(monitor_.IsDown(kPeer, "192.0.2.1", 5060));
}

// CUC: 60 s in service, 120 s out of service, 500 ms and 6 times in between.
TEST_F(OptionsMonitorTest, DownAfterAllRetriesAndUpWithOneAnswer) {
  AddPeer("a");
  Load();
  const MonoTime start = now_;
  PeerCheckRequest request = Next();
  EXPECT_LT(now_, start + absl::Seconds(60));
  EXPECT_EQ(request.peer, kPeer);
  EXPECT_NE(request.id & OptionsMonitor::kCheckBit, 0u);
  EXPECT_TRUE(Answer(request, 200, "").decided);
  for (int i = 0; i < 2; ++i) {
    request = Next();
    EXPECT_FALSE(Answer(request, 503, "PEER_OPTIONS_REFUSED").decided);
    EXPECT_EQ(monitor_.deadline(), now_ + absl::Milliseconds(500));
    EXPECT_FALSE(monitor_.IsDown(kPeer, "192.0.2.1", 5060));
  }
  request = Next();
  const auto down = Answer(request, 503, "PEER_OPTIONS_REFUSED");
  EXPECT_TRUE(down.decided && down.changed && down.peer_changed);
  EXPECT_TRUE(monitor_.IsDown(kPeer, "192.0.2.1", 5060));
  EXPECT_TRUE(monitor_.IsDown(kPeer));
  EXPECT_GE(monitor_.deadline(), now_ + absl::Seconds(108));
  EXPECT_LE(monitor_.deadline(), now_ + absl::Seconds(120));
  // Any reply but 408 and 503 means that it is up.
  request = Next();
  const auto up = Answer(request, 404, "PEER_OPTIONS_REFUSED");
  EXPECT_TRUE(up.decided && up.changed && up.peer_changed);
  EXPECT_FALSE(monitor_.IsDown(kPeer));
}

// The transaction has sent it again and again already.
TEST_F(OptionsMonitorTest, NoAnswerAtAllNeedsNoRetry) {
  AddPeer("a");
  Load();
  const auto verdict = Answer(Next(), 0, "PEER_TIMEOUT");
  EXPECT_TRUE(verdict.decided && verdict.changed);
  EXPECT_TRUE(monitor_.IsDown(kPeer));
}

TEST_F(OptionsMonitorTest, APeerIsUpWhileOneMemberOfItsGroupIs) {
  PeerEntry& peer = AddPeer("a");
  peer.address.clear();
  peer.server_group = "tenants/t/serverGroups/g";
  peer.monitoring.retries = 1;
  ServerGroupEntry& group = plan_->server_groups.emplace_back();
  group.name = "tenants/t/serverGroups/g";
  for (const char* host : {"192.0.2.11", "192.0.2.12"}) {
    ServerGroupMember& member = group.members.emplace_back();
    member.host = host;
    member.port = 5060;
  }
  Load();
  ASSERT_EQ(monitor_.size(), 2u);
  const PeerCheckRequest first = Next();
  EXPECT_EQ(first.port, 5060);
  const auto one = Answer(first, 0, "PEER_TIMEOUT");
  EXPECT_TRUE(one.changed);
  EXPECT_FALSE(one.peer_changed);
  EXPECT_TRUE(monitor_.IsDown(kPeer, first.host, 5060));
  EXPECT_FALSE(monitor_.IsDown(kPeer));
  PeerCheckRequest second = Next();
  while (second.host == first.host) {
    Answer(second, 0, "PEER_TIMEOUT");
    second = Next();
  }
  EXPECT_TRUE(Answer(second, 0, "PEER_TIMEOUT").peer_changed);
  EXPECT_TRUE(monitor_.IsDown(kPeer));
  // What is known stays when the plan changes elsewhere, and goes with it.
  Load();
  EXPECT_TRUE(monitor_.IsDown(kPeer));
  plan_->peers[0].monitoring.enabled = false;
  Load();
  EXPECT_FALSE(monitor_.IsDown(kPeer));
  EXPECT_EQ(monitor_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(OptionsMonitorTest, TenThousandPeersAreSpreadOverTheInterval) {
  for (int i = 0; i < 10'000; ++i) AddPeer(Cat("p", i));
  Load();
  std::vector<int> per_second(61);
  const MonoTime start = now_;
  for (int i = 0; i < 10'000; ++i) {
    const PeerCheckRequest request = Next();
    ++per_second[static_cast<size_t>(absl::ToInt64Seconds(now_ - start))];
  }
  for (int i = 0; i < 60; ++i) {
    EXPECT_GT(per_second[i], 80);
    EXPECT_LT(per_second[i], 260);
  }
}

TEST_F(OptionsMonitorTest, WhatCouldNotBeBegunIsAskedAgainSoon) {
  AddPeer("a");
  Load();
  const PeerCheckRequest request = Next();
  monitor_.OnNotStarted(request.id, now_);
  EXPECT_LE(monitor_.deadline(), now_ + absl::Seconds(1));
  EXPECT_FALSE(Answer(request, 200, "").decided);  // too late
  EXPECT_TRUE(Answer(Next(), 200, "").decided);
}

}  // namespace
}  // namespace sallyport::signaling_edge
