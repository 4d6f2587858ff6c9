#include "services/common/config/proto_time.h"

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(ProtoTimeTest, DurationsRoundTrip) {
  for (const absl::Duration d :
       {absl::ZeroDuration(), absl::Milliseconds(1500), absl::Hours(8),
        absl::Milliseconds(-1500), absl::Nanoseconds(1)}) {
    EXPECT_EQ(FromProto(ToProto(d)), d);
  }
  EXPECT_EQ(ToProto(absl::Milliseconds(-1500)).nanos(), -500'000'000);
}

TEST(ProtoTimeTest, TimesRoundTripAndNanosAreNeverNegative) {
  for (const absl::Time t :
       {absl::UnixEpoch(), absl::FromUnixMillis(1'700'000'000'123),
        absl::FromUnixMillis(-1500)}) {
    EXPECT_EQ(FromProto(ToProto(t)), t);
    EXPECT_GE(ToProto(t).nanos(), 0);
  }
}

TEST(ProtoTimeTest, ZeroMeansTheDefault) {
  google::protobuf::Duration d;
  EXPECT_EQ(FromProtoOr(d, absl::Seconds(30)), absl::Seconds(30));
  d.set_nanos(1);
  EXPECT_EQ(FromProtoOr(d, absl::Seconds(30)), absl::Nanoseconds(1));
}

}  // namespace
}  // namespace sallyport
