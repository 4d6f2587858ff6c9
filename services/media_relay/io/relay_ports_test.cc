// What every way of serving relay ports has to do, over real sockets.

#include "services/media_relay/io/relay_ports.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/system_random.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/per_port_sockets.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports_rig.h"
#include "services/media_relay/io/steered_ports.h"

namespace sallyport::media_relay {
namespace {

class RelayPortsTest : public RelayPortsRig {};

TEST_P(RelayPortsTest, DatagramsArriveAtThePortTheyWereSentTo) {
  Far far(ip_);
  const Endpoint a = OpenOne(kA);
  const Endpoint b = OpenOne(kB);
  ASSERT_NE(a.port, b.port);
  ASSERT_TRUE(far.Send("to a", a).ok());
  ASSERT_TRUE(far.Send("to b", b).ok());
  Turn(2);
  ASSERT_EQ(arrived_.size(), 2u);
  std::sort(arrived_.begin(), arrived_.end(),
            [](const Arrived& x, const Arrived& y) { return x.id < y.id; });
  EXPECT_EQ(arrived_[0].id, kA);
  EXPECT_EQ(arrived_[0].bytes, "to a");
  EXPECT_EQ(arrived_[0].from, far.endpoint());
  EXPECT_EQ(arrived_[1].id, kB);
  EXPECT_EQ(arrived_[1].bytes, "to b");
}

TEST_P(RelayPortsTest, DatagramsLeaveFromTheirPort) {
  Far far(ip_);
  const Endpoint a = OpenOne(kA);
  const Endpoint b = OpenOne(kB);
  for (const size_t size : {1u, 172u, 1200u, 1452u}) {
    for (const auto& [id, local] : {std::pair{kA, a}, std::pair{kB, b}}) {
      const std::string bytes(size, static_cast<char>('0' + size % 10));
      Send(id, far.endpoint(), bytes);
      Endpoint from;
      EXPECT_EQ(far.Receive(&from), bytes);
      EXPECT_EQ(from, local);
    }
  }
  // Much later, when what was known of the path is asked for anew.
  Send(kA, far.endpoint(), "late", kNow + absl::Minutes(5));
  Endpoint from;
  EXPECT_EQ(far.Receive(&from), "late");
  EXPECT_EQ(from, a);
  EXPECT_EQ(ports_->refused(), 0u);
}

TEST_P(RelayPortsTest, DatagramsLongerThanAPacketLeaveTooFromTheirPort) {
  Far far(ip_);
  const Endpoint a = OpenOne(kA);
  const std::string bytes(2000, 'L');
  Send(kA, far.endpoint(), bytes);
  Endpoint from;
  EXPECT_EQ(far.Receive(&from), bytes);
  EXPECT_EQ(from, a);
}

// RFC 8656 section 15: DF is set where the client asked for it.
TEST_P(RelayPortsTest, DontFragmentIsSetOnTheWireWhereItIsAskedFor) {
  if (std::string_view(ip_) != "127.0.0.1") return;  // IPv6 has no such bit
  UniqueFd wire(socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)));
  if (!wire.valid()) GTEST_SKIP() << "not possible here: no packet socket";
  Far far(ip_);
  const Endpoint a = OpenOne(kA);
  // Also the datagram by which the path is confirmed, and those after it.
  const std::vector<bool> wanted = {false, true, true, false, true};
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string bytes = absl::StrCat("unfragmented ", i);
    Send(kA, far.endpoint(), bytes, kNow, wanted[i]);
    Endpoint from;
    ASSERT_EQ(far.Receive(&from), bytes);
    EXPECT_EQ(from, a);
    bool seen = false;
    std::array<char, 65536> packet;
    for (ssize_t size; (size = recv(wire.get(), packet.data(), packet.size(),
                                    MSG_DONTWAIT)) > 0;) {
      const std::string_view head(packet.data(), static_cast<size_t>(size));
      if (head.size() < 28 || head.substr(28) != bytes) continue;
      seen = true;
      EXPECT_EQ((head[6] & 0x40) != 0, wanted[i]) << i;
    }
    EXPECT_TRUE(seen) << i;
  }
  EXPECT_EQ(ports_->refused(), 0u);
}

// AVE-27, AVE-28: no socket listens on it, and nothing answers.
TEST_P(RelayPortsTest, AClosedPortIsClosedAndCanOpenAgain) {
  Far far(ip_);
  const Endpoint a = OpenOne(kA);
  EXPECT_TRUE(PortAnswers(a));
  ports_->Close(kA);
  EXPECT_FALSE(ports_->IsOpen(kA));
  EXPECT_FALSE(PortAnswers(a));
  far.Connect(a);
  ASSERT_TRUE(far.Send("late", a).ok());
  EXPECT_TRUE(far.IsRefused());
  loop_->RunOnce(absl::Milliseconds(50));
  EXPECT_TRUE(arrived_.empty());
  // And nothing leaves for a socket that is gone.
  Send(kA, far.endpoint(), "nothing");
  Endpoint from;
  EXPECT_EQ(far.Receive(&from, 50), "");

  ASSERT_TRUE(ports_->Open(kB, a).ok());
  ASSERT_TRUE(far.Send("again", a).ok());
  Turn(1);
  ASSERT_EQ(arrived_.size(), 1u);
  EXPECT_EQ(arrived_[0].id, kB);
}

