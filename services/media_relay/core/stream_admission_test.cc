#include "services/media_relay/core/stream_admission.h"

#include <optional>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

TEST(StreamAdmissionTest, LimitsBySourcePrefixAndInAll) {
  StreamAdmission admission;
  LocalQuota quota(ConnectionLimits(4, 2));
  admission.SetQuota(quota);
  SocketId id = kFirstStreamSocket;
  EXPECT_TRUE(admission.Admit(id, Ip("192.0.2.1"), kStart));
  EXPECT_TRUE(admission.Admit(id + 1, Ip("192.0.2.1"), kStart));
  EXPECT_FALSE(admission.Admit(id + 2, Ip("192.0.2.1"), kStart));
  // One /64 is one source.
  EXPECT_TRUE(admission.Admit(id + 3, Ip("2001:db8::1"), kStart));
  EXPECT_TRUE(admission.Admit(id + 4, Ip("2001:db8::2"), kStart));
  EXPECT_FALSE(admission.Admit(id + 5, Ip("2001:db8::3"), kStart));
  EXPECT_FALSE(admission.Admit(id + 6, Ip("192.0.2.9"), kStart));
  EXPECT_EQ(admission.size(), 4u);
  // A place is given back once.
  admission.Remove(id);
  admission.Remove(id);
  admission.Remove(id + 2);
  EXPECT_TRUE(admission.Admit(id + 7, Ip("192.0.2.1"), kStart));
  EXPECT_FALSE(admission.Admit(id + 8, Ip("192.0.2.1"), kStart));
}

TEST(StreamAdmissionTest, WhatProvesNothingIsEnded) {
  StreamAdmission admission;
  const SocketId idle = kFirstStreamSocket;
  const SocketId busy = idle + 1;
  ASSERT_TRUE(admission.Admit(idle, Ip("192.0.2.1"), kStart));
  ASSERT_TRUE(admission.Admit(busy, Ip("192.0.2.1"), kStart));
  admission.Settle(busy);
  EXPECT_EQ(admission.deadline(), kStart + kStreamPatience);
  EXPECT_EQ(admission.TakeExpired(kStart + kStreamPatience), idle);
  admission.Remove(idle);
  EXPECT_EQ(admission.TakeExpired(kStart + absl::Hours(9)), std::nullopt);
  // Without its allocation it is on time again; one that is gone is not.
  const MonoTime later = kStart + absl::Hours(1);
  admission.Unsettle(busy, later);
  admission.Unsettle(idle, later);
  EXPECT_EQ(admission.TakeExpired(later), std::nullopt);
  EXPECT_EQ(admission.TakeExpired(later + kStreamPatience), busy);
  EXPECT_EQ(admission.TakeExpired(later + kStreamPatience), std::nullopt);
}

}  // namespace
}  // namespace sallyport::media_relay
