#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
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
#include "services/media_relay/core/address_forms.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

TEST_F(TurnServerTest, WithoutAllocation437) {
  Challenge();
  EXPECT_EQ(Ask(StunMethod::kRefresh), 437);
  EXPECT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 437);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 437);
}

TEST_F(TurnServerTest, AnotherUserOnTheSamePath441) {
  ASSERT_EQ(Allocate(), 0);
  TurnTestClient other(now_.wall, random_, absl::Hours(1), "mallory");
  other.realm = client_->realm;
  other.nonce = client_->nonce;
  for (const auto& [method, fill] :
       std::vector<std::pair<StunMethod, TurnTestClient::Fill>>{
           {StunMethod::kRefresh, nullptr},
           {StunMethod::kCreatePermission, Peer(kPeer)},
           {StunMethod::kChannelBind, Channel(0x4000, kPeer)}}) {
    EXPECT_EQ(TurnTestClient::CodeOf(Deliver(other.Signed(method, fill))), 441);
  }
  EXPECT_EQ(
      TurnTestClient::CodeOf(Deliver(other.Signed(StunMethod::kAllocate, Udp))),
      437);
}

TEST_F(TurnServerTest, ForbiddenFormsAreRefusedAtEveryEntryPoint) {
  for (const uint32_t family : {1u, 2u}) {
    Start();
    opened_.clear();
    ASSERT_EQ(Allocate([family](StunWriter& w) {
                Udp(w);
                w.AddUint32(attr::kRequestedAddressFamily, family << 24);
              }),
              0);
    const SocketId socket = relay();
    uint16_t channel = 0x4000;
    for (const char* form : kForbiddenAddressForms) {
      const Endpoint peer = At(form, 40000);
      const int expected = peer.ip.is_v6() == (family == 2) ? 403 : 443;
      EXPECT_EQ(Ask(StunMethod::kCreatePermission, Peer(peer)), expected)
          << form;
      EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(channel++, peer)),
                expected)
          << form;
      // Also together with a peer that would be allowed: all or nothing.
      EXPECT_EQ(Ask(StunMethod::kCreatePermission,
                    [&](StunWriter& w) {
                      w.AddXorAddress(
                          attr::kXorPeerAddress,
                          family == 1 ? kPeer : At("2606:4700::1", 2000));
                      w.AddXorAddress(attr::kXorPeerAddress, peer);
                    }),
                expected)
          << form;
      EXPECT_EQ(Deliver(client_->Bare(
                    StunMethod::kSend,
                    [&](StunWriter& w) {
                      w.AddXorAddress(attr::kXorPeerAddress, peer);
                      w.AddBytes(attr::kData, {1});
                    },
                    StunClass::kIndication)),
                "")
          << form;
      EXPECT_EQ(action_.drop, DropReason::kPeerRefused) << form;
      EXPECT_EQ(DeliverFromPeer(socket, peer, "x"), "") << form;
      EXPECT_EQ(action_.drop, DropReason::kNoPermission) << form;
    }
    Allocation* allocation = server_->allocations().All()[0];
    EXPECT_EQ(allocation->permission_count(now_.mono), 0u);
    EXPECT_EQ(allocation->channel_count(now_.mono), 0u);
  }
}

