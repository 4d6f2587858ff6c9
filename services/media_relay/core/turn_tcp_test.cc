// TCP allocations: RFC 6062.

#include "services/media_relay/core/turn_tcp.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/address_forms.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

void Tcp(StunWriter& w) { w.AddUint32(attr::kRequestedTransport, 6u << 24); }

TurnTestClient::Fill Id(uint32_t id) {
  return [id](StunWriter& w) { w.AddUint32(attr::kConnectionId, id); };
}

class TurnTcpTest : public TurnServerTest {
 protected:
  TurnTcpTest() {
    // Every request here is challenged first.
    options_.authenticator.unauthenticated_replies_per_second = 0;
    Start();
    Open(kControl);
  }

  void Open(SocketId stream) {
    EXPECT_TRUE(server_->OnStreamOpened(stream, At("203.0.113.9", 0).ip, now_));
  }

  int Say(const std::string& unit, SocketId stream = kControl) {
    SocketActions sockets;
    bool broken = false;
    action_ = server_->OnStreamUnit(
        {stream, At("203.0.113.9", static_cast<uint16_t>(stream & 0xFFF)),
         ClientTransport::kTcp},
        AsBytes(unit), absl::MakeSpan(reply_), now_, sockets, broken);
    EXPECT_FALSE(broken);
    Perform(std::move(sockets));
    answer_ = action_.sends() ? ToString(action_.bytes) : "";
    return TurnTestClient::CodeOf(answer_);
  }

  // With a nonce of its own, since each connection has its own address.
  int Ask(StunMethod method, const TurnTestClient::Fill& fill,
          SocketId stream = kControl) {
    Say(client_->Bare(StunMethod::kAllocate, Tcp), stream);
    client_->TakeChallenge(answer_);
    return Say(client_->Signed(method, fill), stream);
  }

  // The connection that is being made.
  SocketId Connecting() const {
    return others_.empty() ? kNoSocket
                           : std::get<ConnectPeer>(others_.back()).socket;
  }
  int Connected(SocketId peer, const absl::Status& status = absl::OkStatus()) {
    SocketActions sockets;
    action_ = server_->OnPeerConnected(peer, status, absl::MakeSpan(reply_),
                                       now_, sockets);
    Perform(std::move(sockets));
    answer_ = action_.sends() ? ToString(action_.bytes) : "";
    return TurnTestClient::CodeOf(answer_);
  }
  uint32_t IdOf(const std::string& answer) {
    return ParseStunMessage(AsBytes(answer))
        ->FindUint32(attr::kConnectionId)
        .value_or(0);
  }
  // A connection to kPeer that waits to be bound.
  uint32_t ConnectToPeer() {
    EXPECT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), -1);
    EXPECT_EQ(Connected(Connecting()), 0);
    return IdOf(answer_);
  }

  static constexpr SocketId kControl = kFirstStreamSocket + 1;
  static constexpr SocketId kData = kFirstStreamSocket + 2;
};

TEST_F(TurnTcpTest, ListensOnlyForClientsOnConnections) {
  // Section 5.1.
  Challenge();
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Tcp))),
            400);
  EXPECT_EQ(Ask(StunMethod::kAllocate,
                [](StunWriter& w) {
                  Tcp(w);
                  w.AddBytes(attr::kEvenPort, {0x00});
                }),
            400);
  EXPECT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  EXPECT_EQ(opened_.back().local.ip.ToString(), "10.0.0.1");
  // Neither channels nor Send.
  EXPECT_EQ(Ask(StunMethod::kChannelBind, Channel(0x4001, kPeer)), 403);
  Say(client_->Bare(
      StunMethod::kSend,
      [](StunWriter& w) {
        w.AddXorAddress(attr::kXorPeerAddress, kPeer);
        w.AddBytes(attr::kData, {1});
      },
      StunClass::kIndication));
  EXPECT_EQ(action_.drop, DropReason::kMalformedSend);
}

