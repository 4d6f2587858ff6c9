// What every tier of the fast path has to do, over real sockets: forward what
// belongs to a flow as the core would, and leave all else to the core.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/flow_table.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/relay_ports_rig.h"

namespace sallyport::media_relay {
namespace {

constexpr SocketId kListener = 1;
constexpr FlowId kToPeer = 1;
constexpr FlowId kToClient = 2;
constexpr uint16_t kChannel = 0x4001;

std::string Framed(uint16_t channel, const std::string& payload,
                   const std::string& padding = "") {
  std::string frame;
  frame.push_back(static_cast<char>(channel >> 8));
  frame.push_back(static_cast<char>(channel));
  frame.push_back(static_cast<char>(payload.size() >> 8));
  frame.push_back(static_cast<char>(payload.size()));
  return frame + payload + padding;
}

class FastPathTest : public RelayPortsRig {
 protected:
  void SetUp() override {
    RelayPortsRig::SetUp();
    if (ports_ == nullptr) return;
    if (IsInKernel()) {
      // Its clock is the system's.
      start_ = Clock::Real().MonoNow();
      KernelFlows::Options options;
      options.addresses = {*IpAddress::Parse(ip_)};
      options.max_flows = 4000;
      options.any_device = way() == Way::kXdp;
      options.tc = way() == Way::kTc;
      auto kernel = KernelFlows::Create(options);
      if (!kernel.ok())
        GTEST_SKIP() << "not possible here: " << kernel.status();
      kernel_ = *std::move(kernel);
      kernel_->SetGeneration(0, generation_);
    }
    tier_ = std::make_unique<FlowTable>(*ports_, 42, kernel_.get());
    fast_path_ = tier_.get();
    client_ = MakeFar();
    peer_ = MakeFar();
    listener_ = Port(ports_->Listen(kListener, Port(0)).value());
    relayed_ = OpenOne(kA);
  }
  void TearDown() override {
    tier_.reset();
    kernel_.reset();
    RelayPortsRig::TearDown();
  }

  void OnReady(int fd, SocketId id) override {
    const auto [batch, count] = ports_->Receive(fd);
    const uint64_t done =
        tier_->Forward(batch, count, fd, id, now(), forwarded_);
    for (size_t i = 0; i < count; ++i) {
      if ((done >> i & 1) != 0) continue;
      arrived_.push_back(
          {id != kNoSocket ? id : ports_->IdOf(fd, batch.local_port(i)),
           batch.from(i), ToString(batch.packet(i).bytes())});
    }
    ports_->Flush();
  }
  void OnRoutesChanged(uint32_t generation) override {
    generation_ = generation;
    if (kernel_ != nullptr) kernel_->SetGeneration(0, generation);
  }

  bool IsInKernel() const { return way() == Way::kXdp || way() == Way::kTc; }
  MonoTime now() const {
    return IsInKernel() ? Clock::Real().MonoNow() : start_ + passed_;
  }
  // Until `time` after the start.
  void PassTo(absl::Duration time) {
    passed_ = time;
    if (IsInKernel()) absl::SleepFor(start_ + time - now());
  }

  Flow ToPeer() {
    return {{kListener, client_->endpoint(), kChannel},
            {kA, peer_->endpoint(), 0},
            start_ + lifetime_};
  }
  Flow ToClient() {
    return {{kA, peer_->endpoint(), 0},
            {kListener, client_->endpoint(), kChannel},
            start_ + lifetime_};
  }
  void PutBoth() {
    fast_path_->Put(kToPeer, ToPeer());
    fast_path_->Put(kToClient, ToClient());
    if (!IsInKernel()) return;
    // What a tier needs to get going: the neighbour, and a first datagram.
    for (int i = 0; i < 100 && tier_->in_kernel() < 2; ++i) {
      ASSERT_TRUE(client_->Send(Framed(kChannel, "settle"), listener_).ok());
      EXPECT_EQ(Received(*peer_, relayed_), "settle");
      ASSERT_TRUE(peer_->Send("settle", relayed_).ok());
      EXPECT_EQ(Received(*client_, listener_), Framed(kChannel, "settle"));
    }
    EXPECT_EQ(tier_->in_kernel(), 2u);
    (void)fast_path_->Take(kToPeer);
    (void)fast_path_->Take(kToClient);
    (void)tier_->CollectKernel();
    forwarded_ = FlowCounters();
  }
  // What the core gets next.
  std::string ToCore() {
    const size_t before = arrived_.size();
    Turn(before + 1);
    return arrived_.size() > before ? arrived_.back().bytes : "";
  }
  std::string Received(Far& far, const Endpoint& from) {
    for (int i = 0; i < 100; ++i) {
      loop_->RunOnce(absl::Milliseconds(5));
      Endpoint source;
      const std::string bytes = far.Receive(&source, 5);
      if (bytes.empty()) continue;
      EXPECT_EQ(source, from);
      return bytes;
    }
    return "";
  }

