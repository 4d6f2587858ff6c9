// The A/V Edge dialect, through the TURN server that it shares ports with.

#include "services/media_relay/core/ms_turn_server.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/address_forms.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/ms_turn_state.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = ms_turn_attribute;
using Fill = std::function<void(MsTurnWriter&)>;

// The parser takes requests alone; answers are read here, attribute by
// attribute.
std::string ValueOf(const std::string& answer, uint16_t type) {
  for (size_t at = 20; at + 4 <= answer.size();) {
    const auto octet = [&](size_t i) {
      return static_cast<uint8_t>(answer[at + i]);
    };
    const size_t size = static_cast<size_t>(octet(2) << 8 | octet(3));
    if ((octet(0) << 8 | octet(1)) == type) return answer.substr(at + 4, size);
    at += 4 + size;
  }
  return "";
}

int TypeOf(const std::string& answer) {
  return answer.size() < 20 ? -1
                            : static_cast<uint8_t>(answer[0]) << 8 |
                                  static_cast<uint8_t>(answer[1]);
}

int CodeOf(const std::string& answer) {
  const std::string code = ValueOf(answer, attr::kErrorCode);
  return code.size() != 4 ? 0 : code[2] * 100 + code[3];
}

class MsTurnServerTest : public TurnServerTest {
 protected:
  MsTurnServerTest() {
    absl::WebSafeBase64Unescape(client_->username, &username_);
    absl::WebSafeBase64Unescape(client_->password, &password_);
  }

  std::string Message(MsTurnType type, const Fill& fill, bool sign) {
    random_.Fill(absl::MakeSpan(id_));
    std::array<uint8_t, 2048> buffer;
    MsTurnWriter writer(absl::MakeSpan(buffer), type, id_);
    writer.AddUint32(attr::kVersion, version_);
    if (sign) {
      writer.AddBytes(attr::kUsername, AsBytes(username_));
      if (type == MsTurnType::kAllocate) {
        writer.AddBytes(attr::kRealm, AsBytes(realm_));
        writer.AddBytes(attr::kNonce, AsBytes(nonce_));
      }
    }
    if (fill) fill(writer);
    if (sign) {
      writer.AddIntegrity(
          LongTermKey::Derive(algorithm_, username_, "sallyport", password_)
              .bytes(),
          integrity_);
    }
    return ToString(writer.finished());
  }

  int AllocateMs(const Fill& fill = nullptr) {
    const std::string challenge =
        Deliver(Message(MsTurnType::kAllocate, nullptr, false));
    EXPECT_EQ(CodeOf(challenge), 401);
    realm_ = ValueOf(challenge, attr::kRealm);
    nonce_ = ValueOf(challenge, attr::kNonce);
    answer_ = Deliver(Message(MsTurnType::kAllocate, fill, true));
    if (TypeOf(answer_) == 0x0103) {
      connection_ = ValueOf(answer_, attr::kSequenceNumber).substr(0, 20);
    }
    return CodeOf(answer_);
  }

  Fill To(const Endpoint& peer, std::string_view data, uint32_t number) {
    return [=, this](MsTurnWriter& w) {
      w.AddAddress(attr::kDestinationAddress, peer);
      std::string sequence = connection_;
      for (int shift = 24; shift >= 0; shift -= 8) {
        sequence.push_back(static_cast<char>(number >> shift));
      }
      w.AddBytes(attr::kSequenceNumber, AsBytes(sequence));
      if (!data.empty()) w.AddBytes(attr::kData, AsBytes(data));
    };
  }
  std::string Send(const Endpoint& peer, std::string_view data,
                   uint32_t number) {
    return Deliver(Message(MsTurnType::kSend, To(peer, data, number), true));
  }

  std::string username_;
  std::string password_;
  std::string realm_;
  std::string nonce_;
  std::string connection_;
  MsTurnId id_ = {};
  uint32_t version_ = 1;
  PasswordAlgorithm algorithm_ = PasswordAlgorithm::kMd5;
  MsTurnIntegrity integrity_ = MsTurnIntegrity::kSha1;
};

