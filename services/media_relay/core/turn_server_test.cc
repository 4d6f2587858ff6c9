#include "services/media_relay/core/turn_server.h"

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
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

// AVE-12: no credentials, a challenge, no port.
// AVE-13: with credentials, an allocation in the range.
// AVE-11: digest authentication with them. AVE-22: the port is of the range.
TEST_F(TurnServerTest, AllocateSucceeds) {
  ASSERT_EQ(Allocate(), 0);
  const auto message = ParseStunMessage(AsBytes(answer_));
  const Endpoint relayed = *message->FindXorAddress(attr::kXorRelayedAddress);
  EXPECT_EQ(relayed.ip.ToString(), "198.51.100.1");  // AVE-36
  EXPECT_GE(relayed.port, 50000);
  EXPECT_LE(relayed.port, 59999);
  EXPECT_EQ(message->FindXorAddress(attr::kXorMappedAddress),
            At("203.0.113.9", 5000));
  EXPECT_EQ(message->FindUint32(attr::kLifetime), 600u);
  EXPECT_TRUE(VerifyIntegrity(*message, client_->Key().bytes()).has_value());
  ASSERT_EQ(opened_.size(), 1u);
  EXPECT_EQ(opened_[0].local, At("10.0.0.1", relayed.port));
  EXPECT_EQ(server_->allocations().size(), 1u);
}

// RFC 8489 section 9.2.4: the client repeats the list it was offered.
struct AllocateCase {
  const char* name;
  TurnTestClient::Fill fill;
  int code;
};

class AllocateTable : public TurnServerTest,
                      public testing::WithParamInterface<AllocateCase> {};

TEST_P(AllocateTable, Rfc8656Section72) {
  EXPECT_EQ(Allocate(GetParam().fill), GetParam().code);
  if (GetParam().code != 0) {
    EXPECT_EQ(server_->allocations().size(), 0u);
    EXPECT_EQ(ports_->out_count(), 0u);
    // Refusals after authentication are protected.
    EXPECT_TRUE(VerifyIntegrity(*ParseStunMessage(AsBytes(answer_)),
                                client_->Key().bytes())
                    .has_value());
  }
}

INSTANTIATE_TEST_SUITE_P(
    States, AllocateTable,
    testing::Values(
        AllocateCase{"NoTransport", nullptr, 400},
        AllocateCase{"Tcp",
                     [](StunWriter& w) {
                       w.AddUint32(attr::kRequestedTransport, 6u << 24);
                     },
                     400},
        AllocateCase{"TransportOfWrongSize",
                     [](StunWriter& w) {
                       w.AddBytes(attr::kRequestedTransport, {17, 0});
                     },
                     400},
        AllocateCase{"DontFragment",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddBytes(attr::kDontFragment, {});
                     },
                     0},
        AllocateCase{"UnknownAttribute",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddBytes(0x7FFE, {1, 2, 3});
                     },
                     420},
        AllocateCase{"Ipv4",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddUint32(attr::kRequestedAddressFamily, 1u << 24);
                     },
                     0},
        AllocateCase{"Ipv6",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddUint32(attr::kRequestedAddressFamily, 2u << 24);
                     },
                     0},
        AllocateCase{"OtherFamily",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddUint32(attr::kRequestedAddressFamily, 3u << 24);
                     },
                     440},
        AllocateCase{"EvenPort",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddBytes(attr::kEvenPort, {0});
                     },
                     0},
        AllocateCase{"EvenPortOfWrongSize",
                     [](StunWriter& w) {
                       Udp(w);
                       w.AddBytes(attr::kEvenPort, {0, 0});
                     },
                     400},
        AllocateCase{
            "TokenWithEvenPort",
            [](StunWriter& w) {
              Udp(w);
              w.AddBytes(attr::kEvenPort, {0});
              w.AddBytes(attr::kReservationToken, {1, 2, 3, 4, 5, 6, 7, 8});
            },
            400},
        AllocateCase{
            "UnknownToken",
            [](StunWriter& w) {
              Udp(w);
              w.AddBytes(attr::kReservationToken, {1, 2, 3, 4, 5, 6, 7, 8});
            },
            508}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(TurnServerTest, EvenPortWithReservation) {
  ASSERT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddBytes(attr::kEvenPort, {0x80});
            }),
            0);
  const uint16_t port = opened_[0].local.port;
  EXPECT_EQ(port % 2, 0);
  EXPECT_EQ(ports_->out_count(), 2u);
  const auto token =
      ParseStunMessage(AsBytes(answer_))->Find(attr::kReservationToken);
  ASSERT_TRUE(token.has_value());
  const std::vector<uint8_t> copy(token->begin(), token->end());
  const Endpoint second = At("203.0.113.9", 5002);
  Challenge(second);
  const auto with_token = [&](StunWriter& w) {
    Udp(w);
    w.AddBytes(attr::kReservationToken, copy);
  };
  EXPECT_EQ(TurnTestClient::CodeOf(Deliver(
                client_->Signed(StunMethod::kAllocate, with_token), second)),
            0);
  EXPECT_EQ(opened_[1].local.port, port + 1);
  // A token is good once.
  const Endpoint third = At("203.0.113.9", 5004);
  Challenge(third);
  EXPECT_EQ(TurnTestClient::CodeOf(Deliver(
                client_->Signed(StunMethod::kAllocate, with_token), third)),
            508);
}