  std::unique_ptr<KernelFlows> kernel_;
  std::unique_ptr<FlowTable> tier_;
  FastPath* fast_path_ = nullptr;
  MonoTime start_ = kNow;
  absl::Duration passed_;
  absl::Duration lifetime_ = absl::Minutes(5);
  uint32_t generation_ = 0;
  FlowCounters forwarded_;
  std::unique_ptr<Far> client_;
  std::unique_ptr<Far> peer_;
  Endpoint listener_;
  Endpoint relayed_;
};

// RFC 8656 section 12.5: only the application data, from the relayed address.
TEST_P(FastPathTest, ForwardsChannelDataToThePeer) {
  PutBoth();
  for (const size_t size : {0u, 1u, 3u, 172u, 1400u}) {
    const std::string payload(size, 'p');
    if (size == 0) continue;  // an empty datagram cannot be told from none here
    ASSERT_TRUE(client_->Send(Framed(kChannel, payload), listener_).ok());
    EXPECT_EQ(Received(*peer_, relayed_), payload);
  }
  EXPECT_TRUE(arrived_.empty());
}

// Section 12.5: padding is not data.
TEST_P(FastPathTest, PaddingIsNotForwarded) {
  PutBoth();
  ASSERT_TRUE(
      client_->Send(Framed(kChannel, "abc", std::string(5, 'x')), listener_)
          .ok());
  EXPECT_EQ(Received(*peer_, relayed_), "abc");
}

// Section 12.6.
TEST_P(FastPathTest, FramesWhatThePeerSends) {
  PutBoth();
  for (const size_t size : {1u, 172u, 1400u}) {
    const std::string payload(size, 'q');
    ASSERT_TRUE(peer_->Send(payload, relayed_).ok());
    EXPECT_EQ(Received(*client_, listener_), Framed(kChannel, payload));
  }
  // Also what looks like ChannelData itself.
  const std::string nested = Framed(kChannel, "inner");
  ASSERT_TRUE(peer_->Send(nested, relayed_).ok());
  EXPECT_EQ(Received(*client_, listener_), Framed(kChannel, nested));
  EXPECT_TRUE(arrived_.empty());
}

TEST_P(FastPathTest, LeavesAllElseToTheCore) {
  PutBoth();
  const auto made = MakeFar();
  Far& stranger = *made;
  ASSERT_TRUE(client_->Send(Framed(0x4002, "x"), listener_).ok());
  EXPECT_EQ(ToCore(), Framed(0x4002, "x"));
  ASSERT_TRUE(stranger.Send(Framed(kChannel, "x"), listener_).ok());
  EXPECT_EQ(ToCore(), Framed(kChannel, "x"));
  const std::string stun("\0\1\0\0stun", 8);
  ASSERT_TRUE(client_->Send(stun, listener_).ok());
  EXPECT_EQ(ToCore(), stun);
  // A length beyond the datagram, and less than a head.
  const std::string cut = Framed(kChannel, "whole").substr(0, 8);
  ASSERT_TRUE(client_->Send(cut, listener_).ok());
  EXPECT_EQ(ToCore(), cut);
  ASSERT_TRUE(client_->Send("@", listener_).ok());
  EXPECT_EQ(ToCore(), "@");
  ASSERT_TRUE(stranger.Send("not permitted", relayed_).ok());
  EXPECT_EQ(ToCore(), "not permitted");
  // A relayed address takes no ChannelData, whoever sends it.
  ASSERT_TRUE(client_->Send(Framed(kChannel, "x"), relayed_).ok());
  EXPECT_EQ(ToCore(), Framed(kChannel, "x"));
  Endpoint from;
  EXPECT_EQ(peer_->Receive(&from, 20), "");
  EXPECT_EQ(forwarded_.packets, 0u);
}

TEST_P(FastPathTest, EndsWhenItExpires) {
  lifetime_ = absl::Seconds(1);
  PutBoth();
  if (!IsInKernel()) PassTo(lifetime_ - absl::Milliseconds(1));
  ASSERT_TRUE(client_->Send(Framed(kChannel, "in time"), listener_).ok());
  EXPECT_EQ(Received(*peer_, relayed_), "in time");
  PassTo(lifetime_);
  ASSERT_TRUE(client_->Send(Framed(kChannel, "late"), listener_).ok());
  EXPECT_EQ(ToCore(), Framed(kChannel, "late"));
  ASSERT_TRUE(peer_->Send("late", relayed_).ok());
  EXPECT_EQ(ToCore(), "late");
  // Put again, it lasts longer.
  Flow longer = ToPeer();
  longer.expiry = now() + absl::Minutes(5);
  fast_path_->Put(kToPeer, longer);
  ASSERT_TRUE(client_->Send(Framed(kChannel, "again"), listener_).ok());
  EXPECT_EQ(Received(*peer_, relayed_), "again");
}

TEST_P(FastPathTest, EndsWhenItIsRemoved) {
  PutBoth();
  fast_path_->Remove(kToClient);
  ASSERT_TRUE(peer_->Send("x", relayed_).ok());
  EXPECT_EQ(ToCore(), "x");
  ASSERT_TRUE(client_->Send(Framed(kChannel, "y"), listener_).ok());
  EXPECT_EQ(Received(*peer_, relayed_), "y");
  fast_path_->Remove(kToPeer);
  fast_path_->Remove(kToPeer);
  fast_path_->Remove(777);
  ASSERT_TRUE(client_->Send(Framed(kChannel, "z"), listener_).ok());
  EXPECT_EQ(ToCore(), Framed(kChannel, "z"));
}

TEST_P(FastPathTest, AnIdAgainReplaces) {
  PutBoth();
  const auto made = MakeFar();
  Far& other = *made;
  Flow moved = ToPeer();
  moved.rewrite.to = other.endpoint();
  fast_path_->Put(kToPeer, moved);
  ASSERT_TRUE(client_->Send(Framed(kChannel, "x"), listener_).ok());
  EXPECT_EQ(Received(other, relayed_), "x");
  moved.match.channel = 0x4003;
  fast_path_->Put(kToPeer, moved);
  ASSERT_TRUE(client_->Send(Framed(kChannel, "old"), listener_).ok());
  EXPECT_EQ(ToCore(), Framed(kChannel, "old"));
  ASSERT_TRUE(client_->Send(Framed(0x4003, "new"), listener_).ok());
  EXPECT_EQ(Received(other, relayed_), "new");
}

TEST_P(FastPathTest, CountsWhatItForwards) {
  PutBoth();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client_->Send(Framed(kChannel, "12345"), listener_).ok());
    EXPECT_EQ(Received(*peer_, relayed_), "12345");
  }
  const FlowCounters counted = fast_path_->Take(kToPeer);
  EXPECT_EQ(counted.packets, 3u);
  EXPECT_EQ(counted.bytes, 15u);
  EXPECT_EQ(fast_path_->Take(kToPeer).packets, 0u);
  EXPECT_EQ(fast_path_->Take(kToClient).packets, 0u);
  EXPECT_EQ(fast_path_->Take(777).packets, 0u);
  const FlowCounters kernel = tier_->CollectKernel();
  EXPECT_EQ(forwarded_.packets + kernel.packets, 3u);
}

