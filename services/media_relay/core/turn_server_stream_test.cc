// TURN over connections: RFC 8656 sections 3.1, 7.3 and 12.5.

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

class TurnServerStreamTest : public TurnServerTest {
 protected:
  TurnServerStreamTest() {
    EXPECT_TRUE(
        server_->OnStreamOpened(kStream, At("203.0.113.9", 0).ip, now_));
  }

  std::string Say(const std::string& unit, SocketId stream = kStream) {
    SocketActions sockets;
    broken_ = false;
    action_ = server_->OnStreamUnit(
        {stream, At("203.0.113.9", 5000), ClientTransport::kTcp}, AsBytes(unit),
        absl::MakeSpan(reply_), now_, sockets, broken_);
    Perform(std::move(sockets));
    return action_.sends() ? ToString(action_.bytes) : "";
  }

  int AllocateOver(SocketId stream = kStream) {
    client_->TakeChallenge(
        Say(client_->Bare(StunMethod::kAllocate, Udp), stream));
    return TurnTestClient::CodeOf(
        Say(client_->Signed(StunMethod::kAllocate, Udp), stream));
  }

  static constexpr SocketId kStream = kFirstStreamSocket + 5;
  bool broken_ = false;
};

TEST_F(TurnServerStreamTest, AllocatesAndRelaysBothWays) {
  ASSERT_EQ(AllocateOver(), 0);
  EXPECT_EQ(action_.socket, kStream);
  EXPECT_EQ(TurnTestClient::CodeOf(Say(client_->Signed(
                StunMethod::kChannelBind, Channel(0x4001, kPeer)))),
            0);
  // The padding of a connection's ChannelData does not reach the peer.
  EXPECT_EQ(Say(std::string("\x40\x01\x00\x03"
                            "abc\x55",
                            8)),
            "abc");
  EXPECT_EQ(action_.to, kPeer);
  EXPECT_EQ(action_.socket, relay());
  // Towards the client it is padded, with zeros, and not counted in Length.
  EXPECT_EQ(DeliverFromPeer(relay(), kPeer, "hello"),
            std::string("\x40\x01\x00\x05hello\0\0\0", 12));
  EXPECT_EQ(action_.socket, kStream);
}

TEST_F(TurnServerStreamTest, AlgorithmsAreOfferedToShortRequestsToo) {
  // Nothing is amplified over a connection.
  client_->TakeChallenge(Say(client_->Bare(StunMethod::kRefresh)));
  EXPECT_TRUE(client_->offered);
  client_->use_sha256 = true;
  EXPECT_EQ(
      TurnTestClient::CodeOf(Say(client_->Signed(StunMethod::kAllocate, Udp))),
      0);
}

TEST_F(TurnServerStreamTest, ItsEndEndsTheAllocation) {
  ASSERT_EQ(AllocateOver(), 0);
  const SocketId relayed = relay();
  SocketActions sockets;
  server_->OnStreamClosed(kStream, now_, sockets);
  Perform(std::move(sockets));
  EXPECT_EQ(server_->allocations().size(), 0u);
  EXPECT_EQ(server_->streams(), 0u);
  EXPECT_EQ(closed_, std::vector<SocketId>{relayed});
}

TEST_F(TurnServerStreamTest, WithoutAnAllocationItIsEnded) {
  Advance(kStreamPatience - absl::Seconds(1));
  EXPECT_TRUE(closed_.empty());
  ASSERT_EQ(AllocateOver(), 0);
  Advance(absl::Minutes(5));
  EXPECT_TRUE(closed_.empty());
  // Released, and nothing new comes.
  EXPECT_EQ(TurnTestClient::CodeOf(Say(client_->Signed(
                StunMethod::kRefresh,
                [](StunWriter& w) { w.AddUint32(attr::kLifetime, 0); }))),
            0);
  EXPECT_EQ(closed_, std::vector<SocketId>{relay()});
  Advance(kStreamPatience);
  EXPECT_EQ(closed_, (std::vector<SocketId>{relay(), kStream}));
  EXPECT_EQ(server_->streams(), 0u);
}

TEST_F(TurnServerTest, WhileDrainingClientsAreSentElsewhere) {
  // RFC 8489 sections 10 and 14.15: of the client's family, or 508.
  options_.alternate_v4 = At("198.51.100.9", 3478);
  Start();
  ASSERT_EQ(Allocate(), 0);
  server_->StartDrain();
  EXPECT_EQ(Ask(StunMethod::kRefresh), 0);
  const Endpoint other = At("203.0.113.10", 5000);
  Challenge(other);
  std::string answer =
      Deliver(client_->Signed(StunMethod::kAllocate, Udp), other);
  EXPECT_EQ(TurnTestClient::CodeOf(answer), 300);
  const auto message = ParseStunMessage(AsBytes(answer));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(AsText(*message->Find(attr::kAlternateServer)),
            std::string("\x00\x01\x0D\x96\xC6\x33\x64\x09", 8));
  EXPECT_NE(message->integrity_offset(), 0u);
  const Endpoint v6 = At("2001:db8::9", 5000);
  Challenge(v6);
  answer = Deliver(client_->Signed(StunMethod::kAllocate, Udp), v6);
  EXPECT_EQ(TurnTestClient::CodeOf(answer), 508);
}

TEST_F(TurnServerStreamTest, AConnectionIsItsOwnFiveTuple) {
  ASSERT_EQ(AllocateOver(), 0);
  // The same address on UDP has no allocation, nor has another connection.
  EXPECT_EQ(Deliver(std::string("\x40\x01\x00\x01x", 5)), "");
  EXPECT_EQ(action_.drop, DropReason::kUnknownClient);
  ASSERT_TRUE(
      server_->OnStreamOpened(kStream + 1, At("203.0.113.9", 0).ip, now_));
  EXPECT_EQ(TurnTestClient::CodeOf(
                Say(client_->Signed(StunMethod::kRefresh), kStream + 1)),
            437);
  EXPECT_EQ(AllocateOver(kStream + 1), 0);
  EXPECT_EQ(server_->allocations().size(), 2u);
}

TEST_F(TurnServerStreamTest, WhatIsNoStunBreaksTheConnection) {
  EXPECT_EQ(Say(std::string(20, '\0')), "");
  EXPECT_TRUE(broken_);
  // RFC 3489: no cookie.
  EXPECT_EQ(Say(std::string("\x00\x01\x00\x00"
                            "0123456789abcdef",
                            20)),
            "");
  EXPECT_TRUE(broken_);
  EXPECT_EQ(TurnTestClient::CodeOf(Say(client_->Bare(StunMethod::kBinding))),
            0);
  EXPECT_FALSE(broken_);
}

}  // namespace
}  // namespace sallyport::media_relay
