// Dual allocations (RFC 8656 section 5): an IPv4 and an IPv6 half of one
// client, with ADDITIONAL-ADDRESS-FAMILY and ADDRESS-ERROR-CODE.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

const Endpoint kPeer6 = At("2606:4700::1111", 40000);

void Dual(StunWriter& w) {
  Udp(w);
  w.AddUint32(attr::kAdditionalAddressFamily, 2u << 24);
}

TurnTestClient::Fill Family(uint8_t family, uint32_t lifetime) {
  return [=](StunWriter& w) {
    w.AddUint32(attr::kLifetime, lifetime);
    w.AddUint32(attr::kRequestedAddressFamily, uint32_t{family} << 24);
  };
}

class TurnServerFamiliesTest : public TurnServerTest {
 protected:
  std::vector<Endpoint> Relayed() {
    std::vector<Endpoint> all;
    const auto message = ParseStunMessage(AsBytes(answer_));
    message->ForEach(attr::kXorRelayedAddress,
                     [&](absl::Span<const uint8_t> value) {
                       all.push_back(*message->DecodeXorAddress(value));
                     });
    return all;
  }
  // Family and code of ADDRESS-ERROR-CODE; 0: there is none.
  uint32_t AddressError() {
    return ParseStunMessage(AsBytes(answer_))
        ->FindUint32(attr::kAddressErrorCode)
        .value_or(0);
  }
  std::string SendTo(const Endpoint& peer, const std::string& data,
                     bool dont_fragment = false) {
    return Deliver(client_->Bare(
        StunMethod::kSend,
        [&](StunWriter& w) {
          w.AddXorAddress(attr::kXorPeerAddress, peer);
          if (dont_fragment) w.AddBytes(attr::kDontFragment, {});
          w.AddText(attr::kData, data);
        },
        StunClass::kIndication));
  }
};

TEST_F(TurnServerFamiliesTest, BothHalvesStandAndAreTold) {
  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(opened_.size(), 2u);
  EXPECT_TRUE(opened_[0].local.ip.is_v4());
  EXPECT_TRUE(opened_[1].local.ip.is_v6());
  const std::vector<Endpoint> relayed = Relayed();
  ASSERT_EQ(relayed.size(), 2u);
  EXPECT_EQ(relayed[0], At("198.51.100.1", opened_[0].local.port));
  EXPECT_EQ(relayed[1], At("2001:db8::1", opened_[1].local.port));
  EXPECT_EQ(AddressError(), 0u);
  EXPECT_EQ(server_->allocations().size(), 2u);
  EXPECT_EQ(ports_->out_count(), 2u);
  EXPECT_EQ(server_->stats().allocations_made, 2u);
  // A repeat gets the same.
  const std::string first = answer_;
  client_->repeat_transaction = true;
  ASSERT_EQ(Ask(StunMethod::kAllocate, Dual), 0);
  EXPECT_EQ(answer_, first);
  client_->repeat_transaction = false;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Dual), 437);
}

TEST_F(TurnServerFamiliesTest, EachPeerIsReachedFromItsFamily) {
  ASSERT_EQ(Allocate(Dual), 0);
  const SocketId v4 = opened_[0].socket;
  const SocketId v6 = opened_[1].socket;
  ASSERT_EQ(Ask(StunMethod::kCreatePermission,
                [](StunWriter& w) {
                  w.AddXorAddress(attr::kXorPeerAddress, kPeer);
                  w.AddXorAddress(attr::kXorPeerAddress, kPeer6);
                }),
            0);
  EXPECT_EQ(SendTo(kPeer, "four"), "four");
  EXPECT_EQ(action_.socket, v4);
  EXPECT_EQ(SendTo(kPeer6, "six"), "six");
  EXPECT_EQ(action_.socket, v6);
  // Permissions are of one half.
  EXPECT_NE(DeliverFromPeer(v4, kPeer, "in"), "");
  EXPECT_EQ(DeliverFromPeer(v4, kPeer6, "in"), "");
  EXPECT_NE(DeliverFromPeer(v6, kPeer6, "in"), "");
  EXPECT_EQ(action_.to, At("203.0.113.9", 5000));

  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  // One set of numbers for both.
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer6)), 400);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4001, kPeer6)), 0);
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4001, kPeer)), 400);
  EXPECT_EQ(Deliver(std::string("\x40\x00\x00\x02hi", 6)), "hi");
  EXPECT_EQ(action_.socket, v4);
  EXPECT_EQ(Deliver(std::string("\x40\x01\x00\x02ho", 6)), "ho");
  EXPECT_EQ(action_.socket, v6);
  EXPECT_EQ(action_.to, kPeer6);
  EXPECT_EQ(DeliverFromPeer(v6, kPeer6, "back"), std::string("\x40\x01\x00\x04"
                                                             "back",
                                                             8));
}

TEST_F(TurnServerFamiliesTest, AMissingFamilyIsAddressErrorCode440) {
  options_.ipv6.reset();
  Start();
  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(Relayed().size(), 1u);
  EXPECT_TRUE(Relayed()[0].ip.is_v4());
  EXPECT_EQ(AddressError(), 0x02000428u);  // IPv6, 4 and 40
  const std::string first = answer_;
  client_->repeat_transaction = true;
  ASSERT_EQ(Ask(StunMethod::kAllocate, Dual), 0);
  EXPECT_EQ(answer_, first);

  options_.ipv6 = RelayInterface{*IpAddress::Parse("2001:db8::1"),
                                 *IpAddress::Parse("2001:db8::1")};
  options_.ipv4.reset();
  Start();
  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(Relayed().size(), 1u);
  EXPECT_TRUE(Relayed()[0].ip.is_v6());
  EXPECT_EQ(AddressError(), 0x01000428u);

  options_.ipv6.reset();
  Start();
  EXPECT_EQ(Allocate(Dual), 440);
}