// Once in two seconds the long way is taken, so that routes stay true.
TEST_P(FastPathTest, TheKernelForwardsMostOfIt) {
  if (!IsInKernel()) return;
  PutBoth();
  const absl::Time end = absl::Now() + absl::Milliseconds(2500);
  uint64_t sent = 0;
  while (absl::Now() < end) {
    const std::string payload = absl::StrCat("packet ", ++sent);
    ASSERT_TRUE(client_->Send(Framed(kChannel, payload), listener_).ok());
    ASSERT_EQ(Received(*peer_, relayed_), payload);
    ASSERT_TRUE(peer_->Send(payload, relayed_).ok());
    ASSERT_EQ(Received(*client_, listener_), Framed(kChannel, payload));
  }
  const FlowCounters kernel = tier_->CollectKernel();
  EXPECT_GE(forwarded_.packets, 2u);
  EXPECT_LE(forwarded_.packets, 6u);
  EXPECT_EQ(kernel.packets + forwarded_.packets, 2 * sent);
}

// Nothing leaves by a route that may be wrong by now.
TEST_P(FastPathTest, AChangedRouteIsLookedUpAnew) {
  if (!IsInKernel()) return;
  PutBoth();
  ASSERT_EQ(std::system("ip link set near0 mtu 1400"), 0);
  for (int i = 0; i < 50 && forwarded_.packets == 0; ++i) {
    ASSERT_TRUE(client_->Send(Framed(kChannel, "x"), listener_).ok());
    ASSERT_EQ(Received(*peer_, relayed_), "x");
  }
  EXPECT_GE(forwarded_.packets, 1u);
  const uint64_t before = forwarded_.packets;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client_->Send(Framed(kChannel, "y"), listener_).ok());
    ASSERT_EQ(Received(*peer_, relayed_), "y");
  }
  EXPECT_EQ(forwarded_.packets, before);
}

