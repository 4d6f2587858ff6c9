#include "services/media_relay/io/udp_batch.h"

#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

UdpSocket Loopback() {
  return UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value();
}

Endpoint AddressOf(const UdpSocket& socket) {
  return {IpAddress::V4({127, 0, 0, 1}), socket.local_address().port()};
}

TEST(UdpBatchTest, SockaddrRoundTrip) {
  for (const char* ip : {"192.0.2.1", "2001:db8::1"}) {
    const Endpoint endpoint{*IpAddress::Parse(ip), 4711};
    sockaddr_storage storage = {};
    EXPECT_GT(ToSockaddr(endpoint, storage), 0u);
    EXPECT_EQ(FromSockaddr(storage), endpoint);
  }
}

TEST(UdpBatchTest, ManyDatagramsBothWaysWithRoomAroundThem) {
  const UdpSocket from = Loopback();
  const UdpSocket to = Loopback();
  UdpSendBatch send;
  std::vector<std::string> payloads;
  for (int i = 0; i < 150; ++i)
    payloads.push_back("packet " + std::to_string(i));
  for (const std::string& payload : payloads) {
    send.Add(from.fd(), AddressOf(to), AsBytes(payload), nullptr,
             absl::InfinitePast());
  }
  send.Flush();
  EXPECT_EQ(send.refused(), 0u);

  UdpReceiveBatch receive;
  size_t seen = 0;
  while (const size_t count = receive.Receive(to.fd())) {
    EXPECT_LE(count, kBatchSize);
    for (size_t i = 0; i < count; ++i, ++seen) {
      Packet& packet = receive.packet(i);
      EXPECT_EQ(ToString(packet.bytes()), payloads[seen]);
      EXPECT_EQ(receive.from(i), AddressOf(from));
      EXPECT_EQ(packet.headroom, kPacketHeadroom);
      EXPECT_GE(packet.tailroom, kPacketTailroom);
      EXPECT_TRUE(packet.Prepend(kPacketHeadroom));
      EXPECT_EQ(receive.reply(i).size(), kReplySize);
    }
  }
  EXPECT_EQ(seen, 150u);
}

// An answer to nobody in particular must not look like forwarded media, which
// is worth a route of its own.
TEST(UdpBatchTest, RoomIsBeforeWhatLiesInTheBufferAlone) {
  const UdpSocket from = Loopback();
  const UdpSocket to = Loopback();
  UdpSendBatch send;
  send.Add(from.fd(), AddressOf(to), AsBytes("one"), nullptr,
           absl::InfinitePast());
  send.Flush();
  UdpReceiveBatch receive;
  ASSERT_EQ(receive.Receive(to.fd()), 1u);
  const absl::Span<const uint8_t> bytes = receive.packet(0).bytes();
  EXPECT_EQ(receive.RoomBefore(0, bytes), kPacketHeadroom);
  EXPECT_EQ(receive.RoomBefore(0, bytes.subspan(2)), kPacketHeadroom + 2);
  EXPECT_EQ(receive.RoomBefore(0, receive.reply(0)), 0u);
  EXPECT_EQ(receive.RoomBefore(1, bytes), 0u);
}

TEST(UdpBatchTest, LongestDatagramFitsLongerIsHandedOnEmpty) {
  const UdpSocket from = Loopback();
  const UdpSocket to = Loopback();
  UdpSendBatch send;
  const std::string longest(kMaxPacketSize, 'x');
  const std::string longer(kMaxPacketSize + 1, 'x');
  send.Add(from.fd(), AddressOf(to), AsBytes(longest), nullptr, {});
  send.Add(from.fd(), AddressOf(to), AsBytes(longer), nullptr, {});
  send.Flush();
  UdpReceiveBatch receive;
  ASSERT_EQ(receive.Receive(to.fd()), 2u);
  EXPECT_EQ(receive.packet(0).size, kMaxPacketSize);
  EXPECT_EQ(receive.packet(1).size, 0u);
  EXPECT_EQ(receive.oversized(), 1u);
}

TEST(UdpBatchTest, DelayIsMeasuredFromTheKernelsTimestamp) {
  const UdpSocket from = Loopback();
  const UdpSocket to = Loopback();
  const int on = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  ASSERT_EQ(setsockopt(to.fd(), SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof(on)),
            0);
  const std::string payload = "x";
  // The kernel begins to stamp a moment after the first socket of the machine
  // has asked for it; until then a datagram bears the time it was read, or
  // none.
  absl::Duration measured;
  for (int i = 0; i < 100 && measured < absl::Milliseconds(20); ++i) {
    UdpSendBatch send;
    send.Add(from.fd(), AddressOf(to), AsBytes(payload), nullptr, {});
    send.Flush();
    absl::SleepFor(absl::Milliseconds(20));
    UdpReceiveBatch receive;
    ASSERT_EQ(receive.Receive(to.fd()), 1u);
    if (receive.arrival(0) == absl::InfinitePast()) continue;
    EXPECT_GT(receive.arrival(0), absl::Now() - absl::Seconds(60));
    DelayHistogram delay;
    send.Add(to.fd(), AddressOf(from), receive.packet(0).bytes(), &delay,
             receive.arrival(0));
    EXPECT_EQ(delay.count(), 0u);
    send.Flush();
    EXPECT_EQ(delay.count(), 1u);
    measured = delay.Quantile(1);
  }
  EXPECT_GE(measured, absl::Milliseconds(20));
}

TEST(UdpBatchTest, RefusedDatagramsDoNotStopTheOthers) {
  const UdpSocket from = Loopback();
  const UdpSocket to = Loopback();
  UdpSendBatch send;
  DelayHistogram delay;
  const std::string payload = "x";
  // No route from loopback to there, and port 0 is nobody's.
  send.Add(from.fd(), {IpAddress::V4({127, 0, 0, 1}), 0}, AsBytes(payload),
           &delay, absl::Now());
  send.Add(from.fd(), AddressOf(to), AsBytes(payload), &delay, absl::Now());
  send.Flush();
  EXPECT_EQ(send.refused(), 1u);
  EXPECT_EQ(delay.count(), 1u);
  UdpReceiveBatch receive;
  EXPECT_EQ(receive.Receive(to.fd()), 1u);
}

}  // namespace
}  // namespace sallyport::media_relay
