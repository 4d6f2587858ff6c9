#include "services/media_relay/core/relay_core.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

class RelayCoreTest : public testing::Test {
 protected:
  RelayCoreTest() {
    static const SrtpLibrary* const library =
        SrtpLibrary::Create().value().release();
    RelayCoreOptions options;
    options.turn.ipv4 = RelayInterface{*IpAddress::Parse("10.0.0.1"),
                                       *IpAddress::Parse("10.0.0.1")};
    options.sessions.interfaces.external_v4 = options.turn.ipv4;
    options.policy.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
    core_.emplace(options, *library, random_);
    SocketActions sockets;
    core_->OnKeys(TestKeys(now_.wall), now_, sockets);
    core_->OnDeadline(now_, sockets);
    client_.emplace(now_.wall, random_);
  }

  std::string Deliver(SocketId socket, const Endpoint& from,
                      const std::string& wire) {
    buffer_.assign(kPacketHeadroom + wire.size() + kPacketTailroom, 0);
    std::memcpy(buffer_.data() + kPacketHeadroom, wire.data(), wire.size());
    Packet packet{buffer_.data() + kPacketHeadroom, wire.size(),
                  kPacketHeadroom, kPacketTailroom};
    SocketActions sockets;
    action_ = core_->OnPacket(socket, from, packet, absl::MakeSpan(reply_),
                              now_, sockets);
    Perform(std::move(sockets));
    return action_.sends() ? ToString(action_.bytes) : "";
  }

  void Perform(SocketActions sockets) {
    while (!sockets.empty()) {
      SocketActions next;
      for (const SocketAction& action : sockets) {
        const auto* open = std::get_if<OpenSocket>(&action);
        if (open == nullptr) continue;
        opened_.push_back(*open);
        const PacketAction answer = core_->OnSocketOpened(
            open->socket, absl::OkStatus(), absl::MakeSpan(reply_), now_, next);
        if (answer.sends()) action_ = answer;
      }
      sockets = std::move(next);
    }
  }

  static void Udp(StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
  }

  FakeRandom random_;
  Now now_{MonoTime::FromOrigin(absl::Hours(1)),
           absl::FromUnixSeconds(1'800'000'000)};
  std::optional<RelayCore> core_;
  std::optional<TurnTestClient> client_;
  std::vector<uint8_t> buffer_;
  std::array<uint8_t, kReplySize> reply_;
  PacketAction action_;
  std::vector<OpenSocket> opened_;
};

TEST_F(RelayCoreTest, TurnAndSessionsShareThePortsButNoSocket) {
  client_->TakeChallenge(Deliver(1, At("10.1.0.1", 5000),
                                 client_->Bare(StunMethod::kAllocate, Udp)));
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(1, At("10.1.0.1", 5000),
                        client_->Signed(StunMethod::kAllocate, Udp))),
            0);
  SessionSpec spec;
  spec.tenant = "t";
  spec.id = "s";
  spec.owner = "o";
  spec.lease = absl::Minutes(1);
  spec.legs[0].initial.remote_rtp = At("10.2.0.1", 4000);
  spec.legs[1].initial.remote_rtp = At("10.3.0.1", 4000);
  SocketActions sockets;
  ASSERT_TRUE(core_->sessions().Create(std::move(spec), now_, sockets).ok());
  Perform(std::move(sockets));
  ASSERT_TRUE(core_->sessions().TakeCreated(now_).ok());
  EXPECT_EQ(opened_.size(), 5u);
  EXPECT_EQ(core_->ports_out(), 5u);

  std::string rtp(12, '\0');
  rtp[0] = '\x80';
  const SocketId leg_a = opened_[1].socket;
  EXPECT_EQ(Deliver(leg_a, At("10.2.0.1", 4000), rtp), rtp);
  EXPECT_EQ(action_.to, At("10.3.0.1", 4000));
  // The relayed socket takes no media, the media socket no TURN peer.
  EXPECT_EQ(Deliver(opened_[0].socket, At("10.2.0.1", 4000), rtp), "");
  EXPECT_EQ(action_.drop, DropReason::kNoPermission);
  EXPECT_EQ(
      Deliver(leg_a, At("10.2.0.1", 4000), client_->Bare(StunMethod::kBinding)),
      "");
  EXPECT_EQ(action_.drop, DropReason::kNotMedia);
  // A socket that was closed while the packet was under way.
  EXPECT_EQ(Deliver(kFirstCoreSocket + 1000, At("10.2.0.1", 4000), rtp), "");
  EXPECT_EQ(action_.drop, DropReason::kUnknownSocket);
}