// A Send opens a permission, for which there may be no memory; what is open
// stays so.
TEST_F(MsTurnServerTest, WithoutMemoryNoPermissionOpens) {
  class Gate final : public MemoryGate {
   public:
    bool Take(MemoryUse use) override {
      return open || use != MemoryUse::kPermission;
    }
    bool open = true;
  } gate;
  server_->SetMemory(gate);
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(Send(kPeer, "one", 1), "one");
  gate.open = false;
  EXPECT_EQ(Send(kPeer, "two", 2), "two");
  const Endpoint other = At("8.8.4.4", 40000);
  EXPECT_EQ(Send(other, "three", 3), "");
  EXPECT_EQ(action_.drop, DropReason::kNoPermission);
  EXPECT_EQ(
      CodeOf(Deliver(Message(MsTurnType::kSetActive, To(other, "", 4), true))),
      508);
  EXPECT_EQ(DeliverFromPeer(relay(), other, "unasked"), "");
  gate.open = true;
  EXPECT_EQ(Send(other, "five", 5), "five");
}

// AVE-04, AVE-40: step 2 as R2 clients take it, on the port of STUN.
TEST_F(MsTurnServerTest, ChallengesThenAllocates) {
  // AVE-12, AVE-13; NONCE and REALM have each other's numbers.
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(realm_, "sallyport");
  EXPECT_EQ(nonce_.size(), 24u);
  EXPECT_EQ(TypeOf(answer_), 0x0103);
  EXPECT_EQ(answer_.substr(4, 16), ToString(id_));
  // The relayed address plain, the client's XOR-ed with the id.
  EXPECT_EQ(ValueOf(answer_, attr::kMappedAddress).substr(4),
            std::string("\xC6\x33\x64\x01", 4));
  std::string mapped = ValueOf(answer_, attr::kXorMappedAddress);
  for (size_t i = 0; i < 4; ++i) {
    mapped[4 + i] ^= static_cast<char>(id_[i]);
  }
  EXPECT_EQ(mapped.substr(4), std::string("\xCB\x00\x71\x09", 4));
  EXPECT_EQ(connection_.size(), 20u);
  // Protected as requests are.
  std::string request = answer_;
  request[0] = '\x00';
  EXPECT_TRUE(ParseMsTurnMessage(AsBytes(request)).ok());
  EXPECT_EQ(server_->allocations().All()[0]->dialect, TurnDialect::kMsTurn);
}

// IMP-70: its keys are made with MD5, so FIPS mode knows no such dialect, and a
// connection that begins with it is ended.
TEST_F(MsTurnServerTest, IsRefusedInFipsMode) {
  options_.authenticator.approved_only = true;
  Start();
  const std::string wire = Message(MsTurnType::kAllocate, nullptr, false);
  EXPECT_EQ(Deliver(wire), "");
  EXPECT_EQ(action_.drop, DropReason::kNotAllowedInFipsMode);
  SocketActions sockets;
  bool broken = false;
  server_->OnMsTurnUnit({kListener, At("203.0.113.9", 5000)}, 2, AsBytes(wire),
                        absl::MakeSpan(reply_), now_, sockets, broken);
  EXPECT_TRUE(broken);
  EXPECT_TRUE(sockets.empty());
}

TEST_F(MsTurnServerTest, AnswersBeforeAuthenticationAreSmall) {
  const std::string wire = Message(MsTurnType::kAllocate, nullptr, false);
  EXPECT_LE(Deliver(wire).size() * 10, wire.size() * 26);
  EXPECT_EQ(server_->allocations().size(), 0u);
}

TEST_F(MsTurnServerTest, AllocateRefreshesAndReleases) {
  ASSERT_EQ(AllocateMs(), 0);
  Advance(absl::Minutes(5));
  answer_ = Deliver(Message(MsTurnType::kAllocate, nullptr, true));
  EXPECT_EQ(TypeOf(answer_), 0x0103);
  Advance(absl::Minutes(8));
  EXPECT_EQ(server_->allocations().size(), 1u);
  // Its nonce is old by now.
  answer_ = Deliver(Message(MsTurnType::kAllocate, nullptr, true));
  EXPECT_EQ(CodeOf(answer_), 438);
  nonce_ = ValueOf(answer_, attr::kNonce);
  answer_ = Deliver(Message(
      MsTurnType::kAllocate,
      [](MsTurnWriter& w) { w.AddUint32(attr::kLifetime, 0); }, true));
  EXPECT_EQ(TypeOf(answer_), 0x0103);
  EXPECT_EQ(ValueOf(answer_, attr::kLifetime), std::string(4, '\0'));
  EXPECT_EQ(server_->allocations().size(), 0u);
}