// AVE-41, AVE-46: nothing passes, in or out, before the one inside has agreed
// to that peer, and from others never.
TEST_F(TurnServerTest, SendAndDataIndications) {
  ASSERT_EQ(Allocate(), 0);
  const SocketId socket = relay();
  const std::string send = client_->Bare(
      StunMethod::kSend,
      [](StunWriter& w) {
        w.AddXorAddress(attr::kXorPeerAddress, kPeer);
        w.AddBytes(attr::kData, {'h', 'e', 'l', 'l', 'o'});
      },
      StunClass::kIndication);
  EXPECT_EQ(Deliver(send), "");
  EXPECT_EQ(action_.drop, DropReason::kNoPermission);
  EXPECT_EQ(DeliverFromPeer(socket, kPeer, "x"), "");

  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  EXPECT_EQ(Deliver(send), "hello");
  EXPECT_EQ(action_.socket, socket);
  EXPECT_EQ(action_.to, kPeer);

  for (const size_t size : {0u, 1u, 2u, 3u, 4u, 172u, 1400u}) {
    const std::string payload(size, 'p');
    const std::string data = DeliverFromPeer(socket, kPeer, payload);
    const auto message = ParseStunMessage(AsBytes(data));
    ASSERT_TRUE(message.ok()) << size;
    EXPECT_TRUE(message->Is(StunClass::kIndication, StunMethod::kData));
    EXPECT_EQ(message->FindXorAddress(attr::kXorPeerAddress), kPeer);
    EXPECT_EQ(ToString(*message->Find(attr::kData)), payload);
    EXPECT_EQ(action_.to, At("203.0.113.9", 5000));
  }
  // The permission is for the address, whatever the port (section 9).
  EXPECT_NE(DeliverFromPeer(socket, At("8.8.8.8", 1234), "x"), "");
  EXPECT_EQ(DeliverFromPeer(socket, At("8.8.4.4", 40000), "x"), "");
}

// AVE-56: what an allocation carries is octets to the relay, without any key.
TEST_F(TurnServerTest, ChannelsBothWays) {
  ASSERT_EQ(Allocate(), 0);
  const SocketId socket = relay();
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4001, kPeer)), 0);
  std::string frame = {0x40, 0x01, 0x00, 0x02, 'h', 'i', 0, 0};
  EXPECT_EQ(Deliver(frame), "hi");
  EXPECT_EQ(action_.to, kPeer);
  EXPECT_EQ(action_.socket, socket);
  EXPECT_EQ(DeliverFromPeer(socket, kPeer, "back"),
            (std::string{0x40, 0x01, 0x00, 0x04} + "back"));
  frame[1] = 0x02;
  EXPECT_EQ(Deliver(frame), "");
  EXPECT_EQ(action_.drop, DropReason::kUnboundChannel);
  EXPECT_EQ(Deliver(frame, At("203.0.113.9", 5001)), "");
  EXPECT_EQ(action_.drop, DropReason::kUnknownClient);
  const AllocationCounters& counters =
      server_->allocations().All()[0]->counters;
  EXPECT_EQ(counters.packets_to_peers, 1u);
  EXPECT_EQ(counters.bytes_to_client, 4u);
}

TEST_F(TurnServerTest, ChannelBindTable) {  // RFC 8656 section 12.2
  ASSERT_EQ(Allocate(), 0);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x3FFF, kPeer)), 400);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x8000, kPeer)), 400);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Peer(kPeer)), 400);
  EXPECT_EQ(
      Ask(StunMethod::kChannelBind,
          [](StunWriter& w) { w.AddUint32(attr::kChannelNumber, 0x40000000); }),
      400);
  EXPECT_EQ(
      Ask(StunMethod::kChannelBind, Channel(0x4000, At("2606:4700::1", 2000))),
      443);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, At("8.8.8.8", 53))),
            403);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4001, kPeer)), 400);
  EXPECT_EQ(
      Ask(StunMethod::kChannelBind, Channel(0x4000, At("8.8.8.8", 40001))),
      400);
}

TEST_F(TurnServerTest, PermissionsEndAfter300SecondsChannelsAfter600) {
  ASSERT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddUint32(attr::kLifetime, 3600);
            }),
            0);
  const SocketId socket = relay();
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  Advance(absl::Seconds(299));
  EXPECT_NE(DeliverFromPeer(socket, kPeer, "x"), "");
  Advance(absl::Seconds(1));
  EXPECT_EQ(DeliverFromPeer(socket, kPeer, "x"), "");
  EXPECT_EQ(Deliver({0x40, 0x00, 0x00, 0x00}), "");
  EXPECT_EQ(action_.drop, DropReason::kNoPermission);
  // The channel still binds the peer; a permission alone revives it.
  Challenge();
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  EXPECT_EQ(DeliverFromPeer(socket, kPeer, "").size(), 4u);
  Advance(absl::Seconds(299));
  Deliver({0x40, 0x00, 0x00, 0x00});
  EXPECT_TRUE(action_.sends());
  Advance(absl::Seconds(1));
  Challenge();
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  Deliver({0x40, 0x00, 0x00, 0x00});
  EXPECT_EQ(action_.drop, DropReason::kUnboundChannel);
}

