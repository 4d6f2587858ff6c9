// Which flows the TURN server hands to the fast path, and until when.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/tenant_limits.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_server_fixture.h"

namespace sallyport::media_relay {
namespace {

// Remembers what it is told.
class RecordedFlows final : public FastPath {
 public:
  void Put(FlowId id, const Flow& flow) override { flows[id] = flow; }
  void Remove(FlowId id) override { flows.erase(id); }
  FlowCounters Take(FlowId id) override {
    return flows.contains(id) ? FlowCounters{2, 50} : FlowCounters();
  }

  std::map<FlowId, Flow> flows;
};

class TurnServerFlowsTest : public TurnServerTest {
 protected:
  TurnServerFlowsTest() { server_->SetFastPath(&fast_path_); }

  // The one from the client, or the one back.
  const Flow* Find(bool from_client) {
    for (const auto& [id, flow] : fast_path_.flows) {
      if ((flow.match.socket == kListener) == from_client) return &flow;
    }
    return nullptr;
  }
  absl::Duration Left() { return Find(true)->expiry - now_.mono; }

  RecordedFlows fast_path_;
};

TEST_F(TurnServerFlowsTest, ABoundChannelIsTwoFlows) {
  ASSERT_EQ(Allocate(), 0);
  EXPECT_TRUE(fast_path_.flows.empty());
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  EXPECT_TRUE(fast_path_.flows.empty());  // Send and Data are the core's
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  ASSERT_EQ(fast_path_.flows.size(), 2u);
  const Endpoint client = At("203.0.113.9", 5000);
  const Flow& out = *Find(true);
  EXPECT_EQ(out.match.from, client);
  EXPECT_EQ(out.match.channel, 0x4000);
  EXPECT_EQ(out.rewrite.socket, relay());
  EXPECT_EQ(out.rewrite.to, kPeer);
  EXPECT_EQ(out.rewrite.channel, 0);
  const Flow& back = *Find(false);
  EXPECT_EQ(back.match.socket, relay());
  EXPECT_EQ(back.match.from, kPeer);
  EXPECT_EQ(back.match.channel, 0);
  EXPECT_EQ(back.rewrite.socket, kListener);
  EXPECT_EQ(back.rewrite.to, client);
  EXPECT_EQ(back.rewrite.channel, 0x4000);
}

// RFC 8656: permissions last 300 s, channels 600 s, the allocation as granted;
// a flow no longer than any of them.
TEST_F(TurnServerFlowsTest, LastsAsLongAsAllItNeeds) {
  ASSERT_EQ(Allocate(), 0);  // 600 s
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  EXPECT_EQ(Left(), absl::Seconds(300));
  Advance(absl::Seconds(200));
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  EXPECT_EQ(Left(), absl::Seconds(300));
  Advance(absl::Seconds(200));
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  EXPECT_EQ(Left(), absl::Seconds(200));  // of channel and allocation
  ASSERT_EQ(Ask(StunMethod::kRefresh), 0);
  EXPECT_EQ(Left(), absl::Seconds(200));  // of the channel
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  EXPECT_EQ(Left(), absl::Seconds(300));
}

TEST_F(TurnServerFlowsTest, EndsWithTheAllocation) {
  const auto bound = [&] {
    ASSERT_EQ(Allocate(), 0);
    ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
    ASSERT_EQ(fast_path_.flows.size(), 2u);
  };
  bound();
  ASSERT_EQ(
      Ask(StunMethod::kRefresh,
          [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); }),
      0);
  EXPECT_TRUE(fast_path_.flows.empty());
  bound();
  Advance(absl::Seconds(601));
  EXPECT_TRUE(fast_path_.flows.empty());
  bound();
  SocketActions sockets;
  EXPECT_TRUE(server_->Delete(relay(), now_, sockets));
  EXPECT_TRUE(fast_path_.flows.empty());
}

TEST_F(TurnServerFlowsTest, AChannelThatExpiredGivesItsFlowsBack) {
  ASSERT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddUint32(stun_attribute::kLifetime, 3600);
            }),
            0);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  Advance(absl::Seconds(601));
  Challenge();
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, At("8.8.4.4", 4000))),
            0);
  ASSERT_EQ(fast_path_.flows.size(), 2u);
  EXPECT_EQ(Find(true)->rewrite.to, At("8.8.4.4", 4000));
}

TEST_F(TurnServerFlowsTest, CountersAreCollected) {
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  server_->CollectFlows();
  const AllocationCounters& counters =
      server_->allocations().All().front()->counters;
  EXPECT_EQ(counters.packets_to_peers, 2u);
  EXPECT_EQ(counters.bytes_to_peers, 50u);
  EXPECT_EQ(counters.packets_to_client, 2u);
  EXPECT_EQ(counters.bytes_to_client, 50u);
  EXPECT_EQ(server_->stats().packets_to_peers, 2u);
}

// Each datagram of it has to be counted.
TEST_F(TurnServerFlowsTest, AnAllocationOfLimitedBandwidthIsNoFlow) {
  options_.bandwidth.per_tenant = 1'000'000;
  Start();
  server_->SetFastPath(&fast_path_);
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  ASSERT_EQ(Ask(StunMethod::kRefresh), 0);
  EXPECT_TRUE(fast_path_.flows.empty());
  EXPECT_EQ(Deliver(std::string("\x40\x00\x00\x02hi", 6)), "hi");
}

// A tenant's limits that come later hold for what is there: the fast path lets
// go of it, and takes it back when they are gone.
TEST_F(TurnServerFlowsTest, LimitsOfATenantComeAndGo) {
  LocalBandwidth ledger({});
  server_->SetBandwidth(ledger);
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  ASSERT_EQ(fast_path_.flows.size(), 2u);
  ledger.SetTenants(std::make_shared<const TenantLimits>(
      TenantLimits::Map{{"other", {.tenant_bytes_per_second = 20'000}}}));
  server_->OnTenantLimits(now_);
  EXPECT_EQ(fast_path_.flows.size(), 2u);
  ledger.SetTenants(std::make_shared<const TenantLimits>(
      TenantLimits::Map{{"default", {.tenant_bytes_per_second = 20'000}}}));
  server_->OnTenantLimits(now_);
  EXPECT_TRUE(fast_path_.flows.empty());
  const auto send = [&] {
    int passed = 0;
    for (int i = 0; i < 10; ++i) {
      DeliverFromPeer(relay(), kPeer, std::string(1000, 'x'));
      if (action_.sends()) ++passed;
    }
    return passed;
  };
  EXPECT_EQ(send(), 5);
  EXPECT_EQ(action_.drop, DropReason::kTenantBandwidth);
  // The same again gives nobody a fresh bucket.
  server_->OnTenantLimits(now_);
  EXPECT_EQ(send(), 0);
  ledger.SetTenants(std::make_shared<const TenantLimits>());
  server_->OnTenantLimits(now_);
  EXPECT_EQ(fast_path_.flows.size(), 2u);
  EXPECT_EQ(send(), 10);
}

}  // namespace
}  // namespace sallyport::media_relay