TEST_F(MsTurnServerTest, SendOpensThePermissionAndIsNotAnswered) {
  ASSERT_EQ(AllocateMs(), 0);
  // AVE-41: nothing comes in before.
  EXPECT_EQ(DeliverFromPeer(relay(), kPeer, "early"), "");
  EXPECT_EQ(Send(kPeer, "hello", 1), "hello");
  EXPECT_EQ(action_.to, kPeer);
  EXPECT_EQ(action_.socket, relay());
  const std::string indication = DeliverFromPeer(relay(), kPeer, "back!");
  EXPECT_EQ(TypeOf(indication), 0x0115);
  EXPECT_EQ(ValueOf(indication, attr::kMagicCookie), "\x72\xC6\x4B\xC6");
  EXPECT_EQ(ValueOf(indication, attr::kData), "back!");
  EXPECT_EQ(ValueOf(indication, attr::kRemoteAddress),
            std::string("\x00\x01\x9C\x40\x08\x08\x08\x08", 8));
  EXPECT_EQ(DeliverFromPeer(relay(), At("8.8.4.4", 40000), "other"), "");
  Advance(kPermissionLifetime);
  EXPECT_EQ(DeliverFromPeer(relay(), kPeer, "late"), "");
}

TEST_F(MsTurnServerTest, SequenceNumbersCountOnce) {
  // AVE-14.
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(Send(kPeer, "a", 5), "a");
  EXPECT_EQ(Send(kPeer, "b", 5), "");
  EXPECT_EQ(action_.drop, DropReason::kReplayed);
  EXPECT_EQ(Send(kPeer, "c", 4), "c");  // overtaken on the way
  EXPECT_EQ(Send(kPeer, "d", 100), "d");
  EXPECT_EQ(Send(kPeer, "e", 36), "");
  EXPECT_EQ(Send(kPeer, "f", 37), "f");
  // Of another connection, or none.
  const std::string own = std::exchange(connection_, std::string(20, 'x'));
  EXPECT_EQ(Send(kPeer, "g", 200), "");
  EXPECT_EQ(action_.drop, DropReason::kMalformedSend);
  connection_ = own;
}

TEST_F(MsTurnServerTest, WrongIntegrityIsDropped) {
  // AVE-16, AVE-17.
  ASSERT_EQ(AllocateMs(), 0);
  password_[0] ^= 1;
  EXPECT_EQ(Send(kPeer, "x", 1), "");
  EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
  EXPECT_EQ(Deliver(Message(MsTurnType::kAllocate, nullptr, true)), "");
  EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
}

TEST_F(MsTurnServerTest, WrongIntegrityIsAnsweredBySwitch) {
  options_.authenticator.answer_wrong_integrity = true;
  Start();
  ASSERT_EQ(AllocateMs(), 0);
  password_[0] ^= 1;
  EXPECT_EQ(CodeOf(Deliver(Message(MsTurnType::kAllocate, nullptr, true))),
            431);
}

TEST_F(MsTurnServerTest, ActiveDestinationIsBare) {
  ASSERT_EQ(AllocateMs(), 0);
  const std::string request =
      Message(MsTurnType::kSetActive, To(kPeer, "", 1), true);
  EXPECT_EQ(TypeOf(Deliver(request)), 0x0106);
  // Its answer was lost: the same again, and to no other effect.
  EXPECT_EQ(TypeOf(Deliver(request)), 0x0106);
  const std::string rtp = "\x80raw media";
  EXPECT_EQ(Deliver(rtp), rtp);
  EXPECT_EQ(action_.to, kPeer);
  // STUN between the ends is data too.
  const std::string check = client_->Bare(StunMethod::kBinding);
  EXPECT_EQ(Deliver(check), check);
  EXPECT_EQ(DeliverFromPeer(relay(), kPeer, "bare"), "bare");
  // Others still come and go with their names.
  const Endpoint other = At("8.8.4.4", 40000);
  EXPECT_EQ(Send(other, "named", 2), "named");
  EXPECT_EQ(TypeOf(DeliverFromPeer(relay(), other, "named")), 0x0115);
}

