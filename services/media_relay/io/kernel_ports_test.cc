#include "services/media_relay/io/kernel_ports.h"

#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

TEST(UnreservedPortsTest, DefaultKernelRangeCoversAllRelayPorts) {
  EXPECT_EQ(UnreservedPorts("32768\t60999\n", "\n", 50000, 59999), 10000);
}

TEST(UnreservedPortsTest, ReservedPortsDoNotCount) {
  EXPECT_EQ(UnreservedPorts("32768\t60999\n", "50000-59999\n", 50000, 59999),
            0);
  EXPECT_EQ(
      UnreservedPorts("32768\t60999", "8080,50000-50009,59999", 50000, 59999),
      9989);
}

TEST(UnreservedPortsTest, RangeBesideOursDoesNotCount) {
  EXPECT_EQ(UnreservedPorts("32768\t49999\n", "", 50000, 59999), 0);
  EXPECT_EQ(UnreservedPorts("", "", 50000, 59999), 0);
}

}  // namespace
}  // namespace sallyport::media_relay
