// A TURN server under test, with a client and a loop that performs what the
// server asks for.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_SERVER_FIXTURE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_SERVER_FIXTURE_H_

#include <array>
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
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {

inline constexpr SocketId kListener = 1;

inline Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

inline const Endpoint kPeer = At("8.8.8.8", 40000);

inline void Udp(StunWriter& w) {
  w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
}

inline TurnTestClient::Fill Peer(const Endpoint& peer) {
  return [peer](StunWriter& w) {
    w.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
  };
}

inline TurnTestClient::Fill Channel(uint16_t number, const Endpoint& peer) {
  return [=](StunWriter& w) {
    w.AddUint32(stun_attribute::kChannelNumber, static_cast<uint32_t>(number)
                                                    << 16);
    w.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
  };
}

class TurnServerTest : public testing::Test {
 protected:
  TurnServerTest() {
    options_.ipv4 = RelayInterface{*IpAddress::Parse("10.0.0.1"),
                                   *IpAddress::Parse("198.51.100.1")};
    options_.ipv6 = RelayInterface{*IpAddress::Parse("2001:db8::1"),
                                   *IpAddress::Parse("2001:db8::1")};
    Start();
  }

  void Start() {
    ids_.emplace();
    ports_.emplace(random_, port_options_);
    policy_.emplace(policy_options_);
    server_.emplace(options_, *policy_, *ports_, *ids_, random_);
    SocketActions sockets;
    server_->OnKeys(TestKeys(now_.wall), now_, sockets);
    server_->OnDeadline(now_, sockets);
    client_.emplace(now_.wall, random_);
  }

  // Delivers to the listener and performs what is asked for; returns what is
  // sent.
  std::string Deliver(const std::string& wire,
                      const Endpoint& from = At("203.0.113.9", 5000)) {
    Load(wire);
    SocketActions sockets;
    action_ = server_->OnClientPacket({kListener, from}, packet_,
                                      absl::MakeSpan(reply_), now_, sockets);
    Perform(std::move(sockets));
    return action_.sends() ? ToString(action_.bytes) : "";
  }

  std::string DeliverFromPeer(SocketId socket, const Endpoint& peer,
                              const std::string& payload) {
    Load(payload);
    action_ = server_->OnPeerPacket(socket, peer, packet_, now_);
    return action_.sends() ? ToString(action_.bytes) : "";
  }

  void Load(const std::string& wire) {
    buffer_.assign(kPacketHeadroom + wire.size() + kPacketTailroom, 0xEE);
    std::memcpy(buffer_.data() + kPacketHeadroom, wire.data(), wire.size());
    packet_ = Packet{buffer_.data() + kPacketHeadroom, wire.size(),
                     kPacketHeadroom, kPacketTailroom};
  }

  void Perform(SocketActions sockets) {
    while (!sockets.empty()) {
      SocketActions next;
      for (const SocketAction& action : sockets) {
        if (const auto* close = std::get_if<CloseSocket>(&action)) {
          closed_.push_back(close->socket);
          open_.erase(close->socket);
          continue;
        }
        OpenSocket open;
        if (const auto* udp = std::get_if<OpenSocket>(&action)) {
          open = *udp;
        } else if (const auto* tcp = std::get_if<OpenTcp>(&action)) {
          open = {tcp->socket, tcp->local};
        } else {
          others_.push_back(action);
          continue;
        }
        opened_.push_back(open);
        absl::Status status;
        if (fail_next_ > 0) {
          --fail_next_;
          status = absl::Status(fail_code_, "");
        } else {
          open_.insert(open.socket);
        }
        action_ = server_->OnSocketOpened(open.socket, status,
                                          absl::MakeSpan(reply_), now_, next);
      }
      sockets = std::move(next);
    }
  }

  void Challenge(const Endpoint& from = At("203.0.113.9", 5000)) {
    client_->TakeChallenge(
        Deliver(client_->Bare(StunMethod::kAllocate, Udp), from));
  }

  int Allocate(const TurnTestClient::Fill& fill = Udp) {
    Challenge();
    answer_ = Deliver(client_->Signed(StunMethod::kAllocate, fill));
    return TurnTestClient::CodeOf(answer_);
  }

  int Ask(StunMethod method, const TurnTestClient::Fill& fill = nullptr) {
    answer_ = Deliver(client_->Signed(method, fill));
    return TurnTestClient::CodeOf(answer_);
  }

  void Advance(absl::Duration d) {
    now_.mono += d;
    now_.wall += d;
    SocketActions sockets;
    server_->OnDeadline(now_, sockets);
    Perform(std::move(sockets));
  }

  uint32_t LifetimeOf(const std::string& answer) {
    return ParseStunMessage(AsBytes(answer))
        ->FindUint32(stun_attribute::kLifetime)
        .value_or(0);
  }

  SocketId relay() const { return opened_.back().socket; }

  FakeRandom random_;
  TurnServerOptions options_;
  PortPoolOptions port_options_;
  PeerPolicyOptions policy_options_;
  std::optional<SocketIds> ids_;
  std::optional<PortPool> ports_;
  std::optional<PeerPolicy> policy_;
  std::optional<TurnServer> server_;
  std::optional<TurnTestClient> client_;
  Now now_{MonoTime::FromOrigin(absl::Hours(50)),
           absl::FromUnixSeconds(1'800'000'000)};
  std::vector<uint8_t> buffer_;
  Packet packet_;
  std::array<uint8_t, kReplySize> reply_;
  PacketAction action_;
  std::string answer_;
  std::vector<OpenSocket> opened_;
  std::vector<SocketId> closed_;
  std::set<SocketId> open_;
  std::vector<SocketAction> others_;  // neither opened nor closed
  int fail_next_ = 0;
  absl::StatusCode fail_code_ = absl::StatusCode::kAlreadyExists;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_SERVER_FIXTURE_H_