TEST_F(MsTurnServerTest, ForbiddenAddressesAreNeverReached) {
  ASSERT_EQ(AllocateMs(), 0);
  uint32_t number = 0;
  for (const char* form : kForbiddenAddressForms) {
    EXPECT_EQ(Send(At(form, 40000), "x", ++number), "") << form;
    EXPECT_EQ(TypeOf(Deliver(Message(MsTurnType::kSetActive,
                                     To(At(form, 40000), "", ++number), true))),
              0x0116)
        << form;
    EXPECT_EQ(DeliverFromPeer(relay(), At(form, 40000), "x"), "") << form;
  }
  EXPECT_EQ(Deliver("\x80no destination"), "");
}

TEST_F(MsTurnServerTest, TheDialectsDoNotMix) {
  ASSERT_EQ(AllocateMs(), 0);
  client_->TakeChallenge(Deliver(client_->Bare(StunMethod::kRefresh)));
  Challenge();
  EXPECT_EQ(TurnTestClient::CodeOf(Deliver(
                client_->Signed(StunMethod::kCreatePermission, Peer(kPeer)))),
            437);
  // From the same address both may not be.
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp))),
            437);
}

TEST_F(MsTurnServerTest, QuotaDrainAndExpiryAreShared) {
  options_.allocation_quota.per_subject = 1;
  Start();
  ASSERT_EQ(AllocateMs(), 0);
  const Endpoint elsewhere = At("203.0.113.10", 6000);
  nonce_ = ValueOf(
      Deliver(Message(MsTurnType::kAllocate, nullptr, false), elsewhere),
      attr::kNonce);
  EXPECT_EQ(
      CodeOf(Deliver(Message(MsTurnType::kAllocate, nullptr, true), elsewhere)),
      486);
  // The credential is good for an hour, whatever is asked for.
  Advance(absl::Minutes(55));
  EXPECT_EQ(server_->allocations().size(), 0u);
  server_->StartDrain();
  EXPECT_EQ(AllocateMs(), 508);
  options_.alternate_v4 = At("198.51.100.9", 3478);
  Start();
  server_->StartDrain();
  EXPECT_EQ(AllocateMs(), 300);
  EXPECT_EQ(ValueOf(answer_, attr::kAlternateServer),
            std::string("\x00\x01\x0D\x96\xC6\x33\x64\x09", 8));
}