TEST_F(TurnServerTest, UnusedReservationEndsAfter30Seconds) {
  ASSERT_EQ(Allocate([](StunWriter& w) {
              Udp(w);
              w.AddBytes(attr::kEvenPort, {0x80});
            }),
            0);
  Advance(absl::Seconds(31));
  EXPECT_EQ(ports_->out_count(), 1u);
}

TEST_F(TurnServerTest, RepeatedAllocateGetsTheSameAnswer) {
  ASSERT_EQ(Allocate(), 0);
  const std::string first = answer_;
  client_->repeat_transaction = true;
  ASSERT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
  EXPECT_EQ(answer_, first);
  client_->repeat_transaction = false;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 437);
  EXPECT_EQ(server_->allocations().size(), 1u);
}

TEST_F(TurnServerTest, TakenPortIsReplaced) {
  fail_next_ = 3;
  EXPECT_EQ(Allocate(), 0);
  ASSERT_EQ(opened_.size(), 4u);
  std::set<uint16_t> tried;
  for (const OpenSocket& open : opened_) tried.insert(open.local.port);
  EXPECT_EQ(tried.size(), 4u);
  EXPECT_EQ(ParseStunMessage(AsBytes(answer_))
                ->FindXorAddress(attr::kXorRelayedAddress)
                ->port,
            opened_[3].local.port);
}

TEST_F(TurnServerTest, SocketExhaustionIs508AndRecovers) {
  fail_next_ = 1;
  fail_code_ = absl::StatusCode::kResourceExhausted;
  EXPECT_EQ(Allocate(), 508);
  EXPECT_EQ(ports_->out_count(), 0u);
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
  fail_next_ = 100;
}

TEST_F(TurnServerTest, PortExhaustionIs508) {
  port_options_.first = 50000;
  port_options_.last = 50000;
  Start();
  ASSERT_EQ(Allocate(), 0);
  const Endpoint other = At("203.0.113.9", 5001);
  Challenge(other);
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), other)),
            508);
}

TEST_F(TurnServerTest, QuotaPerSubject) {
  options_.allocation_quota.per_subject = 3;
  Start();
  for (uint16_t i = 0; i < 4; ++i) {
    const Endpoint from = At("203.0.113.9", static_cast<uint16_t>(6000 + i));
    Challenge(from);
    EXPECT_EQ(TurnTestClient::CodeOf(
                  Deliver(client_->Signed(StunMethod::kAllocate, Udp), from)),
              i < 3 ? 0 : 486);
  }
  // Another subject is not affected.
  client_.emplace(now_.wall, random_, absl::Hours(1), "other");
  EXPECT_EQ(Allocate(), 0);
}

TEST_F(TurnServerTest, QuotaPerTenant) {
  options_.allocation_quota.per_tenant = 1;
  Start();
  ASSERT_EQ(Allocate(), 0);
  client_.emplace(now_.wall, random_, absl::Hours(1), "other");
  const Endpoint from = At("203.0.113.9", 6000);
  Challenge(from);
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), from)),
            486);
  client_.emplace(now_.wall, random_, absl::Hours(1), "other", "second");
  client_->TakeChallenge(
      Deliver(client_->Bare(StunMethod::kAllocate, Udp), from));
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), from)),
            0);
}

TEST_F(TurnServerTest, DrainRefusesNewAllocationsAndKeepsTheOld) {
  ASSERT_EQ(Allocate(), 0);
  server_->StartDrain();
  EXPECT_EQ(Ask(StunMethod::kRefresh), 0);
  const Endpoint from = At("203.0.113.9", 6000);
  Challenge(from);
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp), from)),
            508);
}

TEST_F(TurnServerTest, LifetimesAreGrantedWithinBounds) {
  const auto with = [](uint32_t seconds) {
    return [seconds](StunWriter& w) {
      Udp(w);
      w.AddUint32(attr::kLifetime, seconds);
    };
  };
  ASSERT_EQ(Allocate(with(1)), 0);
  EXPECT_EQ(LifetimeOf(answer_), 600u);
  ASSERT_EQ(Ask(StunMethod::kRefresh, with(1800)), 0);
  EXPECT_EQ(LifetimeOf(answer_), 1800u);
  // One hour by configuration and by the credential's end.
  ASSERT_EQ(Ask(StunMethod::kRefresh, with(0xFFFFFFFF)), 0);
  EXPECT_EQ(LifetimeOf(answer_), 3600u);
  Advance(absl::Minutes(5));
  ASSERT_EQ(Ask(StunMethod::kRefresh, with(0xFFFFFFFF)), 0);
  EXPECT_EQ(LifetimeOf(answer_), 3300u);
}

