#include "services/media_relay/io/arrival_stamps.h"

#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {
namespace {

bool Stamped(const UdpSocket& socket) {
  int flags = 0;
  socklen_t size = sizeof(flags);
  EXPECT_EQ(getsockopt(socket.fd(), SOL_SOCKET, SO_TIMESTAMPING, &flags, &size),
            0);
  return (flags & SOF_TIMESTAMPING_RX_SOFTWARE) != 0;
}

class ArrivalStampsTest : public testing::Test {
 protected:
  ArrivalStampsTest() {
    for (int i = 0; i < 2; ++i) sockets_.push_back(Bound());
    for (const UdpSocket& socket : sockets_) stamps_.Add(socket.fd());
  }
  static UdpSocket Bound() {
    return UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value();
  }

  std::vector<UdpSocket> sockets_;
  ArrivalStamps stamps_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

// Those of idle loops too: one alone would keep the kernel at it.
TEST_F(ArrivalStampsTest, ALoopWithMuchToDoTurnsThemOffForAllMostOfTheTime) {
  for (const UdpSocket& socket : sockets_) EXPECT_TRUE(Stamped(socket));
  size_t stamped = 0;
  for (int i = 0; i < 64; ++i) {
    stamps_.OnPeriod(now_);
    EXPECT_EQ(Stamped(sockets_[0]), stamps_.on());
    EXPECT_EQ(Stamped(sockets_[1]), stamps_.on());
    stamped += stamps_.on() ? 1 : 0;
  }
  EXPECT_EQ(stamped, 4u);
}

TEST_F(ArrivalStampsTest, TheyComeBackWhenNobodyHasMuchToDo) {
  stamps_.OnPeriod(now_);
  EXPECT_FALSE(stamps_.on());
  stamps_.OnLittle(now_ + absl::Seconds(4));
  EXPECT_FALSE(stamps_.on());
  stamps_.OnLittle(now_ + absl::Seconds(5));
  EXPECT_TRUE(stamps_.on());
  for (const UdpSocket& socket : sockets_) EXPECT_TRUE(Stamped(socket));
}

TEST_F(ArrivalStampsTest, ASocketIsAsTheOthersUntilItIsRemoved) {
  stamps_.OnPeriod(now_);
  const UdpSocket late = Bound();
  StampArrivals(late.fd(), true);
  stamps_.Add(late.fd());
  EXPECT_FALSE(Stamped(late));
  stamps_.Remove(late.fd());
  stamps_.OnLittle(now_ + absl::Hours(1));
  EXPECT_TRUE(Stamped(sockets_[0]));
  EXPECT_FALSE(Stamped(late));
}

TEST(ReceiveLoadTest, TellsEveryPeriodOfMuchAndNowAndThenOfLittle) {
  ReceiveLoad load(8, 21);
  size_t told = 0;
  for (int i = 0; i < 640; ++i) told += load.OnBatch(1) ? 1 : 0;
  EXPECT_FALSE(load.much());
  EXPECT_EQ(told, 10u);
  for (int i = 0; i < 200; ++i) (void)load.OnBatch(64);
  EXPECT_TRUE(load.much());
  told = 0;
  for (size_t i = 0; i < 4 * ArrivalStamps::kBatchesPerPeriod; ++i) {
    told += load.OnBatch(i % 2 == 0 ? 64 : 20) ? 1 : 0;
  }
  EXPECT_TRUE(load.much());
  EXPECT_EQ(told, 4u);
  for (int i = 0; i < 400; ++i) (void)load.OnBatch(2);
  EXPECT_FALSE(load.much());
}

}  // namespace
}  // namespace sallyport::media_relay