// AVE-07: who comes by TCP gets a TCP port.
TEST_F(MsTurnServerTest, OverConnectionsRelaysConnections) {
  constexpr SocketId kStream = kFirstStreamSocket + 3;
  ASSERT_TRUE(server_->OnStreamOpened(kStream, At("203.0.113.9", 0).ip, now_));
  SocketActions sockets;
  const auto say = [&](uint8_t type, const std::string& unit) {
    bool broken = false;
    sockets.clear();
    action_ = server_->OnMsTurnUnit(
        {kStream, At("203.0.113.9", 7000), ClientTransport::kPseudoTls}, type,
        AsBytes(unit), absl::MakeSpan(reply_), now_, sockets, broken);
    EXPECT_FALSE(broken);
    return action_.sends() ? ToString(action_.bytes) : std::string();
  };
  std::string answer =
      say(kMsTurnControl, Message(MsTurnType::kAllocate, nullptr, false));
  // A frame around it.
  EXPECT_EQ(answer[0], '\x02');
  EXPECT_EQ(static_cast<size_t>(static_cast<uint8_t>(answer[3])),
            answer.size() - 4);
  answer.erase(0, 4);
  realm_ = ValueOf(answer, attr::kRealm);
  nonce_ = ValueOf(answer, attr::kNonce);
  say(kMsTurnControl, Message(MsTurnType::kAllocate, nullptr, true));
  ASSERT_EQ(sockets.size(), 1u);
  const OpenTcp open = std::get<OpenTcp>(sockets[0]);
  SocketActions next;
  action_ = server_->OnSocketOpened(open.socket, absl::OkStatus(),
                                    absl::MakeSpan(reply_), now_, next);
  answer = ToString(action_.bytes).substr(4);
  ASSERT_EQ(TypeOf(answer), 0x0103);
  connection_ = ValueOf(answer, attr::kSequenceNumber).substr(0, 20);

  // The first Send to a peer connects, the next goes over the same.
  EXPECT_EQ(say(kMsTurnControl,
                Message(MsTurnType::kSend, To(kPeer, "one", 1), true)),
            "one");
  ASSERT_EQ(sockets.size(), 1u);
  const ConnectPeer connect = std::get<ConnectPeer>(sockets[0]);
  EXPECT_TRUE(connect.framed);
  EXPECT_EQ(connect.peer, kPeer);
  EXPECT_EQ(action_.socket, connect.socket);
  EXPECT_EQ(say(kMsTurnControl,
                Message(MsTurnType::kSend, To(kPeer, "two", 2), true)),
            "two");
  EXPECT_TRUE(sockets.empty());
  EXPECT_FALSE(server_
                   ->OnPeerConnected(connect.socket, absl::OkStatus(),
                                     absl::MakeSpan(reply_), now_, sockets)
                   .sends());
  // What the peer says is framed and named; bare once it is active.
  Load("unit");
  action_ = server_->OnPeerUnit(connect.socket, packet_, now_);
  std::string told = ToString(action_.bytes);
  EXPECT_EQ(told[0], '\x02');
  EXPECT_EQ(ValueOf(told.substr(4), attr::kData), "unit");
  say(kMsTurnControl, Message(MsTurnType::kSetActive, To(kPeer, "", 3), true));
  Load("unit");
  action_ = server_->OnPeerUnit(connect.socket, packet_, now_);
  EXPECT_EQ(ToString(action_.bytes), std::string("\x03\x00\x00\x04unit", 8));
  EXPECT_EQ(say(kMsTurnData, "bare"), "bare");
  EXPECT_EQ(action_.socket, connect.socket);
  // Others may connect from addresses that were sent to.
  PacketAction indication;
  bool framed = false;
  EXPECT_NE(
      server_->OnPeerAccepted(open.socket, At("8.8.8.8", 1234),
                              absl::MakeSpan(reply_), now_, indication, framed),
      kNoSocket);
  EXPECT_TRUE(framed);
  EXPECT_FALSE(indication.sends());
  // Those of others are held for three seconds, a few of them, unread.
  const auto accept = [&](const char* ip, uint16_t port) {
    return server_->OnPeerAccepted(open.socket, At(ip, port),
                                   absl::MakeSpan(reply_), now_, indication,
                                   framed);
  };
  const SocketId held = accept("8.8.4.4", 1234);
  ASSERT_NE(held, kNoSocket);
  EXPECT_TRUE(framed && server_->IsHeld(held));
  Load("early");
  EXPECT_EQ(server_->OnPeerUnit(held, packet_, now_).drop,
            DropReason::kNoPermission);
  std::vector<SocketId> strangers;
  for (uint16_t i = 0; i < 7; ++i) {
    strangers.push_back(accept("8.8.4.5", 2000 + i));
    EXPECT_TRUE(server_->IsHeld(strangers.back()));
  }
  EXPECT_EQ(accept("8.8.4.6", 1), kNoSocket);
  EXPECT_EQ(indication.drop, DropReason::kNoPermission);
  // The client sends there: it is read, and what is sent goes over it.
  sockets.clear();
  EXPECT_EQ(
      say(kMsTurnControl, Message(MsTurnType::kSend,
                                  To(At("8.8.4.4", 1234), "three", 4), true)),
      "three");
  EXPECT_EQ(action_.socket, held);
  ASSERT_EQ(sockets.size(), 1u);
  EXPECT_EQ(std::get<ReadPeer>(sockets[0]).socket, held);
  EXPECT_FALSE(server_->IsHeld(held));
  now_.mono += absl::Seconds(4);
  sockets.clear();
  server_->OnDeadline(now_, sockets);
  EXPECT_EQ(sockets.size(), strangers.size());
  for (const SocketAction& action : sockets) {
    EXPECT_NE(std::get<CloseSocket>(action).socket, held);
  }
  // One that the peer made just when a Send wanted to.
  sockets.clear();
  say(kMsTurnControl,
      Message(MsTurnType::kSend, To(At("8.8.4.7", 1234), "four", 5), true));
  const SocketId wanted = std::get<ConnectPeer>(sockets.at(0)).socket;
  EXPECT_EQ(accept("8.8.4.7", 1234), wanted);
  EXPECT_TRUE(framed);
}

TEST(MsSequenceWindowTest, TakesEachNumberOnce) {
  MsSequenceWindow window;
  EXPECT_TRUE(window.Take(0));
  EXPECT_FALSE(window.Take(0));
  EXPECT_TRUE(window.Take(63));
  EXPECT_TRUE(window.Take(1));
  EXPECT_FALSE(window.Take(0));
  EXPECT_TRUE(window.Take(0xFFFFFFFF));
  EXPECT_FALSE(window.Take(63));
  EXPECT_TRUE(window.Take(0xFFFFFFFF - 63));
  EXPECT_FALSE(window.Take(0xFFFFFFFF - 64));
}

