#include "services/media_relay/core/peer_connections.h"

#include <optional>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

using State = PeerConnection::State;

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

Endpoint Peer(uint16_t port) { return {IpAddress::V4({8, 8, 8, 8}), port}; }

TEST(PeerConnectionsTest, FoundByEveryName) {
  FakeRandom random;
  PeerConnections peers(random, 3);
  PeerConnection* const one =
      peers.Add(10, 1, Peer(5000), State::kUnbound, kStart);
  ASSERT_NE(one, nullptr);
  EXPECT_TRUE(peers.IsOwn(one->id));
  EXPECT_EQ(PeerConnections::LoopOf(one->id), 3u);
  EXPECT_FALSE(PeerConnections(random, 2).IsOwn(one->id));
  EXPECT_EQ(peers.Find(10), one);
  EXPECT_EQ(peers.FindById(one->id), one);
  EXPECT_EQ(peers.FindTo(1, Peer(5000)), one);
  EXPECT_EQ(peers.FindTo(2, Peer(5000)), nullptr);
  EXPECT_EQ(peers.FindTo(1, Peer(5001)), nullptr);
  EXPECT_EQ(peers.FindByClient(77), nullptr);
  peers.Bind(*one, 77);
  EXPECT_EQ(peers.FindByClient(77), one);
  EXPECT_EQ(one->state, State::kBound);
  const uint32_t id = one->id;
  peers.Remove(10);
  peers.Remove(10);
  EXPECT_EQ(peers.size(), 0u);
  EXPECT_EQ(peers.FindById(id), nullptr);
  EXPECT_EQ(peers.FindByClient(77), nullptr);
  EXPECT_TRUE(peers.OfAllocation(1).empty());
}

TEST(PeerConnectionsTest, OnlyWhatIsNotBoundExpires) {
  FakeRandom random;
  PeerConnections peers(random, 0);
  PeerConnection* const bound =
      peers.Add(10, 1, Peer(1), State::kUnbound, kStart);
  ASSERT_NE(peers.Add(11, 1, Peer(2), State::kUnbound, kStart), nullptr);
  peers.Bind(*bound, 77);
  EXPECT_EQ(peers.deadline(), kStart);
  EXPECT_EQ(peers.TakeExpired(kStart), 11u);
  EXPECT_EQ(peers.TakeExpired(kStart + absl::Hours(1)), std::nullopt);
}

TEST(PeerConnectionsTest, AnAllocationHasABoundedNumber) {
  FakeRandom random;
  PeerConnections peers(random, 0);
  for (uint16_t i = 0; i < PeerConnections::kMaxPerAllocation; ++i) {
    ASSERT_NE(peers.Add(100 + i, 1, Peer(i), State::kUnbound, kStart), nullptr);
  }
  EXPECT_EQ(peers.Add(200, 1, Peer(900), State::kUnbound, kStart), nullptr);
  EXPECT_NE(peers.Add(201, 2, Peer(900), State::kUnbound, kStart), nullptr);
  EXPECT_EQ(peers.OfAllocation(1).size(), PeerConnections::kMaxPerAllocation);
}

}  // namespace
}  // namespace sallyport::media_relay
