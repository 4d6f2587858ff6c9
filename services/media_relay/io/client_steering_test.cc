// Over loopback, where a datagram arrives on the core that sends it.

#include "services/media_relay/io/client_steering.h"

#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/system_random.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/allowed_processors.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports_rig.h"
#include "services/media_relay/io/veth_rig.h"

namespace sallyport::media_relay {
namespace {

class ClientSteeringTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    processors_ = AllowedProcessors();
    if (processors_.size() < 2) GTEST_SKIP() << "one core is too few";
    const IpAddress address = *IpAddress::Parse(GetParam());
    // Other tests of this host steer the address too.
    auto network = OwnNetwork::Create();
    if (!network.ok()) {
      GTEST_SKIP() << "not possible here: " << network.status();
    }
    network_ = *std::move(network);
    auto steering = PortSteering::Create(kFirst, kLast, {address}, 2, random_);
    if (!steering.ok()) {
      GTEST_SKIP() << "not possible here: " << steering.status();
    }
    steering_ = *std::move(steering);
    ASSERT_NE(steering_->clients(), nullptr);
    UdpSocket::Options options;
    options.reuse_port = true;
    uint16_t port = 0;
    for (uint32_t loop = 0; loop < 2; ++loop) {
      auto udp =
          UdpSocket::Bind(*SocketAddress::FromIp(GetParam(), port), options);
      ASSERT_TRUE(udp.ok()) << udp.status();
      port = udp->local_address().port();
      listener_ = {address, port};
      const auto number = steering_->AddListener(udp->fd(), listener_, loop);
      ASSERT_TRUE(number.ok()) << number.status();
      number_ = *number;
      sockets_.push_back(*std::move(udp));
    }
  }
  void TearDown() override {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int processor : processors_) CPU_SET(processor, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
  }

  // From one of the cores, by their number among those that we have.
  void MoveTo(size_t core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processors_[core], &set);
    ASSERT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
  }
  // The loop that the datagram comes to.
  std::optional<size_t> LoopOf(Far& client) {
    EXPECT_TRUE(client.Send("x", listener_).ok());
    pollfd ready[2] = {{sockets_[0].fd(), POLLIN, 0},
                       {sockets_[1].fd(), POLLIN, 0}};
    if (poll(ready, 2, 2000) != 1) return std::nullopt;
    const size_t loop = (ready[0].revents & POLLIN) != 0 ? 0 : 1;
    char octet;
    EXPECT_EQ(recv(sockets_[loop].fd(), &octet, 1, 0), 1);
    return loop;
  }
  ClientSteering& clients() { return *steering_->clients(); }

  std::unique_ptr<OwnNetwork> network_;  // first: what is in it ends before
  SystemRandom random_;
  std::vector<int> processors_;
  std::unique_ptr<PortSteering> steering_;
  std::vector<UdpSocket> sockets_;
  Endpoint listener_;
  uint32_t number_ = 0;
};

TEST_P(ClientSteeringTest, StrangersComeToTheLoopOfTheCoreThatTheyArriveAt) {
  clients().SetProcessor(0, processors_[0]);
  clients().SetProcessor(1, processors_[1]);
  for (int i = 0; i < 8; ++i) {
    Far client(GetParam());
    MoveTo(0);
    EXPECT_EQ(LoopOf(client), 0u);
    MoveTo(1);
    EXPECT_EQ(LoopOf(client), 1u);
  }
}

TEST_P(ClientSteeringTest, AClientStaysWithTheLoopThatHasIt) {
  clients().SetProcessor(0, processors_[0]);
  clients().SetProcessor(1, processors_[1]);
  Far client(GetParam());
  MoveTo(0);
  clients().Keep(number_, client.endpoint(), 0);
  clients().Keep(number_, client.endpoint(), 0);
  EXPECT_EQ(LoopOf(client), 0u);
  MoveTo(1);
  EXPECT_EQ(LoopOf(client), 0u);
  // Another port of that address is somebody else.
  Far other(GetParam());
  EXPECT_EQ(LoopOf(other), 1u);
  // A loop that has not got it cannot let it go.
  clients().Release(number_, client.endpoint(), 1);
  EXPECT_EQ(LoopOf(client), 0u);
  clients().Release(number_, client.endpoint(), 0);
  EXPECT_EQ(LoopOf(client), 1u);
}

// A device with one queue gives everything to one core.
TEST_P(ClientSteeringTest, WhoHasMoreThanItsShareTakesNoNewOnes) {
  clients().SetProcessor(0, processors_[0]);
  MoveTo(0);
  const auto client = [&](uint16_t port) {
    return Endpoint{*IpAddress::Parse(GetParam()), port};
  };
  std::vector<size_t> taken(2, 0);
  for (uint16_t i = 0; i < 1000; ++i) {
    Far stranger(GetParam());
    const auto loop = LoopOf(stranger);
    ASSERT_TRUE(loop.has_value());
    clients().Keep(number_, client(static_cast<uint16_t>(1 + i)),
                   static_cast<uint32_t>(*loop));
    ++taken[*loop];
  }
  EXPECT_GT(taken[0], 500u);
  EXPECT_LT(taken[0], 620u);
  // They go again, and it has room.
  for (uint16_t i = 0; i < 1000; ++i) {
    clients().Release(number_, client(static_cast<uint16_t>(1 + i)), 0);
  }
  Far stranger(GetParam());
  EXPECT_EQ(LoopOf(stranger), 0u);
}

// As it was before anybody steered: the same client, the same loop.
TEST_P(ClientSteeringTest, OnACoreWithoutALoopTheKernelChooses) {
  std::vector<size_t> taken(2, 0);
  for (int i = 0; i < 64; ++i) {
    Far client(GetParam());
    MoveTo(0);
    const auto loop = LoopOf(client);
    ASSERT_TRUE(loop.has_value());
    ++taken[*loop];
    MoveTo(1);
    EXPECT_EQ(LoopOf(client), loop);
  }
  EXPECT_GT(taken[0], 0u);
  EXPECT_GT(taken[1], 0u);
}

// What the relay is given for `frames` and `raw`: no CAP_PERFMON, without which
// the kernel's verifier takes less.
TEST_P(ClientSteeringTest, ThreeCapabilitiesAreEnough) {
  __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct all[2] = {};
  ASSERT_EQ(syscall(SYS_capget, &head, all), 0);
  __user_cap_data_struct few[2] = {all[0], all[1]};
  few[0].effective = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;
  few[1].effective = 1u << (CAP_BPF - 32);
  steering_.reset();
  ASSERT_EQ(syscall(SYS_capset, &head, few), 0);
  const auto steering = PortSteering::Create(
      kFirst, kLast, {*IpAddress::Parse(GetParam())}, 2, random_);
  ASSERT_EQ(syscall(SYS_capset, &head, all), 0);
  EXPECT_TRUE(steering.ok()) << steering.status();
}

INSTANTIATE_TEST_SUITE_P(Families, ClientSteeringTest,
                         testing::Values("127.0.0.1", "::1"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.index == 0 ? "V4" : "V6");
                         });

}  // namespace
}  // namespace sallyport::media_relay