TEST_F(RelayCoreTest, PortsInUseKeepTheAddressThatTheirClientsKnow) {
  client_->TakeChallenge(Deliver(1, At("10.1.0.1", 5000),
                                 client_->Bare(StunMethod::kAllocate, Udp)));
  ASSERT_EQ(TurnTestClient::CodeOf(
                Deliver(1, At("10.1.0.1", 5000),
                        client_->Signed(StunMethod::kAllocate, Udp))),
            0);
  const Endpoint relayed = opened_[0].local;
  SessionSpec spec;
  spec.tenant = "t";
  spec.id = "s";
  spec.owner = "o";
  spec.lease = absl::Minutes(1);
  // A leg whose far side is the client's relayed address.
  spec.legs[0].initial.remote_rtp = relayed;
  spec.legs[1].initial.remote_rtp = At("10.3.0.1", 4000);
  SocketActions sockets;
  ASSERT_TRUE(core_->sessions().Create(std::move(spec), now_, sockets).ok());
  Perform(std::move(sockets));
  ASSERT_TRUE(core_->sessions().TakeCreated(now_).ok());
  EXPECT_TRUE(core_->FormerPorts().empty());
  EXPECT_FALSE(core_->TakeReaddressed());

  RelayInterfaces interfaces;
  interfaces.external_v4 = RelayInterface{*IpAddress::Parse("10.0.0.1"),
                                          *IpAddress::Parse("10.9.9.9")};
  PeerPolicyOptions policy;
  policy.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
  core_->SetInterfaces(interfaces, policy);
  EXPECT_TRUE(core_->TakeReaddressed());
  EXPECT_FALSE(core_->TakeReaddressed());
  const std::vector<Endpoint> former = core_->FormerPorts();
  EXPECT_EQ(former.size(), 5u);
  for (const Endpoint& port : former) {
    EXPECT_EQ(port.ip, *IpAddress::Parse("10.0.0.1"));
  }
  std::string rtp(12, '\0');
  rtp[0] = '\x80';
  const SocketId leg_a = opened_[1].socket;
  // Until the loops have told each other it comes from the new address.
  EXPECT_EQ(Deliver(leg_a, relayed, rtp), "");
  core_->SetFormerPorts(0, former);
  EXPECT_EQ(Deliver(leg_a, relayed, rtp), rtp);
  EXPECT_EQ(core_->LocalOf(relayed), relayed);

  sockets.clear();
  ASSERT_TRUE(core_->sessions()
                  .Delete("t", "s", "", "", "DELETED", now_, sockets)
                  .ok());
  EXPECT_EQ(core_->FormerPorts(), std::vector<Endpoint>{relayed});
  ASSERT_EQ(TurnTestClient::CodeOf(Deliver(
                1, At("10.1.0.1", 5000),
                client_->Signed(StunMethod::kRefresh,
                                [](StunWriter& w) {
                                  w.AddUint32(stun_attribute::kLifetime, 0);
                                }))),
            0);
  EXPECT_TRUE(core_->FormerPorts().empty());
  core_->SetFormerPorts(0, {});
  EXPECT_EQ(core_->LocalOf(At("10.9.9.9", relayed.port)), relayed);
}

TEST_F(RelayCoreTest, EveryPacketIsCountedOnce) {
  Deliver(1, At("10.1.0.1", 5000), client_->Bare(StunMethod::kBinding));
  Deliver(1, At("10.1.0.1", 5000), "noise");
  Deliver(1, At("10.1.0.1", 5000), "");
  const RelayCoreStats& stats = core_->stats();
  EXPECT_EQ(stats.packets_received, 3u);
  EXPECT_EQ(stats.packets_sent, 1u);
  EXPECT_EQ(stats.bytes_sent, 32u);
  uint64_t drops = 0;
  for (const uint64_t count : stats.drops) drops += count;
  EXPECT_EQ(drops, 2u);
}

TEST_F(RelayCoreTest, DeadlineIsTheEarlierOfBoth) {
  const MonoTime before = core_->deadline();
  SessionSpec spec;
  spec.tenant = "t";
  spec.id = "s";
  spec.owner = "o";
  spec.lease = absl::Seconds(10);
  SocketActions sockets;
  ASSERT_TRUE(core_->sessions().Create(std::move(spec), now_, sockets).ok());
  Perform(std::move(sockets));
  EXPECT_LT(core_->deadline(), before);
  EXPECT_EQ(core_->deadline(), now_.mono + absl::Seconds(10));
  now_.mono += absl::Seconds(10);
  SocketActions closed;
  core_->OnDeadline(now_, closed);
  EXPECT_EQ(core_->sessions().size(), 0u);
  EXPECT_EQ(closed.size(), 4u);
  EXPECT_GT(core_->deadline(), now_.mono);
}

TEST_F(RelayCoreTest, DrainIsTold) {
  EXPECT_FALSE(core_->draining());
  core_->StartDrain();
  EXPECT_TRUE(core_->draining());
}

}  // namespace
}  // namespace sallyport::media_relay