TEST_F(TurnServerTest, NumberOfPermissionsAndChannelsIsBounded) {
  ASSERT_EQ(Allocate(), 0);
  for (int i = 0; i < 32; ++i) {
    const Endpoint peer = {IpAddress::V4({9, 9, 9, static_cast<uint8_t>(i)}),
                           2000};
    ASSERT_EQ(Ask(StunMethod::kChannelBind,
                  Channel(static_cast<uint16_t>(0x4000 + i), peer)),
              0);
  }
  EXPECT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 508);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4100, At("9.9.9.1", 2001))),
            508);
}

TEST_F(TurnServerTest, IndicationsThatAreIgnored) {
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  const auto send = [&](const TurnTestClient::Fill& fill) {
    Deliver(client_->Bare(StunMethod::kSend, fill, StunClass::kIndication));
    return action_.drop;
  };
  EXPECT_EQ(send(Peer(kPeer)), DropReason::kMalformedSend);
  EXPECT_EQ(send([](StunWriter& w) { w.AddBytes(attr::kData, {1}); }),
            DropReason::kMalformedSend);
  EXPECT_EQ(send([](StunWriter& w) {
              w.AddXorAddress(attr::kXorPeerAddress, kPeer);
              w.AddBytes(attr::kData, {1});
              w.AddBytes(0x7FFE, {});
            }),
            DropReason::kMalformedSend);
}

TEST_F(TurnServerTest, BandwidthIsBoundedEachWayAndWhateverCarriesIt) {
  options_.bandwidth.per_allocation = 100'000;
  options_.bandwidth.per_subject = 150'000;
  Start();
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  const std::string data(1000, 'd');
  const auto send = [&] {
    Deliver(client_->Bare(
        StunMethod::kSend,
        [&](StunWriter& w) {
          w.AddXorAddress(attr::kXorPeerAddress, kPeer);
          w.AddText(attr::kData, data);
        },
        StunClass::kIndication));
    return action_.drop;
  };
  const auto receive = [&] {
    DeliverFromPeer(relay(), kPeer, data);
    return action_.drop;
  };
  const auto count = [](const auto& pass) {
    int passed = 0;
    while (passed < 1000 && pass() == DropReason::kNone) ++passed;
    return passed;
  };
  EXPECT_EQ(count(send), 25);
  EXPECT_EQ(action_.drop, DropReason::kAllocationBandwidth);
  EXPECT_EQ(count(receive), 25);
  EXPECT_EQ(action_.drop, DropReason::kAllocationBandwidth);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  const std::string frame =
      std::string("\x40\x00\x03\xe8", 4) + std::string(1000, 'c');
  Deliver(frame);
  EXPECT_EQ(action_.drop, DropReason::kAllocationBandwidth);
  EXPECT_EQ(receive(), DropReason::kAllocationBandwidth);
  EXPECT_EQ(server_->stats().bytes_to_peers, 25'000u);
  EXPECT_EQ(server_->stats().bytes_to_client, 25'000u);
  // A second allocation has what is left of the subject's, then there is none
  // for a third; requests are still answered.
  const Endpoint second = At("203.0.113.9", 5002);
  Challenge(second);
  ASSERT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), second)),
            0);
  ASSERT_EQ(
      TurnTestClient::CodeOf(Deliver(
          client_->Signed(StunMethod::kChannelBind, Channel(0x4000, kPeer)),
          second)),
      0);
  EXPECT_EQ(count([&] {
              Deliver(frame, second);
              return action_.drop;
            }),
            12);
  EXPECT_EQ(action_.drop, DropReason::kSubjectBandwidth);
  const Endpoint third = At("203.0.113.9", 5004);
  Challenge(third);
  const auto allocate_third = [&] {
    return TurnTestClient::CodeOf(
        Deliver(client_->Signed(StunMethod::kAllocate, Udp), third));
  };
  EXPECT_EQ(allocate_third(), 486);
  EXPECT_EQ(ports_->out_count(), 2u);
  Advance(absl::Milliseconds(100));
  EXPECT_EQ(allocate_third(), 0);
  DeliverFromPeer(opened_[0].socket, kPeer, data);
  EXPECT_EQ(action_.drop, DropReason::kNone);
}

