#include "services/common/net/udp_socket.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class UdpSocketTest : public testing::Test {
 protected:
  static UdpSocket Bound(const UdpSocket::Options& options = {}) {
    return *UdpSocket::Bind(SocketAddress::LoopbackV4(0), options);
  }

  // Waits for at least `count` datagrams, at most five seconds.
  std::vector<std::string> ReceiveAll(UdpSocket& socket, size_t count) {
    std::vector<std::string> out;
    auto loop = *EventLoop::Create();
    EXPECT_THAT(loop->Add(socket.fd(), kReadable,
                          [&](IoEvents) {
                            const auto batch = socket.Receive(buffer_);
                            ASSERT_THAT(batch, IsOk());
                            for (const auto& d : *batch) {
                              out.push_back(ToString(d.payload));
                              last_ = d;
                            }
                          }),
                IsOk());
    const auto start = loop->RefreshNow();
    while (out.size() < count && loop->now() - start < absl::Seconds(5)) {
      loop->RunOnce(absl::Milliseconds(100));
    }
    loop->Remove(socket.fd());
    return out;
  }

  UdpReceiveBuffer buffer_{8, 64};
  ReceivedDatagram last_;
};

TEST_F(UdpSocketTest, SendsAndReceivesABatch) {
  UdpSocket a = Bound(), b = Bound();
  const std::vector<OutgoingDatagram> out = {
      {.payload = AsBytes("one"), .peer = b.local_address()},
      {.payload = AsBytes(""), .peer = b.local_address()},
      {.payload = AsBytes("three"), .peer = b.local_address()}};
  EXPECT_EQ(a.Send(out), 3u);
  EXPECT_THAT(ReceiveAll(b, 3), ElementsAre("one", "", "three"));
  EXPECT_EQ(last_.peer, a.local_address());
  EXPECT_EQ(last_.local, std::nullopt);
  EXPECT_EQ(a.refused(), 0u);
}

TEST_F(UdpSocketTest, MoreThanOneBatchEachWay) {
  UdpSocket a = Bound(), b = Bound();
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i)
    texts.push_back("datagram " + std::to_string(i));
  std::vector<OutgoingDatagram> out;
  for (const auto& t : texts) {
    out.push_back({.payload = AsBytes(t), .peer = b.local_address()});
  }
  EXPECT_EQ(a.Send(out), 100u);
  EXPECT_EQ(ReceiveAll(b, 100), texts);
}

// What goes through the kernel as one arrives as what it is.
TEST_F(UdpSocketTest, SegmentsArriveAsDatagramsInOrder) {
  for (const bool packet_info : {false, true}) {
    UdpSocket a = Bound({.packet_info = packet_info, .segment = true});
    UdpSocket b = Bound(), c = Bound();
    std::vector<std::string> texts;
    std::vector<std::string> to_b;
    std::vector<std::string> to_c;
    for (int i = 0; i < 200; ++i) {
      // Runs of one size, a shorter one in their midst, an empty one, and
      // another peer in between.
      std::string text = std::to_string(1000 + i);
      if (i % 7 == 3) text.pop_back();
      if (i % 11 == 5) text += "longer";
      if (i == 100) text.clear();
      texts.push_back(text);
    }
    std::vector<OutgoingDatagram> out;
    for (int i = 0; i < 200; ++i) {
      const bool is_c = i % 40 == 39;
      (is_c ? to_c : to_b).push_back(texts[i]);
      out.push_back({.payload = AsBytes(texts[i]),
                     .peer = (is_c ? c : b).local_address(),
                     .local = std::nullopt});
      if (packet_info) out.back().local = a.local_address();
    }
    EXPECT_EQ(a.Send(out), 200u);
    EXPECT_EQ(a.refused(), 0u);
    EXPECT_EQ(ReceiveAll(b, to_b.size()), to_b);
    EXPECT_EQ(ReceiveAll(c, to_c.size()), to_c);
  }
}