TEST_F(TurnServerTest, ExpiryClosesTheSocketAndRestsThePort) {  // AVE-28
  ASSERT_EQ(Allocate(), 0);
  const SocketId socket = relay();
  EXPECT_EQ(server_->deadline(), now_.mono + absl::Minutes(10));
  Advance(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_TRUE(closed_.empty());
  Advance(absl::Seconds(1));
  EXPECT_EQ(closed_, std::vector<SocketId>{socket});
  EXPECT_EQ(server_->allocations().size(), 0u);
  EXPECT_EQ(ports_->out_count(), 0u);
}

// AVE-20: decided so: the allocation ends with its credential.
TEST_F(TurnServerTest, CredentialExpiryEndsTheAllocation) {
  client_.emplace(now_.wall, random_, absl::Minutes(3));
  ASSERT_EQ(Allocate(), 0);
  EXPECT_EQ(LifetimeOf(answer_), 180u);
  Advance(absl::Minutes(3));
  EXPECT_EQ(closed_.size(), 1u);
}

TEST_F(TurnServerTest, RevocationEndsTheAllocationAtOnce) {
  ASSERT_EQ(Allocate(), 0);
  Revocations revocations;
  revocations.subjects.insert(RevokedSubjectKey("default", "subject"));
  SocketActions sockets;
  server_->OnKeys(TestKeys(now_.wall, std::move(revocations)), now_, sockets);
  Perform(std::move(sockets));
  EXPECT_EQ(closed_.size(), 1u);
  EXPECT_EQ(Ask(StunMethod::kRefresh), 401);
}

TEST_F(TurnServerTest, KeyRotationWithOverlapKeepsAllocations) {
  ASSERT_EQ(Allocate(), 0);
  std::vector<VerificationKey> keys(2);
  for (uint32_t i = 0; i < 2; ++i) {
    keys[i].id = 7 + i;
    keys[i].secret = TestKey(i == 0 ? 'k' : 'n');
    keys[i].not_before = now_.wall - absl::Hours(1);
    keys[i].not_after = now_.wall + absl::Hours(8);
  }
  SocketActions sockets;
  server_->OnKeys(
      std::make_shared<const CredentialKeys>(2, std::move(keys), Revocations()),
      now_, sockets);
  EXPECT_TRUE(sockets.empty());
  EXPECT_EQ(Ask(StunMethod::kRefresh), 0);
}

// AVE-47.
TEST_F(TurnServerTest, RefreshWithZeroEnds) {
  ASSERT_EQ(Allocate(), 0);
  EXPECT_EQ(Ask(StunMethod::kRefresh,
                [](StunWriter& w) { w.AddUint32(attr::kLifetime, 0); }),
            0);
  EXPECT_EQ(LifetimeOf(answer_), 0u);
  EXPECT_EQ(closed_.size(), 1u);
  EXPECT_EQ(Ask(StunMethod::kRefresh), 437);
}

TEST_F(TurnServerTest, RefreshOfAnotherFamily443) {
  ASSERT_EQ(Allocate(), 0);
  EXPECT_EQ(Ask(StunMethod::kRefresh,
                [](StunWriter& w) {
                  w.AddUint32(attr::kRequestedAddressFamily, 2u << 24);
                }),
            443);
}

// AVE-26 through the whole path: ports of 2000 allocations, chi-square over
// 20 bins, 19 degrees of freedom, 0.1 %.
TEST_F(TurnServerTest, PortsAreUniform) {
  options_.allocation_quota.per_subject = 100000;
  options_.authenticator.unauthenticated_replies_per_second = 0;
  port_options_.quarantine = absl::ZeroDuration();
  Start();
  std::vector<int> bins(20);
  for (int i = 0; i < 2000; ++i) {
    opened_.clear();
    ASSERT_EQ(Allocate(), 0);
    ++bins[(opened_[0].local.port - 50000) / 500];
    ASSERT_EQ(Ask(StunMethod::kRefresh,
                  [](StunWriter& w) { w.AddUint32(attr::kLifetime, 0); }),
              0);
  }
  double chi_square = 0;
  for (const int n : bins) chi_square += (n - 100.0) * (n - 100.0) / 100.0;
  EXPECT_LT(chi_square, 43.8);
}

}  // namespace
}  // namespace sallyport::media_relay