TEST_F(TurnTcpTest, ConnectsBindsAndJoins) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  ASSERT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), -1);
  const ConnectPeer connect = std::get<ConnectPeer>(others_.back());
  EXPECT_EQ(connect.peer, kPeer);
  EXPECT_EQ(connect.local, opened_.back().local);
  // While it is being made, and once it is there.
  EXPECT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), 446);
  ASSERT_EQ(Connected(connect.socket), 0);
  EXPECT_EQ(action_.socket, kControl);
  const uint32_t id = IdOf(answer_);
  EXPECT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), 446);

  Open(kData);
  ASSERT_EQ(Ask(StunMethod::kConnectionBind, Id(id), kData), 0);
  EXPECT_EQ(action_.socket, kData);
  const JoinStreams join = std::get<JoinStreams>(others_.back());
  EXPECT_EQ(join.client, kData);
  EXPECT_EQ(join.peer, connect.socket);
  // It stays, and cannot be had twice.
  Open(kData + 1);
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, Id(id), kData + 1), 400);
  Advance(absl::Minutes(5));
  EXPECT_EQ(closed_, std::vector<SocketId>{kData + 1});
  // The peer ends it: the client's ends too.
  closed_.clear();
  SocketActions sockets;
  server_->OnPeerClosed(connect.socket, sockets);
  Perform(std::move(sockets));
  EXPECT_EQ(closed_, (std::vector<SocketId>{connect.socket, kData}));
  EXPECT_EQ(server_->streams(), 1u);
}

TEST_F(TurnTcpTest, FailuresAndTimeoutsOfPeersAre447) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  ASSERT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), -1);
  const SocketId failed = Connecting();
  EXPECT_EQ(Connected(failed, absl::UnavailableError("")), 447);
  // Answered once; another may be tried.
  EXPECT_EQ(Connected(failed, absl::UnavailableError("")), -1);
  EXPECT_EQ(action_.drop, DropReason::kUnknownSocket);
  EXPECT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), -1);
}

TEST_F(TurnTcpTest, WhatIsNotBoundIn30SecondsIsClosed) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  const uint32_t id = ConnectToPeer();
  const SocketId peer = Connecting();
  Advance(absl::Seconds(29));
  EXPECT_TRUE(closed_.empty());
  Advance(absl::Seconds(1));
  EXPECT_EQ(closed_, std::vector<SocketId>{peer});
  Open(kData);
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, Id(id), kData), 400);
}

TEST_F(TurnTcpTest, PeersConnectWithPermissionOnly) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  PacketAction indication;
  bool framed = false;
  const Endpoint from = At("8.8.8.8", 7777);
  EXPECT_EQ(server_->OnPeerAccepted(relay(), from, absl::MakeSpan(reply_), now_,
                                    indication, framed),
            kNoSocket);
  EXPECT_EQ(indication.drop, DropReason::kNoPermission);
  ASSERT_EQ(Ask(StunMethod::kCreatePermission, Peer(kPeer)), 0);
  const SocketId peer = server_->OnPeerAccepted(
      relay(), from, absl::MakeSpan(reply_), now_, indication, framed);
  ASSERT_NE(peer, kNoSocket);
  EXPECT_EQ(indication.socket, kControl);
  const auto told = ParseStunMessage(indication.bytes);
  ASSERT_TRUE(told.ok());
  EXPECT_TRUE(told->Is(StunClass::kIndication, StunMethod::kConnectionAttempt));
  EXPECT_EQ(told->FindXorAddress(attr::kXorPeerAddress), from);
  const uint32_t id = *told->FindUint32(attr::kConnectionId);
  Open(kData);
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, Id(id), kData), 0);
  // The permission has expired: nobody new.
  Advance(kPermissionLifetime);
  EXPECT_EQ(
      server_->OnPeerAccepted(relay(), At("8.8.8.8", 7778),
                              absl::MakeSpan(reply_), now_, indication, framed),
      kNoSocket);
}