// Where checksums are left to devices that there are not, as between network
// namespaces, tc sees them unfinished: forwarded as they are they would be
// wrong, so the loops do it.
TEST_P(FastPathTest, UnfinishedChecksumsAreTheSocketsMatter) {
  if (way() != Way::kTc) return;
  PutBoth();
  veth_->InFar([] { ASSERT_EQ(std::system("ethtool -K far0 tx on >&2"), 0); });
  for (int i = 0; i < 10; ++i) {
    const std::string payload = absl::StrCat("unfinished ", i);
    ASSERT_TRUE(client_->Send(Framed(kChannel, payload), listener_).ok());
    ASSERT_EQ(Received(*peer_, relayed_), payload);
    ASSERT_TRUE(peer_->Send(payload, relayed_).ok());
    ASSERT_EQ(Received(*client_, listener_), Framed(kChannel, payload));
  }
  const FlowCounters kernel = tier_->CollectKernel();
  EXPECT_EQ(kernel.packets + forwarded_.packets, 20u);
  EXPECT_LE(kernel.packets, 1u);
}

// A program of tc stays on the device when its process dies.
TEST_P(FastPathTest, AProgramWithoutItsProcessForwardsNothing) {
  if (way() != Way::kTc) return;
  PutBoth();
  // The loop no longer comes round.
  absl::SleepFor(KernelFlows::kBeat + absl::Milliseconds(1100));
  Endpoint from;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client_->Send(Framed(kChannel, "waits"), listener_).ok());
    EXPECT_EQ(peer_->Receive(&from, 50), "");
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Received(*peer_, relayed_), "waits");
  EXPECT_EQ(forwarded_.packets, 3u);
  // And does again.
  EXPECT_EQ(tier_->CollectKernel().packets, 0u);
  ASSERT_TRUE(client_->Send(Framed(kChannel, "z"), listener_).ok());
  EXPECT_EQ(peer_->Receive(&from), "z");
  // The next relay takes its place, but not while it is there.
  KernelFlows::Options options;
  options.addresses = {*IpAddress::Parse(ip_)};
  options.max_flows = 10;
  options.tc = true;
  EXPECT_FALSE(KernelFlows::Create(options).ok());
  tier_.reset();
  kernel_.reset();
  const auto next = KernelFlows::Create(options);
  EXPECT_TRUE(next.ok()) << next.status();
}

// Flows come and go by the thousand, and each of those left is still found.
TEST_P(FastPathTest, ManyFlowsKeepApart) {
  Flow flow = ToPeer();
  for (uint16_t i = 0; i < 3000; ++i) {
    flow.match.channel = static_cast<uint16_t>(0x4000 + i);
    fast_path_->Put(1000 + i, flow);
  }
  for (uint16_t i = 0; i < 3000; ++i) {
    if (i % 3 != 0) fast_path_->Remove(1000 + i);
  }
  for (uint16_t i = 0; i < 300; ++i) {
    const std::string frame =
        Framed(static_cast<uint16_t>(0x4000 + i), absl::StrCat("flow ", i));
    ASSERT_TRUE(client_->Send(frame, listener_).ok());
    if (i % 3 == 0) {
      ASSERT_EQ(Received(*peer_, relayed_), absl::StrCat("flow ", i));
    } else {
      ASSERT_EQ(ToCore(), frame);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sockets, FastPathTest,
    testing::Combine(testing::Values(Way::kPerPort, Way::kRaw, Way::kFrames),
                     testing::Values("127.0.0.1", "::1")),
    WayName);
INSTANTIATE_TEST_SUITE_P(
    Kernel, FastPathTest,
    testing::Combine(testing::Values(Way::kXdp, Way::kTc, Way::kAfXdp),
                     testing::Values("10.77.0.1", "fd77::1")),
    WayName);

}  // namespace
}  // namespace sallyport::media_relay
