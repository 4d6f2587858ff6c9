#include "services/signaling_edge/core/loop_registry.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::IsEmpty;

constexpr char kUser[] = "tenants/t/users/u";
constexpr NodeId kFirst = {7, 0};
constexpr NodeId kSecond = {7, 1};

class LoopRegistryTest : public testing::Test {
 protected:
  Binding At(const NodeId& node, ConnectionId connection,
             absl::Duration lasts = absl::Minutes(10)) {
    Binding out;
    out.id = 99;  // means something to its own loop only
    out.user = kUser;
    out.contact = "sip:u@192.0.2.1";
    out.flow.connection = connection;
    out.owner = RemoteFlow{.node = node, .connection = connection};
    out.expires = now_ + lasts;
    return out;
  }
  RegistryReply Store(std::string expected, std::vector<Binding> bindings,
                      uint64_t generation = 1) {
    return registry_.Store(
        {1, kUser, std::move(expected), 5, generation, std::move(bindings)},
        now_);
  }
  RegistryReply Fetch() { return registry_.Fetch({2, kUser}, now_); }

  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  LoopRegistry registry_;
};

TEST_F(LoopRegistryTest, NothingIsKnownAtFirst) {
  const RegistryReply reply = Fetch();
  EXPECT_FALSE(reply.stored);
  EXPECT_EQ(reply.version, "");
  EXPECT_THAT(reply.bindings, IsEmpty());
}

TEST_F(LoopRegistryTest, WhatIsStoredIsTheOwnersToOthers) {
  const auto stored = Store("", {At(kFirst, 40)});
  ASSERT_TRUE(stored.stored);
  EXPECT_EQ(stored.epoch, 5u);
  EXPECT_EQ(stored.generation, 1u);
  const RegistryReply reply = Fetch();
  EXPECT_EQ(reply.version, stored.version);
  ASSERT_EQ(reply.bindings.size(), 1u);
  EXPECT_EQ(reply.bindings[0].id, 0u);
  EXPECT_EQ(reply.bindings[0].flow.connection, 0u);
  EXPECT_EQ(reply.bindings[0].owner->connection, 40u);
}

TEST_F(LoopRegistryTest, WhoDoesNotKnowWhatIsThereChangesNothing) {
  const auto first = Store("", {At(kFirst, 40)});
  const auto second = Store("", {At(kSecond, 41)});
  EXPECT_FALSE(second.stored);
  EXPECT_EQ(second.version, first.version);
  ASSERT_EQ(second.bindings.size(), 1u);
  EXPECT_EQ(second.bindings[0].owner->node, kFirst);
  const auto third = Store(second.version, {At(kSecond, 41)}, 2);
  EXPECT_TRUE(third.stored);
  EXPECT_NE(third.version, first.version);
}

TEST_F(LoopRegistryTest, ThatNothingIsLeftIsRememberedWhileItMatters) {
  const auto first = Store("", {At(kFirst, 40, absl::Minutes(10))});
  Store(first.version, {}, 2);
  now_ += absl::Minutes(9);
  EXPECT_EQ(Fetch().generation, 2u);
  now_ += absl::Minutes(2);
  EXPECT_EQ(Fetch().version, "");
  EXPECT_EQ(registry_.size(), 0u);
}

TEST_F(LoopRegistryTest, WhatHasExpiredIsNotTold) {
  Store("",
        {At(kFirst, 40, absl::Minutes(1)), At(kFirst, 41, absl::Minutes(9))});
  now_ += absl::Minutes(5);
  ASSERT_EQ(Fetch().bindings.size(), 1u);
  EXPECT_EQ(Fetch().bindings[0].owner->connection, 41u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