TEST_F(UdpSocketTest, SegmentsThatAreRefusedAreCountedAndTheRestGoes) {
  UdpSocket a = Bound({.segment = true});
  UdpSocket b = Bound();
  const SocketAddress nowhere = *SocketAddress::Parse("255.255.255.255:9");
  std::vector<OutgoingDatagram> out;
  for (int i = 0; i < 6; ++i) {
    out.push_back({.payload = AsBytes("same"),
                   .peer = i < 3 ? nowhere : b.local_address(),
                   .local = std::nullopt});
  }
  EXPECT_EQ(a.Send(out), 6u);
  EXPECT_EQ(a.refused(), 3u);
  EXPECT_THAT(ReceiveAll(b, 3), ElementsAre("same", "same", "same"));
}

TEST_F(UdpSocketTest, NothingThereIsEmptyNotAnError) {
  UdpSocket a = Bound();
  SP_ASSERT_OK_AND_ASSIGN(auto got, a.Receive(buffer_));
  EXPECT_THAT(got, IsEmpty());
}

TEST_F(UdpSocketTest, MarksTruncation) {
  UdpSocket a = Bound(), b = Bound();
  const std::string longer(65, 'x');
  ASSERT_THAT(
      a.SendOne({.payload = AsBytes(longer), .peer = b.local_address()}),
      IsOk());
  ReceiveAll(b, 1);
  EXPECT_TRUE(last_.truncated);
  EXPECT_EQ(last_.payload.size(), 64u);
}

TEST_F(UdpSocketTest, ReportsAndSetsTheLocalAddress) {
  UdpSocket all =
      *UdpSocket::Bind(SocketAddress::AnyV4(0), {.packet_info = true});
  UdpSocket peer = Bound();
  const uint16_t port = all.local_address().port();
  const SocketAddress second = SocketAddress::V4({127, 0, 0, 2}, port);
  ASSERT_THAT(peer.SendOne({.payload = AsBytes("hi"), .peer = second}), IsOk());
  ReceiveAll(all, 1);
  EXPECT_EQ(last_.local, second);
  // The answer comes from where the question went.
  ASSERT_THAT(all.SendOne({.payload = AsBytes("yo"),
                           .peer = peer.local_address(),
                           .local = second}),
              IsOk());
  ReceiveAll(peer, 1);
  EXPECT_EQ(last_.peer, second);
}

TEST_F(UdpSocketTest, Ipv6WithPacketInfo) {
  auto a =
      UdpSocket::Bind(*SocketAddress::Parse("[::1]:0"), {.packet_info = true});
  if (!a.ok()) GTEST_SKIP() << "this machine has no IPv6: " << a.status();
  UdpSocket b = *UdpSocket::Bind(*SocketAddress::Parse("[::1]:0"));
  ASSERT_THAT(
      b.SendOne({.payload = AsBytes("six"), .peer = a->local_address()}),
      IsOk());
  EXPECT_THAT(ReceiveAll(*a, 1), ElementsAre("six"));
  EXPECT_EQ(last_.peer, b.local_address());
  EXPECT_EQ(last_.local, a->local_address());
}

TEST_F(UdpSocketTest, TwoLoopsShareAPortOnlyWhenAsked) {
  UdpSocket a = Bound({.reuse_port = true});
  EXPECT_THAT(UdpSocket::Bind(a.local_address(), {.reuse_port = true}), IsOk());
  EXPECT_THAT(UdpSocket::Bind(a.local_address()),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(UdpSocketTest, ARefusedDatagramDoesNotStopTheRest) {
  UdpSocket a = Bound(), b = Bound();
  const std::string huge(70'000, 'x');  // no UDP datagram is that long
  const std::vector<OutgoingDatagram> out = {
      {.payload = AsBytes("one"), .peer = b.local_address()},
      {.payload = AsBytes(huge), .peer = b.local_address()},
      {.payload = AsBytes("three"), .peer = b.local_address()}};
  EXPECT_EQ(a.Send(out), 3u);
  EXPECT_EQ(a.refused(), 1u);
  EXPECT_THAT(ReceiveAll(b, 2), ElementsAre("one", "three"));
  EXPECT_FALSE(
      a.SendOne({.payload = AsBytes(huge), .peer = b.local_address()}).ok());
}

TEST_F(UdpSocketTest, BindSaysWhyNot) {
  // TEST-NET-1 (RFC 5737) is nobody's address.
  EXPECT_THAT(UdpSocket::Bind(*SocketAddress::Parse("192.0.2.1:0")),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace sallyport
