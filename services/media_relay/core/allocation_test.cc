#include "services/media_relay/core/allocation.h"

#include <cstdint>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

IpAddress Ip(uint8_t last) { return IpAddress::V4({8, 8, 8, last}); }

Allocation Make(size_t permissions = 2, size_t channels = 2) {
  return Allocation(1, ClientPath{1, {Ip(1), 5000}}, AllocationOwner(),
                    Allocation::Limits{permissions, channels});
}

TEST(AllocationTest, PermissionsLive300SecondsAndAreRefreshed) {
  Allocation allocation = Make();
  EXPECT_FALSE(allocation.IsPermitted(Ip(1), kStart));
  EXPECT_TRUE(allocation.Permit(Ip(1), kStart));
  EXPECT_TRUE(allocation.IsPermitted(Ip(1), kStart + absl::Seconds(299)));
  EXPECT_FALSE(allocation.IsPermitted(Ip(1), kStart + absl::Seconds(300)));
  EXPECT_TRUE(allocation.Permit(Ip(1), kStart + absl::Seconds(200)));
  EXPECT_TRUE(allocation.IsPermitted(Ip(1), kStart + absl::Seconds(499)));
  EXPECT_EQ(allocation.permission_count(kStart + absl::Seconds(499)), 1u);
  EXPECT_EQ(allocation.permission_count(kStart + absl::Seconds(500)), 0u);
}

TEST(AllocationTest, ExpiredPermissionsMakeRoom) {
  Allocation allocation = Make();
  EXPECT_TRUE(allocation.Permit(Ip(1), kStart));
  EXPECT_TRUE(allocation.Permit(Ip(2), kStart + absl::Seconds(100)));
  EXPECT_FALSE(allocation.Permit(Ip(3), kStart + absl::Seconds(200)));
  EXPECT_TRUE(allocation.Permit(Ip(3), kStart + absl::Seconds(300)));
  EXPECT_TRUE(allocation.IsPermitted(Ip(2), kStart + absl::Seconds(300)));
}

TEST(AllocationTest, ChannelsBindOneNumberToOnePeer) {  // RFC 8656 12.1
  Allocation allocation = Make();
  const Endpoint a{Ip(1), 4000};
  const Endpoint b{Ip(1), 4001};
  EXPECT_EQ(allocation.BindChannel(0x4000, a, kStart),
            Allocation::Bind::kBound);
  EXPECT_EQ(allocation.BindChannel(0x4000, a, kStart),
            Allocation::Bind::kBound);
  EXPECT_EQ(allocation.BindChannel(0x4000, b, kStart),
            Allocation::Bind::kConflict);
  EXPECT_EQ(allocation.BindChannel(0x4001, a, kStart),
            Allocation::Bind::kConflict);
  EXPECT_EQ(allocation.BindChannel(0x4001, b, kStart),
            Allocation::Bind::kBound);
  EXPECT_EQ(allocation.BindChannel(0x4002, {Ip(2), 4000}, kStart),
            Allocation::Bind::kFull);
  EXPECT_EQ(allocation.FindChannel(0x4001, kStart)->peer, b);
  EXPECT_EQ(allocation.FindChannelTo(a, kStart)->number, 0x4000);
  EXPECT_EQ(allocation.FindChannel(0x4002, kStart), nullptr);
  EXPECT_EQ(allocation.channel_count(kStart), 2u);
}

TEST(AllocationTest, ChannelsLive600SecondsThenAreFree) {
  Allocation allocation = Make();
  const Endpoint a{Ip(1), 4000};
  const Endpoint b{Ip(2), 4000};
  allocation.BindChannel(0x4000, a, kStart);
  EXPECT_NE(allocation.FindChannel(0x4000, kStart + absl::Seconds(599)),
            nullptr);
  const MonoTime end = kStart + absl::Seconds(600);
  EXPECT_EQ(allocation.FindChannel(0x4000, end), nullptr);
  EXPECT_EQ(allocation.FindChannelTo(a, end), nullptr);
  EXPECT_EQ(allocation.BindChannel(0x4000, b, end), Allocation::Bind::kBound);
}

}  // namespace
}  // namespace sallyport::media_relay
