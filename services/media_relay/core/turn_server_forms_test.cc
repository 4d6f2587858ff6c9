// Issue 4: the 29 address forms of research/media.md and more, over every way
// that a client comes and every family of allocation: no grant. Both dialects.

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/address_forms.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

// How a client comes. TLS and pseudo-TLS are streams to the core.
struct Way {
  const char* name;
  SocketId socket;
  ClientTransport transport;
  const char* client;
};

class TurnServerFormsTest : public TurnServerTest,
                            public testing::WithParamInterface<Way> {
 protected:
  ClientPath Path(int i = 0) const {
    const Way& way = GetParam();
    const SocketId socket = way.socket == kListener
                                ? kListener
                                : way.socket + static_cast<SocketId>(i);
    return {socket, At(way.client, static_cast<uint16_t>(5000 + i)),
            way.transport};
  }
  // One message of this dialect or that, as the way carries it.
  std::string Say(const ClientPath& path, const std::string& wire,
                  uint8_t ms_type = 0) {
    SocketActions sockets;
    bool broken = false;
    if (!path.is_stream()) {
      Load(wire);
      action_ = server_->OnClientPacket(path, packet_, absl::MakeSpan(reply_),
                                        now_, sockets);
    } else if (ms_type != 0) {
      action_ =
          server_->OnMsTurnUnit(path, ms_type, AsBytes(wire),
                                absl::MakeSpan(reply_), now_, sockets, broken);
    } else {
      action_ = server_->OnStreamUnit(
          path, AsBytes(wire), absl::MakeSpan(reply_), now_, sockets, broken);
    }
    Perform(std::move(sockets));
    EXPECT_FALSE(broken);
    std::string answer = action_.sends() ? ToString(action_.bytes) : "";
    if (ms_type != 0 && path.is_stream() && !answer.empty()) {
      answer.erase(0, 4);
    }
    return answer;
  }
  int Do(const ClientPath& path, StunMethod method,
         const TurnTestClient::Fill& fill) {
    return TurnTestClient::CodeOf(Say(path, client_->Signed(method, fill)));
  }
  void Open(const ClientPath& path) {
    if (path.has_connection()) {
      ASSERT_TRUE(server_->OnStreamOpened(path.socket, path.client.ip, now_));
    }
  }
  int AllocateBy(const ClientPath& path, const TurnTestClient::Fill& fill) {
    client_->TakeChallenge(
        Say(path, client_->Bare(StunMethod::kAllocate, fill)));
    return Do(path, StunMethod::kAllocate, fill);
  }
};

// AVE-01: nobody reaches an inside address through the relay, by any spelling,
// way or family.
TEST_P(TurnServerFormsTest, NoneIsGrantedByTurn) {
  const ClientPath path = Path();
  Open(path);
  // Both families at once, so that no form is refused for its family alone.
  ASSERT_EQ(AllocateBy(path,
                       [](StunWriter& w) {
                         Udp(w);
                         w.AddUint32(attr::kAdditionalAddressFamily, 2u << 24);
                       }),
            0);
  ASSERT_EQ(server_->allocations().size(), 2u);
  const SocketId v4 = opened_[0].socket;
  const SocketId v6 = opened_[1].socket;
  uint16_t channel = 0x4000;
  for (const char* form : kForbiddenAddressForms) {
    const Endpoint peer = At(form, 40000);
    EXPECT_EQ(Do(path, StunMethod::kCreatePermission, Peer(peer)), 403) << form;
    EXPECT_EQ(Do(path, StunMethod::kChannelBind, Channel(channel, peer)), 403)
        << form;
    EXPECT_EQ(
        Say(path, std::string("\x40", 1) + static_cast<char>(channel & 0xFF) +
                      std::string("\x00\x04"
                                  "data",
                                  6)),
        "")
        << form;
    EXPECT_EQ(action_.drop, DropReason::kUnboundChannel) << form;
    ++channel;
    EXPECT_EQ(Say(path, client_->Bare(
                            StunMethod::kSend,
                            [&](StunWriter& w) {
                              w.AddXorAddress(attr::kXorPeerAddress, peer);
                              w.AddBytes(attr::kData, {1});
                            },
                            StunClass::kIndication)),
              "")
        << form;
    EXPECT_EQ(action_.drop, DropReason::kPeerRefused) << form;
    EXPECT_EQ(DeliverFromPeer(peer.ip.is_v6() ? v6 : v4, peer, "x"), "");
  }
  for (Allocation* allocation : server_->allocations().All()) {
    EXPECT_EQ(allocation->permission_count(now_.mono), 0u);
    EXPECT_EQ(allocation->channel_count(now_.mono), 0u);
  }
  EXPECT_EQ(server_->stats().packets_to_peers, 0u);
}

TEST_P(TurnServerFormsTest, NoneIsConnectedTo) {
  const ClientPath path = Path();
  Open(path);
  const auto tcp = [](StunWriter& w) {
    w.AddUint32(attr::kRequestedTransport, 6u << 24);
    w.AddUint32(attr::kAdditionalAddressFamily, 2u << 24);
  };
  // RFC 6062 section 4.1: over connections alone.
  ASSERT_EQ(AllocateBy(path, tcp), path.is_stream() ? 0 : 400);
  for (const char* form : kForbiddenAddressForms) {
    EXPECT_EQ(Do(path, StunMethod::kConnect, Peer(At(form, 40000))),
              path.is_stream() ? 403 : 437)
        << form;
  }
  EXPECT_TRUE(others_.empty());  // nothing was connected
}