// AVE-27.
TEST_P(RelayPortsTest, APortThatWasNeverOpenedIsClosed) {
  const Endpoint a = OpenOne(kA);
  int closed = 0;
  for (uint16_t port = kFirst; port < kFirst + 400; ++port) {
    if (port != a.port && !PortAnswers(Port(port))) ++closed;
  }
  EXPECT_GE(closed, 390);  // others on this host may have some
  loop_->RunOnce(absl::Milliseconds(20));
  EXPECT_TRUE(arrived_.empty());
}

TEST_P(RelayPortsTest, APortOfAnotherProgramStaysItsOwn) {
  std::optional<UdpSocket> other;
  Endpoint taken = Port(kFirst + 5);
  for (; !other.has_value(); ++taken.port) {
    auto udp = UdpSocket::Bind(taken.ToSocketAddress());
    if (udp.ok()) {
      other.emplace(*std::move(udp));
      break;
    }
  }
  EXPECT_EQ(ports_->Open(kA, taken).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(ports_->IsOpen(kA));
  Far far(ip_);
  ASSERT_TRUE(far.Send("x", taken).ok());
  pollfd ready = {other->fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 1000), 1);
}

TEST_P(RelayPortsTest, ListenersServeFromTheirPort) {
  Far far(ip_);
  const auto port = ports_->Listen(1, Port(0));
  ASSERT_TRUE(port.ok()) << port.status();
  ASSERT_TRUE(far.Send("hello", Port(*port)).ok());
  Turn(1);
  ASSERT_EQ(arrived_.size(), 1u);
  EXPECT_EQ(arrived_[0].id, 1u);
  Send(1, far.endpoint(), "answer");
  Endpoint from;
  EXPECT_EQ(far.Receive(&from), "answer");
  EXPECT_EQ(from, Port(*port));
}

TEST_P(RelayPortsTest, AThousandDatagramsAllArrive) {
  Far far(ip_);
  const Endpoint a = OpenOne(kA);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(far.Send(absl::StrCat(round * 50 + i), a).ok());
    }
    Turn(static_cast<size_t>((round + 1) * 50));
  }
  ASSERT_EQ(arrived_.size(), 1000u);
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(arrived_[i].bytes, absl::StrCat(i));
    EXPECT_EQ(arrived_[i].id, kA);
  }
}

// What is too long for the device goes in fragments, or not at all.
class RelayPortsOnDeviceTest : public RelayPortsRig {};

TEST_P(RelayPortsOnDeviceTest, WhatMustNotBeFragmentedAndDoesNotFitIsRefused) {
  const std::unique_ptr<Far> far = MakeFar();
  const Endpoint a = OpenOne(kA);
  const std::string large(1900, 'L');
  Endpoint from;
  for (int i = 0; i < 3; ++i) {
    Send(kA, far->endpoint(), large, kNow, /*dont_fragment=*/false);
    EXPECT_EQ(far->Receive(&from), large);
    EXPECT_EQ(from, a);
    EXPECT_EQ(ports_->refused(), static_cast<uint64_t>(i));
    Send(kA, far->endpoint(), large, kNow, /*dont_fragment=*/true);
    EXPECT_EQ(far->Receive(&from, 50), "");
    EXPECT_EQ(ports_->refused(), static_cast<uint64_t>(i + 1));
    Send(kA, far->endpoint(), "fits", kNow, /*dont_fragment=*/true);
    EXPECT_EQ(far->Receive(&from), "fits");
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RelayPortsOnDeviceTest,
    testing::Combine(testing::Values(Way::kPerPort, Way::kRaw, Way::kXdp,
                                     Way::kAfXdp),
                     testing::Values("10.77.0.1", "fd77::1")),
    WayName);

INSTANTIATE_TEST_SUITE_P(
    All, RelayPortsTest,
    testing::Combine(testing::Values(Way::kPerPort, Way::kRaw, Way::kFrames),
                     testing::Values("127.0.0.1", "::1")),
    WayName);

// What the network does not deliver is told of, with the peer that it was for,
// of the socket that sent it; and sending goes on.
class RelayPortsErrorsTest : public RelayPortsRig {
 protected:
  struct Told {
    SocketId id;
    Endpoint peer;
    IcmpError error;
  };
  void SetUp() override {
    RelayPortsRig::SetUp();
    if (ports_ == nullptr) return;
    ports_->TellPeerErrors(
        [this](SocketId id, const Endpoint& peer, const IcmpError& error) {
          told_.push_back({id, peer, error});
        });
  }
  bool IsV6() const { return Port(0).ip.is_v6(); }
  void TurnUntilTold(size_t count) {
    for (int i = 0; i < 100 && told_.size() < count; ++i) {
      loop_->RunOnce(absl::Milliseconds(20));
    }
  }

  std::vector<Told> told_;
};

TEST_P(RelayPortsErrorsTest, AClosedPortOfThePeer) {
  Endpoint closed = MakeFar()->endpoint();
  const std::unique_ptr<Far> open = MakeFar();
  const Endpoint a = OpenOne(kA);
  OpenOne(kB);
  ports_->WatchErrors(kA);
  ports_->WatchErrors(kB);
  Send(kA, closed, "unheard");
  TurnUntilTold(1);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].id, kA);
  EXPECT_EQ(told_[0].peer, closed);
  EXPECT_EQ(told_[0].error,
            IsV6() ? (IcmpError{1, 4, 0}) : (IcmpError{3, 3, 0}));
  // An error that waits costs no datagram.
  Endpoint from;
  for (int i = 0; i < 20; ++i) {
    Send(kA, closed, "unheard");
    Send(kA, open->endpoint(), "heard");
    EXPECT_EQ(open->Receive(&from), "heard");
    EXPECT_EQ(from, a);
  }
  EXPECT_EQ(ports_->refused(), 0u);
  // Closed, it is nobody's any more.
  Send(kB, closed, "unheard");
  ports_->Close(kB);
  loop_->RunOnce(absl::Milliseconds(50));
  for (const Told& told : told_) EXPECT_EQ(told.id, kA);
}