// RFC 8656 section 11.5: what the network says of a datagram to a peer is told
// by a Data indication with an ICMP attribute (section 18.13) and no data.
TEST_F(TurnServerTest, IcmpErrorsOfPermittedPeersAreTold) {
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  const auto tell = [&](SocketId socket, const Endpoint& peer,
                        const IcmpError& error) {
    action_ = server_->OnPeerError(socket, peer, error, absl::MakeSpan(reply_),
                                   now_.mono);
    return ToString(action_.bytes);
  };
  const std::string told = tell(relay(), kPeer, {3, 4, 1280});
  EXPECT_EQ(action_.socket, kListener);
  EXPECT_EQ(action_.to, At("203.0.113.9", 5000));
  const auto message = ParseStunMessage(AsBytes(told));
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->Is(StunClass::kIndication, StunMethod::kData));
  EXPECT_EQ(message->FindXorAddress(attr::kXorPeerAddress), kPeer);
  EXPECT_FALSE(message->Has(attr::kData));
  // 16 bits reserved, 7 of type, 9 of code, 32 of error data.
  EXPECT_EQ(ToString(*message->Find(attr::kIcmp)),
            std::string("\0\0\x06\x04\0\0\x05\0", 8));

  // Any port of the peer, and no other peer; unknown sockets are not ours.
  EXPECT_NE(tell(relay(), At("8.8.8.8", 1), {3, 3, 0}), "");
  EXPECT_EQ(tell(relay(), At("8.8.4.4", 40000), {3, 3, 0}), "");
  EXPECT_EQ(action_.drop, DropReason::kNoPermission);
  EXPECT_EQ(tell(relay() + 100, kPeer, {3, 3, 0}), "");
  // Until the permission ends.
  Advance(absl::Seconds(301));
  EXPECT_EQ(tell(relay(), kPeer, {3, 3, 0}), "");
  EXPECT_EQ(action_.drop, DropReason::kNoPermission);
}

TEST_F(TurnServerTest, IcmpErrorsOfIpv6PeersAreToldOnTheirHalf) {
  ASSERT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddUint32(attr::kAdditionalAddressFamily, 2u << 24);
            }),
            0);
  const Endpoint peer = At("2606:4700::1", 2000);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(peer)), 0);
  action_ = server_->OnPeerError(relay(), peer, {2, 0, 1400},
                                 absl::MakeSpan(reply_), now_.mono);
  const auto message = ParseStunMessage(action_.bytes);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->FindXorAddress(attr::kXorPeerAddress), peer);
  EXPECT_EQ(ToString(*message->Find(attr::kIcmp)),
            std::string("\0\0\x04\0\0\0\x05\x78", 8));
}

// Whoever forges them gets ten at once and five a second through.
TEST_F(TurnServerTest, IcmpErrorsToldToOneClientAreLimited) {
  ASSERT_EQ(Allocate(), 0);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  const auto told = [&](int count) {
    int sent = 0;
    for (int i = 0; i < count; ++i) {
      action_ = server_->OnPeerError(relay(), kPeer, {3, 3, 0},
                                     absl::MakeSpan(reply_), now_.mono);
      if (action_.sends()) ++sent;
    }
    return sent;
  };
  EXPECT_EQ(told(100), 10);
  EXPECT_EQ(action_.drop, DropReason::kRateLimited);
  Advance(absl::Seconds(1));
  EXPECT_EQ(told(100), 5);
  EXPECT_EQ(server_->stats().peer_errors, 15u);
}

