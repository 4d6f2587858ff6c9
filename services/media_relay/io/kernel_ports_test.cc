#include "services/media_relay/io/kernel_ports.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::media_relay {
namespace {

// AVE-23: the range of ports that the kernel gives away.
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

// AVE-23, as the kernel writes it.
TEST(HeldPortsTest, SocketsOfAllTablesButThoseThatWait) {
  const std::string udp =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n"
      "  103: 0100007F:C350 00000000:0000 07 00000000:00000000 00:00000000\n"
      "  104: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000\n";
  const std::string tcp6 =
      "  sl  local_address                         remote_address\n"
      "   0: 00000000000000000000000001000000:EA5F "
      "00000000000000000000000000000000:0000 0A 00000000:00000000\n"
      "   1: 00000000000000000000000001000000:EA5E "
      "00000000000000000000000000000000:0000 06 00000000:00000000\n"
      "   2: 00000000000000000000000001000000:C350 "
      "00000000000000000000000000000000:0000 01 00000000:00000000\n"
      "nonsense\n x y z w\n";
  EXPECT_EQ(HeldPorts({udp, tcp6, ""}, 50000, 59999),
            (std::vector<uint16_t>{50000, 59999}));
  EXPECT_EQ(HeldPorts({udp, tcp6}, 50001, 59998), std::vector<uint16_t>());
}

// AVE-23: this process plays the other one.
TEST(CheckKernelPortsTest, ASocketOfSomebodyElseIsNoticed) {
  const auto taken = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(taken.ok());
  const uint16_t port = taken->local_address().port();
  const absl::Status status = CheckKernelPorts(port, port, true);
  EXPECT_THAT(status, HasReason("RELAY_PORTS_NOT_EXCLUSIVE"));
  EXPECT_NE(status.ToString().find(absl::StrCat("the first is ", port)),
            std::string::npos)
      << status;
  EXPECT_THAT(CheckKernelPorts(port, port, false), IsOk());
}

TEST(UnreservedPortsTest, RangeBesideOursDoesNotCount) {
  EXPECT_EQ(UnreservedPorts("32768\t49999\n", "", 50000, 59999), 0);
  EXPECT_EQ(UnreservedPorts("", "", 50000, 59999), 0);
}

}  // namespace
}  // namespace sallyport::media_relay