INSTANTIATE_TEST_SUITE_P(
    All, RelayPortsErrorsTest,
    testing::Combine(testing::Values(Way::kPerPort, Way::kRaw, Way::kFrames),
                     testing::Values("127.0.0.1", "::1", "10.77.0.1",
                                     "fd77::1")),
    [](const auto& info) {
      const bool device = std::get<1>(info.param)[0] != '1' ||
                          std::string_view(std::get<1>(info.param))[1] == '0';
      const bool loopback = std::string_view(std::get<1>(info.param)) == "::1";
      return absl::StrCat(WayName(info), device && !loopback ? "Veth" : "");
    });

// The rings take what is UDP; what the network says of it is heard as ever.
INSTANTIATE_TEST_SUITE_P(Rings, RelayPortsErrorsTest,
                         testing::Combine(testing::Values(Way::kAfXdp),
                                          testing::Values("10.77.0.1",
                                                          "fd77::1")),
                         WayName);

// A router that cannot pass on what must not be fragmented says how much it
// could (RFC 1191, RFC 4443 section 3.2).
class RelayPortsPathTest : public RelayPortsErrorsTest {};

TEST_P(RelayPortsPathTest, TheMtuOfANarrowPathIsTold) {
  ASSERT_TRUE(veth_->Narrow(1300).ok());
  const Endpoint beyond = {*IpAddress::Parse(IsV6() ? "fd78::9" : "10.78.0.9"),
                           4000};
  OpenOne(kA);
  ports_->WatchErrors(kA);
  Send(kA, beyond, std::string(1400, 'L'), kNow, /*dont_fragment=*/true);
  TurnUntilTold(1);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].id, kA);
  EXPECT_EQ(told_[0].peer, beyond);
  EXPECT_EQ(told_[0].error,
            IsV6() ? (IcmpError{2, 0, 1300}) : (IcmpError{3, 4, 1300}));
  EXPECT_EQ(ports_->refused(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    All, RelayPortsPathTest,
    testing::Combine(testing::Values(Way::kPerPort, Way::kRaw, Way::kXdp,
                                     Way::kAfXdp),
                     testing::Values("10.77.0.1", "fd77::1")),
    WayName);

// One relay steers the ports of an address; a second one on this host is told
// so, and does not believe a port that it can bind.
TEST(PortSteeringTest, ASecondRelayIsToldAndKeepsOff) {
  const IpAddress address = *IpAddress::Parse("127.0.0.53");
  SystemRandom random;
  auto first = PortSteering::Create(kFirst, kLast, {address}, 1, random);
  if (!first.ok()) {
    GTEST_SKIP() << "not possible here: " << first.status();
  }
  EXPECT_EQ(
      PortSteering::Create(kFirst, kLast, {address}, 1, random).status().code(),
      absl::StatusCode::kAlreadyExists);
  auto loop = EventLoop::Create().value();
  SteeredPorts::Options options;
  options.addresses = {address};
  auto ports =
      SteeredPorts::Create(options, *loop, **first, [](int, SocketId) {});
  if (!ports.ok()) {
    GTEST_SKIP() << "not possible here: " << ports.status();
  }
  const Endpoint port = {address, kFirst + 7};
  ASSERT_TRUE((*ports)->Open(kA, port).ok());
  PerPortSockets other(
      *loop, [](int, SocketId) {}, /*contested=*/true);
  EXPECT_EQ(other.Open(kB, port).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(other.IsOpen(kB));
  EXPECT_TRUE(other.Open(kB, {address, kFirst + 8}).ok());
  // Somebody else's socket on a port of the range hears nothing of it.
  Far third("127.0.0.53");
  EXPECT_EQ(other.Open(kB + 1, third.endpoint()).code(),
            absl::StatusCode::kAlreadyExists);
  Endpoint from;
  EXPECT_EQ(third.Receive(&from, 50), "");
}

}  // namespace
}  // namespace sallyport::media_relay