// The relay as a whole carries what it may: 508, not the user's fault.
TEST_F(TurnServerTest, AFullRelayTakesNoMoreAllocations) {
  ASSERT_EQ(Allocate(), 0);
  server_->SetFull(true);
  EXPECT_EQ(Ask(StunMethod::kRefresh), 0);
  const Endpoint second = At("203.0.113.9", 5002);
  Challenge(second);
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), second)),
            508);
  server_->SetFull(false);
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), second)),
            0);
}

// Without memory nothing new is made, in the words of the protocol, and what is
// there goes on.
TEST_F(TurnServerTest, WithoutMemoryWhatIsNewGets508) {
  class Gate final : public MemoryGate {
   public:
    bool Take(MemoryUse) override { return open; }
    bool open = true;
  } gate;
  server_->SetMemory(gate);
  ASSERT_EQ(Allocate(), 0);
  const SocketId socket = relay();
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  gate.open = false;
  EXPECT_EQ(Ask(StunMethod::kRefresh), 0);
  EXPECT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  EXPECT_NE(DeliverFromPeer(socket, kPeer, "x"), "");
  const Endpoint other = At("8.8.4.4", 40000);
  EXPECT_EQ(Ask(StunMethod::kCreatePermission, Peer(other)), 508);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4001, other)), 508);
  EXPECT_FALSE(server_->OnStreamOpened(kFirstStreamSocket, other.ip, now_));
  EXPECT_EQ(server_->streams(), 0u);
  // Another client.
  const Endpoint from = At("203.0.113.10", 5000);
  Challenge(from);
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), from)),
            508);
  gate.open = true;
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), from)),
            0);
  EXPECT_TRUE(server_->OnStreamOpened(kFirstStreamSocket, other.ip, now_));
}

TEST_F(TurnServerTest, WhatIsNotTurnGetsNoAnswer) {
  struct Case {
    const char* name;
    std::string wire;
    DropReason drop;
  };
  const std::string rfc3489 =
      std::string("\x00\x01\x00\x00\x11\x22\x33\x44", 8) + std::string(12, 'x');
  for (const Case& c :
       {Case{"empty", "", DropReason::kNotTurn},
        Case{"rtp", "\x80\x01\x02\x03", DropReason::kNotTurn},
        Case{"dtls", "\x16\xfe\xfd", DropReason::kNotTurn},
        Case{"rfc3489", rfc3489, DropReason::kMalformedStun},
        Case{"response",
             client_->Bare(StunMethod::kBinding, nullptr, StunClass::kSuccess),
             DropReason::kUnexpectedStun},
        Case{"binding indication",
             client_->Bare(StunMethod::kBinding, nullptr,
                           StunClass::kIndication),
             DropReason::kUnexpectedStun},
        Case{"no method", client_->Bare(static_cast<StunMethod>(0x00D)),
             DropReason::kUnexpectedStun},
        Case{"send without allocation",
             client_->Bare(StunMethod::kSend, Peer(kPeer),
                           StunClass::kIndication),
             DropReason::kUnknownClient}}) {
    EXPECT_EQ(Deliver(c.wire), "") << c.name;
    EXPECT_EQ(action_.drop, c.drop) << c.name;
  }
}

TEST_F(TurnServerTest, DeleteByTheOperator) {
  ASSERT_EQ(Allocate(), 0);
  SocketActions sockets;
  EXPECT_TRUE(server_->Delete(relay(), now_, sockets));
  EXPECT_EQ(sockets.size(), 1u);
  EXPECT_FALSE(server_->Delete(relay(), now_, sockets));
  EXPECT_EQ(Ask(StunMethod::kRefresh), 437);
}

}  // namespace
}  // namespace sallyport::media_relay