TEST_F(MsTurnServerTest, BandwidthIsGrantedAsAskedOrAsThePolicySays) {
  const auto ask = [](uint32_t kbits) {
    return [kbits](MsTurnWriter& w) { w.AddUint32(attr::kBandwidth, kbits); };
  };
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(ValueOf(answer_, attr::kBandwidth), "");
  Start();
  ASSERT_EQ(AllocateMs(ask(0x2EE)), 0);
  EXPECT_EQ(ValueOf(answer_, attr::kBandwidth), std::string("\0\0\x02\xEE", 4));
  options_.bandwidth.per_allocation = 10'000;  // 80 kbit/s
  Start();
  ASSERT_EQ(AllocateMs(ask(750)), 0);
  EXPECT_EQ(ValueOf(answer_, attr::kBandwidth), std::string("\0\0\0\x50", 4));
  Start();
  ASSERT_EQ(AllocateMs(ask(64)), 0);
  EXPECT_EQ(ValueOf(answer_, attr::kBandwidth), std::string("\0\0\0\x40", 4));
  Start();
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(ValueOf(answer_, attr::kBandwidth), std::string("\0\0\0\x50", 4));
  // And it holds, each way.
  std::string payload(1000, 'p');
  int passed = 0;
  for (uint32_t number = 1; number <= 20; ++number) {
    Deliver(Message(MsTurnType::kSend, To(kPeer, payload, number), true));
    if (action_.drop == DropReason::kNone) ++passed;
  }
  EXPECT_EQ(passed, 4);
  EXPECT_EQ(action_.drop, DropReason::kAllocationBandwidth);
  for (passed = 0; passed < 20; ++passed) {
    if (DeliverFromPeer(relay(), kPeer, payload).empty()) break;
  }
  EXPECT_EQ(passed, 4);
  EXPECT_EQ(action_.drop, DropReason::kAllocationBandwidth);
}

TEST_F(MsTurnServerTest, Ipv6IsAllocatedWhereItIsAskedFor) {
  const auto family = [](uint8_t family) {
    return [family](MsTurnWriter& w) {
      w.AddUint32(attr::kRequestedAddressFamily, uint32_t{family} << 24);
    };
  };
  EXPECT_EQ(AllocateMs(family(3)), 400);
  ASSERT_EQ(AllocateMs(family(1)), 0);
  EXPECT_TRUE(opened_.back().local.ip.is_v4());
  Start();
  ASSERT_EQ(AllocateMs(family(2)), 0);
  EXPECT_TRUE(opened_.back().local.ip.is_v6());
  const std::string mapped = ValueOf(answer_, attr::kMappedAddress);
  ASSERT_EQ(mapped.size(), 20u);
  EXPECT_EQ(mapped[1], 0x02);
  const Endpoint peer = At("2606:4700::1111", 40000);
  EXPECT_EQ(Deliver(Message(MsTurnType::kSend, To(peer, "six", 1), true)),
            "six");
  EXPECT_EQ(action_.to, peer);
  const std::string back = DeliverFromPeer(relay(), peer, "back");
  EXPECT_EQ(TypeOf(back), 0x0115);
  EXPECT_EQ(ValueOf(back, attr::kRemoteAddress).size(), 20u);
  EXPECT_EQ(ValueOf(back, attr::kData), "back");
  // A peer of the other family cannot be reached from there.
  EXPECT_EQ(Deliver(Message(MsTurnType::kSend, To(kPeer, "four", 2), true)),
            "");
  options_.ipv6.reset();
  Start();
  EXPECT_EQ(AllocateMs(family(2)), 500);
}

std::string VersionOf(const std::string& answer) {
  return ValueOf(answer, attr::kVersion);
}

TEST_F(MsTurnServerTest, TellsTheVersionOfItsClientButNoneAboveItsOwn) {
  const std::pair<uint32_t, char> kTold[] = {{0, 2}, {1, 2}, {2, 2},
                                             {3, 3}, {4, 4}, {6, 4}};
  for (const auto& [version, told] : kTold) {
    Start();
    version_ = version;
    ASSERT_EQ(AllocateMs(), 0);
    EXPECT_EQ(VersionOf(answer_), std::string("\0\0\0", 3) + told);
    Send(kPeer, "x", 1);
    EXPECT_EQ(VersionOf(DeliverFromPeer(action_.socket, kPeer, "y")),
              std::string("\0\0\0", 3) + told);
  }
  options_.authenticator.ms_turn_version = 2;
  Start();
  version_ = 4;
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(VersionOf(answer_), std::string("\0\0\0\2", 4));
  EXPECT_EQ(opened_.back().local.ip.family(), IpFamily::kIpv4);
}