TEST_P(TurnServerFormsTest, NoneIsGrantedByTheDialect) {
  namespace ms = ms_turn_attribute;
  std::string username;
  std::string password;
  absl::WebSafeBase64Unescape(client_->username, &username);
  absl::WebSafeBase64Unescape(client_->password, &password);
  std::string nonce;
  std::string connection;
  const auto value_of = [](const std::string& answer, uint16_t type) {
    for (size_t at = 20; at + 4 <= answer.size();) {
      const auto octet = [&](size_t i) {
        return static_cast<uint8_t>(answer[at + i]);
      };
      const size_t size = static_cast<size_t>(octet(2) << 8 | octet(3));
      if ((octet(0) << 8 | octet(1)) == type) {
        return answer.substr(at + 4, size);
      }
      at += 4 + size;
    }
    return std::string();
  };
  const auto message = [&](MsTurnType type, bool sign,
                           const std::function<void(MsTurnWriter&)>& fill) {
    MsTurnId id;
    random_.Fill(absl::MakeSpan(id));
    std::array<uint8_t, 2048> buffer;
    MsTurnWriter writer(absl::MakeSpan(buffer), type, id);
    writer.AddUint32(ms::kVersion, 1);
    if (sign) {
      writer.AddBytes(ms::kUsername, AsBytes(username));
      if (type == MsTurnType::kAllocate) {
        writer.AddBytes(ms::kRealm, AsBytes("sallyport"));
        writer.AddBytes(ms::kNonce, AsBytes(nonce));
      }
    }
    if (fill) fill(writer);
    if (sign) {
      writer.AddIntegrity(LongTermKey::Derive(PasswordAlgorithm::kMd5, username,
                                              "sallyport", password)
                              .bytes(),
                          MsTurnIntegrity::kSha1);
    }
    return ToString(writer.finished());
  };
  for (const uint8_t family : {uint8_t{1}, uint8_t{2}}) {
    const ClientPath path = Path(family);
    Open(path);
    opened_.clear();
    nonce = value_of(Say(path, message(MsTurnType::kAllocate, false, nullptr),
                         kMsTurnControl),
                     ms::kNonce);
    const std::string made =
        Say(path,
            message(MsTurnType::kAllocate, true,
                    [&](MsTurnWriter& w) {
                      w.AddUint32(ms::kRequestedAddressFamily, family << 24);
                    }),
            kMsTurnControl);
    connection = value_of(made, ms::kSequenceNumber).substr(0, 20);
    ASSERT_EQ(connection.size(), 20u) << int{family};
    ASSERT_EQ(opened_.size(), 1u);
    uint32_t number = 0;
    for (const char* form : kForbiddenAddressForms) {
      const Endpoint peer = At(form, 40000);
      const auto to = [&](MsTurnWriter& w) {
        w.AddAddress(ms::kDestinationAddress, peer);
        ++number;
        w.AddBytes(ms::kSequenceNumber,
                   AsBytes(connection + std::string(2, '\0') +
                           static_cast<char>(number >> 8) +
                           static_cast<char>(number)));
        w.AddBytes(ms::kData, AsBytes("x"));
      };
      EXPECT_EQ(Say(path, message(MsTurnType::kSend, true, to), kMsTurnControl),
                "")
          << form;
      const std::string refused =
          Say(path, message(MsTurnType::kSetActive, true, to), kMsTurnControl);
      ASSERT_GE(refused.size(), 20u) << form;
      EXPECT_EQ(refused.substr(0, 2), std::string("\x01\x16", 2)) << form;
      EXPECT_EQ(Say(path, "\x80nowhere", kMsTurnData), "") << form;
      if (path.is_stream()) {
        bool framed = false;
        PacketAction told;
        EXPECT_EQ(server_->OnPeerAccepted(relay(), peer, absl::MakeSpan(reply_),
                                          now_, told, framed),
                  kNoSocket)
            << form;
      } else {
        EXPECT_EQ(DeliverFromPeer(relay(), peer, "x"), "") << form;
      }
    }
  }
  for (Allocation* allocation : server_->allocations().All()) {
    EXPECT_EQ(allocation->permission_count(now_.mono), 0u);
  }
  EXPECT_TRUE(others_.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, TurnServerFormsTest,
    testing::Values(Way{"Udp", kListener, ClientTransport::kUdp, "203.0.113.9"},
                    Way{"UdpV6", kListener, ClientTransport::kUdp,
                        "2001:db8:5::9"},
                    Way{"Tcp", kFirstStreamSocket + 5, ClientTransport::kTcp,
                        "203.0.113.9"},
                    Way{"TcpV6", kFirstStreamSocket + 5, ClientTransport::kTcp,
                        "2001:db8:5::9"},
                    Way{"Tls", kFirstStreamSocket + 5, ClientTransport::kTls,
                        "203.0.113.9"},
                    Way{"PseudoTls", kFirstStreamSocket + 5,
                        ClientTransport::kPseudoTls, "203.0.113.9"},
                    Way{"Dtls", kFirstDtlsSocket + 5, ClientTransport::kDtls,
                        "203.0.113.9"},
                    Way{"DtlsV6", kFirstDtlsSocket + 5, ClientTransport::kDtls,
                        "2001:db8:5::9"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sallyport::media_relay
