#include "services/media_relay/io/frame_rings.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/relay_ports_rig.h"
#include "services/media_relay/io/veth_rig.h"
#include "services/media_relay/io/wire_header.h"

namespace sallyport::media_relay {
namespace {

class FrameRingsTest : public RelayPortsRig {
 protected:
  void OnReady(int fd, SocketId id) override {
    const auto [batch, count] = ports_->Receive(fd);
    for (size_t i = 0; i < count; ++i) {
      const std::string bytes = ToString(batch.packet(i).bytes());
      (rings_->Has(fd) ? by_ring_ : by_socket_).push_back(bytes);
      arrivals_.push_back(batch.arrival(i));
      const SocketId socket =
          id != kNoSocket ? id : ports_->IdOf(fd, batch.local_port(i));
      if (!echoes_ || socket == kStraySocket) continue;
      const Endpoint from = batch.from(i);
      ports_->Send(PacketAction::Send(socket, from, batch.packet(i).bytes()),
                   {kNow, batch.arrival(i),
                    batch.RoomBefore(i, batch.packet(i).bytes())});
    }
    ports_->Flush();
  }
  void TurnUntil(const std::vector<std::string>& list, size_t count) {
    for (int i = 0; i < 100 && list.size() < count; ++i) {
      loop_->RunOnce(absl::Milliseconds(10));
    }
  }
  // An IPv4 datagram with any checksums from the far side.
  void SendRaw(const Endpoint& from, const Endpoint& to,
               const std::string& payload, bool spoil) {
    std::array<uint8_t, 512> buffer = {};
    uint8_t* const at = buffer.data() + 100;
    std::memcpy(at, payload.data(), payload.size());
    WireHeader header(from, to);
    const auto packet = header.Frame(at, payload.size(), /*with_link=*/false);
    if (spoil) at[0] ^= 1;
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    std::memcpy(&name.sin_addr, to.ip.bytes().data(), 4);
    veth_->InFar([&] {
      const UniqueFd raw(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
      EXPECT_EQ(sendto(raw.get(), packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&name), sizeof(name)),
                static_cast<ssize_t>(packet.size()));
    });
  }

  bool echoes_ = false;
  std::vector<std::string> by_ring_;
  std::vector<std::string> by_socket_;
  std::vector<absl::Time> arrivals_;
};

TEST_P(FrameRingsTest, OpenPortsComeByTheRingWithTheirTime) {
  const Endpoint a = OpenOne(kA);
  const auto far = MakeFar();
  const absl::Time before = absl::Now();
  ASSERT_TRUE(far->Send("one", a).ok());
  ASSERT_TRUE(far->Send(std::string(1472 - 20, 'x'), a).ok());
  TurnUntil(by_ring_, 2);
  ASSERT_EQ(by_ring_.size(), 2u);
  EXPECT_EQ(by_ring_[0], "one");
  EXPECT_EQ(by_ring_[1].size(), 1452u);
  for (const absl::Time arrival : arrivals_) {
    EXPECT_GE(arrival, before - absl::Milliseconds(5));
    EXPECT_LE(arrival, absl::Now() + absl::Milliseconds(5));
  }
  EXPECT_TRUE(by_socket_.empty());
}

// RFC 768: what was damaged on its way is nobody's.
TEST_P(FrameRingsTest, DamagedDatagramsAreDropped) {
  if (std::string_view(ip_) == "fd77::1") return;  // the same code
  const Endpoint a = OpenOne(kA);
  const Endpoint from = {*IpAddress::Parse(far_ip_), 5000};
  SendRaw(from, a, "damaged", /*spoil=*/true);
  SendRaw(from, a, "whole", /*spoil=*/false);
  TurnUntil(by_ring_, 1);
  ASSERT_EQ(by_ring_.size(), 1u);
  EXPECT_EQ(by_ring_[0], "whole");
  EXPECT_EQ(ports_->overrun(), 1u);
}

// A sender on this host leaves the sum to its device, which is a veth: nothing
// was on its way.
TEST_P(FrameRingsTest, UnfinishedChecksumsOfThisHostAreTaken) {
  veth_->InFar([] {
    ASSERT_EQ(std::system("ethtool -K far0 tx on >/dev/null 2>&1"), 0);
  });
  const Endpoint a = OpenOne(kA);
  const auto far = MakeFar();
  ASSERT_TRUE(far->Send("unfinished", a).ok());
  TurnUntil(by_ring_, 1);
  ASSERT_EQ(by_ring_.size(), 1u);
  EXPECT_EQ(by_ring_[0], "unfinished");
}

// Fragments are put together by the kernel.
TEST_P(FrameRingsTest, WhatTheProgramIsNotSureOfComesByTheSocket) {
  const Endpoint a = OpenOne(kA);
  const auto far = MakeFar();
  const std::string large(1900, 'f');
  ASSERT_TRUE(far->Send(large, a).ok());
  TurnUntil(by_socket_, 1);
  ASSERT_EQ(by_socket_.size(), 1u);
  EXPECT_EQ(by_socket_[0], large);
  EXPECT_TRUE(by_ring_.empty());
}

TEST_P(FrameRingsTest, ClosedPortsAreClosed) {
  const Endpoint a = OpenOne(kA);
  const auto far = MakeFar();
  far->Connect(a);
  ports_->Close(kA);
  ASSERT_TRUE(far->Send("late", a).ok());
  for (int i = 0; i < 50 && !far->IsRefused(); ++i) {
    loop_->RunOnce(absl::Milliseconds(5));
  }
  EXPECT_TRUE(by_ring_.empty());
  EXPECT_TRUE(by_socket_.empty());
}

// Many times as many as there are chunks: none is lost on its way round.
TEST_P(FrameRingsTest, ChunksComeBack) {
  const Endpoint a = OpenOne(kA);
  const auto far = MakeFar();
  echoes_ = true;
  size_t answered = 0;
  constexpr size_t kRounds = 1000;
  constexpr size_t kEach = 16;
  for (size_t round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < kEach; ++i) {
      ASSERT_TRUE(far->Send(absl::StrCat("datagram ", round, " ", i), a).ok());
    }
    TurnUntil(by_ring_, kEach);
    ASSERT_EQ(by_ring_.size(), kEach) << round;
    by_ring_.clear();
    Endpoint from;
    for (size_t i = 0; i < kEach; ++i) {
      ASSERT_EQ(far->Receive(&from), absl::StrCat("datagram ", round, " ", i));
      ASSERT_EQ(from, a);
      ++answered;
    }
  }
  EXPECT_EQ(answered, kRounds * kEach);
  EXPECT_EQ(ports_->overrun(), 0u);
  EXPECT_TRUE(by_socket_.empty());
}

INSTANTIATE_TEST_SUITE_P(All, FrameRingsTest,
                         testing::Combine(testing::Values(Way::kAfXdp),
                                          testing::Values("10.77.0.1",
                                                          "fd77::1")),
                         WayName);

}  // namespace
}  // namespace sallyport::media_relay