// MS-TURN section 2.2.2: 420 for what must be understood, and is not.
TEST_F(MsTurnServerTest, WhatMustBeUnderstoodAndIsNotIs420) {
  const auto with = [](uint16_t type, const Fill& fill = nullptr) {
    return [=](MsTurnWriter& w) {
      if (fill) fill(w);
      w.AddUint32(type, 1);
    };
  };
  EXPECT_EQ(AllocateMs(with(0x0018)), 420);
  EXPECT_EQ(ValueOf(answer_, attr::kUnknownAttributes),
            std::string("\x00\x18\x00\x18", 4));
  EXPECT_EQ(server_->allocations().size(), 0u);
  // Those from 0x8000 on need not be.
  ASSERT_EQ(AllocateMs(with(0x8056)), 0);
  EXPECT_EQ(Deliver(Message(MsTurnType::kSend,
                            with(0x7FFF, To(kPeer, "data", 1)), true)),
            "");
  EXPECT_EQ(action_.drop, DropReason::kMalformedSend);
  const std::string active = Deliver(
      Message(MsTurnType::kSetActive, with(0x0002, To(kPeer, "", 2)), true));
  EXPECT_EQ(TypeOf(active), 0x0116);
  EXPECT_EQ(CodeOf(active), 420);
  EXPECT_EQ(Send(kPeer, "data", 3), "data");
}

TEST_F(MsTurnServerTest, AnswersAreProtectedAsTheirQuestions) {
  version_ = 3;
  for (const PasswordAlgorithm algorithm :
       {PasswordAlgorithm::kMd5, PasswordAlgorithm::kSha256}) {
    for (const MsTurnIntegrity integrity :
         {MsTurnIntegrity::kSha256, MsTurnIntegrity::kSha256Filled}) {
      Start();
      algorithm_ = algorithm;
      integrity_ = integrity;
      ASSERT_EQ(AllocateMs(), 0);
      // As a request it can be read.
      std::string request = answer_;
      request[0] = '\0';
      const auto message = ParseMsTurnMessage(AsBytes(request));
      ASSERT_TRUE(message.ok() && message->has_sha256());
      EXPECT_EQ(ValueOf(answer_, attr::kMessageIntegrity).size(), 32u);
      EXPECT_EQ(Send(kPeer, "by SHA-256", 1), "by SHA-256");
      const std::string active =
          Deliver(Message(MsTurnType::kSetActive, To(kPeer, "", 2), true));
      EXPECT_EQ(ValueOf(active, attr::kMessageIntegrity).size(), 32u);
      // The other filling is not the one that was shown.
      integrity_ = integrity == MsTurnIntegrity::kSha256
                       ? MsTurnIntegrity::kSha256Filled
                       : MsTurnIntegrity::kSha256;
      EXPECT_EQ(Send(kPeer, "x", 3), "");
      EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
    }
  }
}

// A message of SHA-1 from before, or from somebody who can forge one, is void.
TEST_F(MsTurnServerTest, WhoHasShownSha256IsNotLedBack) {
  version_ = 3;
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(Send(kPeer, "by SHA-1", 1), "by SHA-1");
  algorithm_ = PasswordAlgorithm::kSha256;
  integrity_ = MsTurnIntegrity::kSha256Filled;
  EXPECT_EQ(Send(kPeer, "by SHA-256", 2), "by SHA-256");
  algorithm_ = PasswordAlgorithm::kMd5;
  integrity_ = MsTurnIntegrity::kSha1;
  EXPECT_EQ(Send(kPeer, "x", 3), "");
  EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
  EXPECT_EQ(Deliver(Message(MsTurnType::kAllocate, nullptr, true)), "");
  EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
  // Nobody changes over without the password.
  Start();
  ASSERT_EQ(AllocateMs(), 0);
  integrity_ = MsTurnIntegrity::kSha256;
  password_[0] ^= 1;
  EXPECT_EQ(Send(kPeer, "x", 1), "");
  EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
}