// The 29 forms and more, over Connect and over what comes in.
TEST_F(TurnTcpTest, ForbiddenAddressesAreNeverReached) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  Open(kControl + 10);
  ASSERT_EQ(Ask(
                StunMethod::kAllocate,
                [](StunWriter& w) {
                  Tcp(w);
                  w.AddUint32(attr::kRequestedAddressFamily, 2u << 24);
                },
                kControl + 10),
            0);
  const SocketId relay6 = opened_.back().socket;
  const SocketId relay4 = opened_.front().socket;
  for (const char* form : kForbiddenAddressForms) {
    const Endpoint peer = At(form, 40000);
    const SocketId control = peer.ip.is_v6() ? kControl + 10 : kControl;
    EXPECT_EQ(Ask(StunMethod::kConnect, Peer(peer), control), 403) << form;
    EXPECT_EQ(Ask(StunMethod::kConnect, Peer(peer),
                  peer.ip.is_v6() ? kControl : kControl + 10),
              443)
        << form;
    bool framed = false;
    PacketAction indication;
    EXPECT_EQ(server_->OnPeerAccepted(peer.ip.is_v6() ? relay6 : relay4, peer,
                                      absl::MakeSpan(reply_), now_, indication,
                                      framed),
              kNoSocket)
        << form;
  }
  EXPECT_TRUE(others_.empty());
  // Well-known services stay out of reach.
  EXPECT_EQ(Ask(StunMethod::kConnect, Peer(At("8.8.8.8", 25))), 403);
}

TEST_F(TurnTcpTest, OthersBindNothing) {
  EXPECT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), 437);
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  EXPECT_EQ(Ask(StunMethod::kConnect, nullptr), 400);
  const uint32_t id = ConnectToPeer();
  // Over the control connection, with a wrong id, by another user.
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, Id(id)), 400);
  Open(kData);
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, Id(id ^ 1), kData), 400);
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, nullptr, kData), 400);
  client_.emplace(now_.wall, random_, absl::Hours(1), "other");
  EXPECT_EQ(Ask(StunMethod::kConnectionBind, Id(id), kData), 400);
  EXPECT_EQ(Ask(StunMethod::kConnect, Peer(kPeer)), 441);
  // And over UDP.
  client_->TakeChallenge(Deliver(client_->Bare(StunMethod::kAllocate, Udp)));
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kConnectionBind, Id(id)))),
            400);
}

TEST_F(TurnTcpTest, TheAllocationsEndEndsAll) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  const SocketId listener = relay();
  const uint32_t id = ConnectToPeer();
  const SocketId peer = Connecting();
  Open(kData);
  ASSERT_EQ(Ask(StunMethod::kConnectionBind, Id(id), kData), 0);
  ASSERT_EQ(Ask(StunMethod::kConnect, Peer(At("8.8.4.4", 40000))), -1);
  const SocketId connecting = Connecting();
  SocketActions sockets;
  server_->OnStreamClosed(kControl, now_, sockets);
  Perform(std::move(sockets));
  EXPECT_EQ(closed_,
            (std::vector<SocketId>{peer, kData, connecting, listener}));
  EXPECT_EQ(server_->streams(), 0u);
  // What comes too late is nobody's.
  EXPECT_EQ(Connected(connecting), -1);
}

TEST_F(TurnTcpTest, ABindForAnotherLoopIsMovedThereAndBackAgain) {
  ASSERT_EQ(Ask(StunMethod::kAllocate, Tcp), 0);
  const uint32_t id = ConnectToPeer();
  Open(kData);
  // An id of loop 5.
  ASSERT_EQ(Ask(StunMethod::kConnectionBind, Id(5u << 24 | 1), kData), -1);
  const MoveStream move = std::get<MoveStream>(others_.back());
  EXPECT_EQ(move.stream, kData);
  EXPECT_EQ(move.loop, 5u);
  std::optional<BindTicket> ticket = server_->TakeTicket(kData);
  ASSERT_TRUE(ticket.has_value());
  EXPECT_FALSE(server_->TakeTicket(kData).has_value());
  // As if it had come here: authenticated there, so only who and which counts.
  ticket->connection_id = id;
  SocketActions sockets;
  const ClientPath path = {kData, At("203.0.113.9", 2)};
  action_ = server_->OnMovedBind(*ticket, path, absl::MakeSpan(reply_), now_,
                                 sockets);
  ASSERT_TRUE(action_.sends());
  EXPECT_EQ(TurnTestClient::CodeOf(ToString(action_.bytes)), 0);
  EXPECT_EQ(std::get<JoinStreams>(sockets[0]).client, kData);
  ticket->username = "another";
  action_ = server_->OnMovedBind(*ticket, path, absl::MakeSpan(reply_), now_,
                                 sockets);
  EXPECT_EQ(TurnTestClient::CodeOf(ToString(action_.bytes)), 400);
}

}  // namespace
}  // namespace sallyport::media_relay