TEST_F(TurnServerFamiliesTest, AHalfThatCannotBeOpenedIsAddressErrorCode508) {
  fail_code_ = absl::StatusCode::kResourceExhausted;
  fail_next_ = 1;
  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(Relayed().size(), 1u);
  EXPECT_TRUE(Relayed()[0].ip.is_v6());
  EXPECT_EQ(AddressError(), 0x01000508u);
  EXPECT_EQ(ports_->out_count(), 1u);
  fail_next_ = 2;
  Start();
  EXPECT_EQ(Allocate(Dual), 508);
  EXPECT_EQ(server_->allocations().size(), 0u);
  EXPECT_EQ(ports_->out_count(), 0u);
}

TEST_F(TurnServerFamiliesTest, TheQuotaCountsHalves) {
  options_.allocation_quota.per_subject = 1;
  Start();
  ASSERT_EQ(Allocate(Dual), 0);
  EXPECT_EQ(Relayed().size(), 1u);
  EXPECT_EQ(AddressError(), 0x02000456u);  // 486
  EXPECT_EQ(Ask(StunMethod::kRefresh,
                [](StunWriter& w) { w.AddUint32(attr::kLifetime, 0); }),
            0);
  EXPECT_EQ(Allocate(), 0);  // it was given back
}

TEST_F(TurnServerFamiliesTest, WhatContradictsItIsRefused) {
  const auto with = [](TurnTestClient::Fill more) {
    return [more](StunWriter& w) {
      Dual(w);
      more(w);
    };
  };
  EXPECT_EQ(Allocate(with([](StunWriter& w) {
              w.AddUint32(attr::kRequestedAddressFamily, 1u << 24);
            })),
            400);
  EXPECT_EQ(Allocate(with([](StunWriter& w) {
              w.AddBytes(attr::kReservationToken, {1, 2, 3, 4, 5, 6, 7, 8});
            })),
            400);
  EXPECT_EQ(Allocate(with(
                [](StunWriter& w) { w.AddBytes(attr::kEvenPort, {0x80}); })),
            400);
  EXPECT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddUint32(attr::kAdditionalAddressFamily, 1u << 24);
            }),
            400);
  EXPECT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddBytes(attr::kAdditionalAddressFamily, {2});
            }),
            400);
  EXPECT_EQ(ports_->out_count(), 0u);
  ASSERT_EQ(
      Allocate(with([](StunWriter& w) { w.AddBytes(attr::kEvenPort, {0}); })),
      0);
  for (const Endpoint& relayed : Relayed()) EXPECT_EQ(relayed.port % 2, 0);
}

TEST_F(TurnServerFamiliesTest, RefreshIsForBothOrForTheHalfThatIsNamed) {
  ASSERT_EQ(Allocate(Dual), 0);
  const SocketId v4 = opened_[0].socket;
  const SocketId v6 = opened_[1].socket;
  Advance(absl::Minutes(8));
  // The IPv6 half goes on, the other one ends with its ten minutes.
  ASSERT_EQ(Ask(StunMethod::kRefresh, Family(0x02, 600)), 0);
  Advance(absl::Minutes(3));
  Challenge();
  EXPECT_EQ(closed_, std::vector<SocketId>{v4});
  EXPECT_EQ(Ask(StunMethod::kRefresh, Family(0x01, 600)), 443);
  EXPECT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 443);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer6)), 0);
  EXPECT_EQ(SendTo(kPeer6, "six"), "six");
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 437);
  ASSERT_EQ(Ask(StunMethod::kRefresh, Family(0x02, 0)), 0);
  EXPECT_EQ(closed_, (std::vector<SocketId>{v4, v6}));
  EXPECT_EQ(Ask(StunMethod::kRefresh), 437);
  EXPECT_EQ(server_->allocations().size(), 0u);

  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(Ask(StunMethod::kRefresh, Family(0x01, 0)), 0);
  EXPECT_EQ(server_->allocations().size(), 1u);
  ASSERT_EQ(Allocate(Dual), 437);
  ASSERT_EQ(Ask(StunMethod::kRefresh,
                [](StunWriter& w) { w.AddUint32(attr::kLifetime, 0); }),
            0);
  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(Ask(StunMethod::kRefresh,
                [](StunWriter& w) { w.AddUint32(attr::kLifetime, 0); }),
            0);
  EXPECT_EQ(server_->allocations().size(), 0u);
  EXPECT_EQ(server_->stats().allocations_made,
            server_->stats().allocations_ended);
}

TEST_F(TurnServerFamiliesTest, SendIndicationsMayAskForDontFragment) {
  ASSERT_EQ(Allocate(Dual), 0);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  ASSERT_EQ(SendTo(kPeer, "plain"), "plain");
  EXPECT_FALSE(action_.dont_fragment);
  ASSERT_EQ(SendTo(kPeer, "whole", /*dont_fragment=*/true), "whole");
  EXPECT_TRUE(action_.dont_fragment);
  ASSERT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4000, kPeer)), 0);
  ASSERT_EQ(Deliver(std::string("\x40\x00\x00\x02hi", 6)), "hi");
  EXPECT_FALSE(action_.dont_fragment);
}

}  // namespace
}  // namespace sallyport::media_relay
