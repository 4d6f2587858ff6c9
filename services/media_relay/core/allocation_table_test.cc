#include "services/media_relay/core/allocation_table.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/client_homes.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

ClientPath Path(uint16_t port) {
  return {1, {IpAddress::V4({192, 0, 2, 1}), port}};
}

class AllocationTableTest : public testing::Test {
 protected:
  Allocation& Add(SocketId socket, uint16_t port, absl::Duration lifetime,
                  const std::string& tenant = "t",
                  const std::string& subject = "s") {
    AllocationOwner owner;
    owner.tenant = tenant;
    owner.subject = subject;
    auto allocation = std::make_unique<Allocation>(
        socket, Path(port), std::move(owner), Allocation::Limits());
    allocation->expiry = kStart + lifetime;
    return table_.Insert(std::move(allocation));
  }

  AllocationTable table_;
};

// What a loop is told to keep and to let go, in this order.
class NotedHomes final : public ClientHomes {
 public:
  void Keep(SocketId, const Endpoint& client) override {
    told.push_back("keep " + client.ToString());
  }
  void Release(SocketId, const Endpoint& client) override {
    told.push_back("release " + client.ToString());
  }
  std::vector<std::string> told;
};

// A client belongs to its loop while there is an allocation on its path.
TEST_F(AllocationTableTest, TellsWhoseClientsAreItsOwn) {
  NotedHomes homes;
  table_.SetHomes(homes);
  Add(10, 5000, absl::Minutes(1));
  EXPECT_EQ(homes.told, std::vector<std::string>{"keep 192.0.2.1:5000"});
  // A new one comes before the one that has expired is taken out.
  Add(11, 5000, absl::Minutes(9));
  EXPECT_NE(table_.TakeExpired(kStart + absl::Minutes(2)), nullptr);
  EXPECT_EQ(homes.told.size(), 2u);
  EXPECT_NE(table_.Remove(11), nullptr);
  ASSERT_EQ(homes.told.size(), 3u);
  EXPECT_EQ(homes.told.back(), "release 192.0.2.1:5000");
}

// Of connections every octet comes to the loop that has accepted them.
TEST_F(AllocationTableTest, ConnectionsNeedNoHome) {
  NotedHomes homes;
  table_.SetHomes(homes);
  ClientPath path = Path(5000);
  path.socket = kFirstStreamSocket;
  auto allocation = std::make_unique<Allocation>(10, path, AllocationOwner(),
                                                 Allocation::Limits());
  allocation->expiry = kStart + absl::Minutes(1);
  table_.Insert(std::move(allocation));
  EXPECT_NE(table_.RemoveStream(kFirstStreamSocket), nullptr);
  EXPECT_TRUE(homes.told.empty());
}

TEST_F(AllocationTableTest, FoundByPathAndBySocket) {
  Allocation& one = Add(10, 5000, absl::Minutes(10));
  EXPECT_EQ(table_.Find(Path(5000), kStart), &one);
  EXPECT_EQ(table_.FindByRelay(10, kStart), &one);
  EXPECT_EQ(table_.Find(Path(5001), kStart), nullptr);
  EXPECT_EQ(table_.Find({2, Path(5000).client}, kStart), nullptr);
  EXPECT_EQ(table_.FindByRelay(11, kStart), nullptr);
  // Expired but not yet taken out: as if gone.
  EXPECT_EQ(table_.Find(Path(5000), kStart + absl::Minutes(10)), nullptr);
  EXPECT_EQ(table_.FindByRelay(10, kStart + absl::Minutes(10)), nullptr);
}

TEST_F(AllocationTableTest, EndsInOrderOfExpiry) {
  Add(10, 5000, absl::Minutes(10));
  Allocation& two = Add(11, 5001, absl::Minutes(5));
  Add(12, 5002, absl::Minutes(7));
  EXPECT_EQ(table_.next_expiry(), kStart + absl::Minutes(5));
  table_.SetExpiry(two, kStart + absl::Minutes(20));
  EXPECT_EQ(table_.next_expiry(), kStart + absl::Minutes(7));
  const MonoTime later = kStart + absl::Minutes(10);
  EXPECT_EQ(table_.TakeExpired(later)->relay_socket(), 12u);
  EXPECT_EQ(table_.TakeExpired(later)->relay_socket(), 10u);
  EXPECT_EQ(table_.TakeExpired(later), nullptr);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(AllocationTableTest, IsRemovedOnce) {
  Add(10, 5000, absl::Minutes(1), "t", "s");
  Add(11, 5001, absl::Minutes(1), "t", "s");
  Add(12, 5002, absl::Minutes(1), "t", "other");
  Add(13, 5003, absl::Minutes(1), "u", "s");
  EXPECT_EQ(table_.All().size(), 4u);
  EXPECT_NE(table_.Remove(10), nullptr);
  EXPECT_EQ(table_.Remove(10), nullptr);
  EXPECT_NE(table_.Remove(11), nullptr);
  EXPECT_EQ(table_.Find(Path(5000), kStart), nullptr);
}

}  // namespace
}  // namespace sallyport::media_relay