TEST_F(MsTurnServerTest, Version4HasIpv6BesideIpv4) {
  version_ = 4;
  ASSERT_EQ(AllocateMs(), 0);
  ASSERT_EQ(server_->allocations().size(), 2u);
  EXPECT_EQ(ValueOf(answer_, attr::kMappedAddress)[1], 1);
  const std::string other = ValueOf(answer_, attr::kAlternateMappedAddress);
  ASSERT_EQ(other.size(), 20u);
  EXPECT_EQ(other[1], 2);
  const Endpoint peer6 = At("2606:4700::1111", 40000);
  const SocketId v4 = opened_[opened_.size() - 2].socket;
  const SocketId v6 = opened_.back().socket;
  EXPECT_EQ(Send(kPeer, "four", 1), "four");
  EXPECT_EQ(action_.socket, v4);
  EXPECT_EQ(Send(peer6, "six", 2), "six");
  EXPECT_EQ(action_.socket, v6);
  // Numbers count once, whichever half they go by.
  EXPECT_EQ(Send(kPeer, "again", 2), "");
  EXPECT_EQ(action_.drop, DropReason::kReplayed);
  EXPECT_EQ(ValueOf(DeliverFromPeer(v6, peer6, "back"), attr::kData), "back");
  EXPECT_EQ(DeliverFromPeer(v6, kPeer, "by the wrong one"), "");
  EXPECT_EQ(
      TypeOf(Deliver(Message(MsTurnType::kSetActive, To(peer6, "", 3), true))),
      0x0106);
  EXPECT_EQ(Deliver("\x80 bare"), "\x80 bare");
  EXPECT_EQ(action_.socket, v6);
  EXPECT_EQ(DeliverFromPeer(v6, peer6, "bare"), "bare");
  EXPECT_EQ(TypeOf(DeliverFromPeer(v4, kPeer, "named")), 0x0115);
  // Both live and end together.
  Advance(absl::Minutes(9));
  EXPECT_EQ(TypeOf(Deliver(Message(MsTurnType::kAllocate, nullptr, true))),
            0x0103);
  Advance(absl::Minutes(9));
  EXPECT_EQ(server_->allocations().size(), 2u);
  nonce_ = ValueOf(Deliver(Message(MsTurnType::kAllocate, nullptr, true)),
                   attr::kNonce);
  answer_ = Deliver(Message(
      MsTurnType::kAllocate,
      [](MsTurnWriter& w) { w.AddUint32(attr::kLifetime, 0); }, true));
  EXPECT_EQ(TypeOf(answer_), 0x0103);
  EXPECT_EQ(server_->allocations().size(), 0u);
  EXPECT_TRUE(open_.empty());
  // Where there is one alone, that is what there is.
  options_.ipv6.reset();
  Start();
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(ValueOf(answer_, attr::kAlternateMappedAddress), "");
  EXPECT_EQ(ValueOf(answer_, attr::kMappedAddress)[1], 1);
}

TEST_F(MsTurnServerTest, OfTwoFamiliesOneMayBeHad) {
  version_ = 4;
  options_.allocation_quota.per_subject = 1;
  Start();
  ASSERT_EQ(AllocateMs(), 0);
  EXPECT_EQ(server_->allocations().size(), 1u);
  EXPECT_EQ(ValueOf(answer_, attr::kMappedAddress)[1], 1);
  EXPECT_EQ(ValueOf(answer_, attr::kAlternateMappedAddress), "");
}

TEST_F(MsTurnServerTest, AClientOfIpv6IsToldItsAddress) {
  const Endpoint from = At("2001:db8:7::9", 5000);
  const std::string challenge =
      Deliver(Message(MsTurnType::kAllocate, nullptr, false), from);
  ASSERT_EQ(CodeOf(challenge), 401);
  realm_ = ValueOf(challenge, attr::kRealm);
  nonce_ = ValueOf(challenge, attr::kNonce);
  const std::string answer =
      Deliver(Message(MsTurnType::kAllocate, nullptr, true), from);
  ASSERT_EQ(TypeOf(answer), 0x0103);
  std::string mapped = ValueOf(answer, attr::kXorMappedAddress);
  ASSERT_EQ(mapped.size(), 20u);
  // XOR-ed with the leading octets of the transaction id.
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(static_cast<uint8_t>(mapped[4 + i] ^ answer[4 + i]),
              from.ip.bytes()[i]);
  }
}

}  // namespace
}  // namespace sallyport::media_relay
