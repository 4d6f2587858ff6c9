#include "services/media_relay/core/media_bridge.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/address_forms.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"

namespace sallyport::media_relay {
namespace {

constexpr SrtpSuite kSuite = SrtpSuite::kAesCm128HmacSha1_80;

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

std::string Rtp(uint16_t sequence, uint32_t ssrc = 7, uint8_t type = 0) {
  std::string packet(12, '\0');
  packet[0] = '\x80';
  packet[1] = static_cast<char>(type);
  packet[2] = static_cast<char>(sequence >> 8);
  packet[3] = static_cast<char>(sequence);
  const uint32_t timestamp = 160u * sequence;
  for (int i = 0; i < 4; ++i) {
    packet[4 + i] = static_cast<char>(timestamp >> (24 - 8 * i));
    packet[8 + i] = static_cast<char>(ssrc >> (24 - 8 * i));
  }
  packet.append(160, 'v');
  return packet;
}

std::string SenderReport(uint32_t ssrc = 7) {
  std::string packet = absl::HexStringToBytes(
      "80c8000600000000"
      "aaaabbbbccccdddd"
      "000000010000000200000003");
  for (int i = 0; i < 4; ++i) {
    packet[4 + i] = static_cast<char>(ssrc >> (24 - 8 * i));
  }
  return packet;
}

// A far end: protects and unprotects with its own sessions.
class Peer {
 public:
  Peer(Endpoint address, std::optional<SrtpSuite> suite, char seed)
      : address(address), suite_(suite) {
    if (!suite_.has_value()) return;
    key = std::string(KeySaltSize(*suite_), seed);
    out_ = Session(key, SrtpSession::Direction::kProtect);
  }
  void SetRelayKey(const std::string& relay_key) {
    in_ = Session(relay_key, SrtpSession::Direction::kUnprotect);
  }
  std::string Wrap(const std::string& plain, bool rtcp = false) {
    if (out_ == nullptr) return plain;
    return Apply(plain, [&](Packet& packet) {
      return rtcp ? out_->ProtectRtcp(packet) : out_->ProtectRtp(packet);
    });
  }
  std::string Unwrap(const std::string& wire, bool rtcp = false) {
    if (in_ == nullptr) return wire;
    return Apply(wire, [&](Packet& packet) {
      return rtcp ? in_->UnprotectRtcp(packet) : in_->UnprotectRtp(packet);
    });
  }

  Endpoint address;
  std::string key;

 private:
  std::unique_ptr<SrtpSession> Session(const std::string& with,
                                       SrtpSession::Direction direction) {
    return SrtpSession::Create(Library(), *suite_, AsBytes(with), {}, direction)
        .value();
  }
  template <typename Call>
  std::string Apply(const std::string& bytes, Call call) {
    std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
    buffer.resize(bytes.size() + kPacketTailroom);
    Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
    if (call(packet) != SrtpResult::kOk) return "failed";
    return ToString(packet.bytes());
  }

  std::optional<SrtpSuite> suite_;
  std::unique_ptr<SrtpSession> out_;
  std::unique_ptr<SrtpSession> in_;
};

// Sockets: leg A 1 and 2, leg B 3 and 4.
class MediaBridgeTest : public testing::Test {
 protected:
  static PeerPolicyOptions Policy() {
    PeerPolicyOptions options;
    options.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
    return options;
  }

  void Make(std::optional<SrtpSuite> a, std::optional<SrtpSuite> b,
            bool mux = false) {
    MediaLegOptions option_a;
    option_a.srtp = a;
    option_a.rtcp_mux = mux;
    option_a.srtp_suites = suites_;
    MediaLegOptions option_b;
    option_b.srtp = b;
    bridge_.emplace(option_a, option_b, Library(), policy_, random_);
    bridge_->sockets(LegSide::kA) = {1, mux ? kNoSocket : 2};
    bridge_->sockets(LegSide::kB) = {3, 4};
    a_.emplace(At("10.0.0.1", 20000), a, 'a');
    b_.emplace(At("10.0.0.2", 30000), b, 'b');
    Signal(LegSide::kA, *a_);
    Signal(LegSide::kB, *b_);
  }

  void Signal(LegSide side, Peer& peer) {
    MediaLegUpdate update;
    update.remote_rtp = peer.address;
    if (!peer.key.empty()) {
      update.remote_key.emplace();
      update.remote_key->key_salt = Secret::CopyOf(peer.key);
      peer.SetRelayKey(ToString(bridge_->leg(side).DangerousLocalKey()));
    }
    ASSERT_TRUE(bridge_->leg(side).Update(update, now_).ok());
  }

  // Delivers and returns what is sent, empty when dropped.
  std::string Deliver(LegSide side, const std::string& wire,
                      const Endpoint& from, bool rtcp_socket = false) {
    buffer_.assign(kPacketHeadroom + wire.size() + kPacketTailroom, 0);
    std::memcpy(buffer_.data() + kPacketHeadroom, wire.data(), wire.size());
    Packet packet{buffer_.data() + kPacketHeadroom, wire.size(),
                  kPacketHeadroom, kPacketTailroom};
    action_ = bridge_->OnPacket(side, rtcp_socket, from, packet,
                                absl::MakeSpan(reply_), now_);
    if (!action_.sends()) return "";
    return ToString(action_.bytes);
  }

  // Leg A is answered with `suite`, by a far side of this seed.
  absl::Status Answer(SrtpSuite suite, char seed) {
    a_.emplace(At("10.0.0.1", 20000), suite, seed);
    MediaLegUpdate update;
    update.srtp_suite = suite;
    update.remote_key.emplace();
    update.remote_key->key_salt = Secret::CopyOf(a_->key);
    MediaLeg& leg = bridge_->leg(LegSide::kA);
    const absl::Status status = leg.Update(update, now_);
    if (status.ok()) a_->SetRelayKey(ToString(leg.DangerousLocalKey()));
    return status;
  }
  void ExpectAudioBothWays(uint16_t sequence) {
    EXPECT_EQ(
        b_->Unwrap(Deliver(LegSide::kA, a_->Wrap(Rtp(sequence)), a_->address)),
        Rtp(sequence));
    EXPECT_EQ(a_->Unwrap(Deliver(LegSide::kB, b_->Wrap(Rtp(sequence, 9)),
                                 b_->address)),
              Rtp(sequence, 9));
  }

  std::vector<SrtpSuite> suites_;  // of leg A
  FakeRandom random_;
  PeerPolicy policy_{Policy()};
  Now now_{MonoTime::FromOrigin(absl::Hours(1)), absl::FromUnixSeconds(1)};
  std::optional<MediaBridge> bridge_;
  std::optional<Peer> a_;
  std::optional<Peer> b_;
  PacketAction action_;
  std::vector<uint8_t> buffer_;
  std::array<uint8_t, kReplySize> reply_ = {};
};

// Tags are foreseen for what may come in only: nobody else's datagrams cost an
// HMAC.
TEST_F(MediaBridgeTest, ForeseesTagsOfTheFarSideAlone) {
  Make(SrtpSuite::kAesCm128HmacSha1_80, std::nullopt);
  HmacSha1Job job;
  const auto foresees = [&](LegSide side, std::string wire,
                            const Endpoint& from) {
    Packet packet;
    packet.data = reinterpret_cast<uint8_t*>(wire.data());
    packet.size = wire.size();
    return bridge_->Foresee(side, from, packet, job);
  };
  EXPECT_TRUE(foresees(LegSide::kA, a_->Wrap(Rtp(1)), a_->address));
  EXPECT_FALSE(foresees(LegSide::kA, a_->Wrap(Rtp(2)), b_->address));
  EXPECT_FALSE(
      foresees(LegSide::kA, a_->Wrap(SenderReport(5), true), a_->address));
  EXPECT_FALSE(foresees(LegSide::kB, Rtp(1), b_->address));
  // During a change of keys either may be meant.
  const Endpoint address = a_->address;
  a_.emplace(address, SrtpSuite::kAesCm128HmacSha1_80, 'n');
  Signal(LegSide::kA, *a_);
  EXPECT_FALSE(foresees(LegSide::kA, a_->Wrap(Rtp(3)), a_->address));
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(4)), a_->address), Rtp(4));
  EXPECT_TRUE(foresees(LegSide::kA, a_->Wrap(Rtp(5)), a_->address));
}

struct Pair {
  const char* name;
  std::optional<SrtpSuite> a;
  std::optional<SrtpSuite> b;
};

class BridgePairs : public MediaBridgeTest,
                    public testing::WithParamInterface<Pair> {};

TEST_P(BridgePairs, CarriesRtpAndRtcpBothWays) {
  Make(GetParam().a, GetParam().b);
  for (uint16_t i = 0; i < 100; ++i) {
    const std::string there =
        Deliver(LegSide::kA, a_->Wrap(Rtp(i)), a_->address);
    ASSERT_EQ(b_->Unwrap(there), Rtp(i));
    EXPECT_EQ(action_.socket, 3u);
    EXPECT_EQ(action_.to, b_->address);
    ASSERT_NE(action_.delay, nullptr);
    const std::string back =
        Deliver(LegSide::kB, b_->Wrap(Rtp(i, 9)), b_->address);
    ASSERT_EQ(a_->Unwrap(back), Rtp(i, 9));
    EXPECT_EQ(action_.socket, 1u);
  }
  const Endpoint a_rtcp = At("10.0.0.1", 20001);
  const std::string report =
      Deliver(LegSide::kA, a_->Wrap(SenderReport(), true), a_rtcp, true);
  EXPECT_EQ(b_->Unwrap(report, true), SenderReport());
  EXPECT_EQ(action_.socket, 4u);
  EXPECT_EQ(action_.to, At("10.0.0.2", 30001));

  const MediaLegStats& stats = bridge_->leg(LegSide::kA).stats();
  EXPECT_EQ(stats.packets_received, 100u);
  EXPECT_EQ(stats.bytes_received, 16000u);
  EXPECT_EQ(stats.packets_sent, 100u);
  EXPECT_EQ(stats.rtcp_received, 1u);
  EXPECT_EQ(stats.stream.lost(), 0u);
  EXPECT_EQ(bridge_->leg(LegSide::kB).stats().rtcp_sent, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, BridgePairs,
    testing::Values(Pair{"RtpToRtp", std::nullopt, std::nullopt},
                    Pair{"SrtpToRtp", kSuite, std::nullopt},
                    Pair{"RtpToSrtp", std::nullopt, kSuite},
                    Pair{"SrtpToSrtp", kSuite, kSuite},
                    Pair{"Srtp80ToGcm", kSuite, SrtpSuite::kAeadAes128Gcm},
                    Pair{"Srtp32ToGcm256", SrtpSuite::kAesCm128HmacSha1_32,
                         SrtpSuite::kAeadAes256Gcm}),
    [](const auto& info) { return std::string(info.param.name); });

// The two legs never share a key: each is unprotected and protected anew.
TEST_F(MediaBridgeTest, LegsHaveTheirOwnKeys) {
  Make(kSuite, kSuite);
  const std::string key_a =
      ToString(bridge_->leg(LegSide::kA).DangerousLocalKey());
  const std::string key_b =
      ToString(bridge_->leg(LegSide::kB).DangerousLocalKey());
  EXPECT_EQ(key_a.size(), 30u);
  EXPECT_NE(key_a, key_b);
  const std::string wire = a_->Wrap(Rtp(1));
  EXPECT_NE(Deliver(LegSide::kA, wire, a_->address), wire);
}

TEST_F(MediaBridgeTest, ReplayWrongKeyAndGarbageNeverCross) {
  Make(kSuite, std::nullopt);
  const std::string wire = a_->Wrap(Rtp(1));
  ASSERT_EQ(Deliver(LegSide::kA, wire, a_->address), Rtp(1));
  EXPECT_EQ(Deliver(LegSide::kA, wire, a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kReplayed);

  Peer stranger(a_->address, kSuite, 'x');
  EXPECT_EQ(Deliver(LegSide::kA, stranger.Wrap(Rtp(2)), a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kAuthFailed);
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(3), a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kAuthFailed);

  const MediaLegStats& stats = bridge_->leg(LegSide::kA).stats();
  EXPECT_EQ(stats.replayed, 1u);
  EXPECT_EQ(stats.auth_failures, 2u);
  EXPECT_EQ(stats.packets_received, 1u);
  // The call goes on (AVE-57).
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(4)), a_->address), Rtp(4));
}

TEST_F(MediaBridgeTest, SequenceWrapKeepsBothSidesInStep) {
  Make(kSuite, kSuite);
  for (int i = 65000; i < 66600; ++i) {
    const uint16_t sequence = static_cast<uint16_t>(i);
    const std::string there =
        Deliver(LegSide::kA, a_->Wrap(Rtp(sequence)), a_->address);
    ASSERT_EQ(b_->Unwrap(there), Rtp(sequence)) << i;
  }
  EXPECT_EQ(bridge_->leg(LegSide::kA).stats().stream.lost(), 0u);
}

TEST_F(MediaBridgeTest, SsrcChangeIsFollowed) {
  Make(kSuite, kSuite);
  for (uint32_t ssrc = 1; ssrc <= 10; ++ssrc) {
    for (uint16_t i = 0; i < 5; ++i) {
      const std::string there =
          Deliver(LegSide::kA,
                  a_->Wrap(Rtp(static_cast<uint16_t>(1000 * ssrc + i), ssrc)),
                  a_->address);
      ASSERT_EQ(b_->Unwrap(there),
                Rtp(static_cast<uint16_t>(1000 * ssrc + i), ssrc));
    }
  }
  EXPECT_EQ(bridge_->leg(LegSide::kA).stats().stream.lost(), 0u);
}

TEST_F(MediaBridgeTest, SameKeyAgainKeepsTheReplayList) {
  Make(kSuite, std::nullopt);
  const std::string wire = a_->Wrap(Rtp(1));
  ASSERT_EQ(Deliver(LegSide::kA, wire, a_->address), Rtp(1));
  Signal(LegSide::kA, *a_);  // a re-INVITE that repeats the offer
  EXPECT_EQ(Deliver(LegSide::kA, wire, a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kReplayed);
}

TEST_F(MediaBridgeTest, FormerRemoteKeyIsGoodUntilTheNewOneIsUsed) {
  for (const SrtpSuite suite :
       {SrtpSuite::kAesCm128HmacSha1_80, SrtpSuite::kAeadAes256Gcm}) {
    Make(suite, std::nullopt);
    Peer before(a_->address, suite, 'b');
    Signal(LegSide::kA, before);
    EXPECT_EQ(Deliver(LegSide::kA, before.Wrap(Rtp(1)), a_->address), Rtp(1));
    Peer after(a_->address, suite, 'n');
    Signal(LegSide::kA, after);
    // Still under way with the former key.
    const std::string replayed = before.Wrap(Rtp(2));
    EXPECT_EQ(Deliver(LegSide::kA, replayed, a_->address), Rtp(2));
    EXPECT_EQ(Deliver(LegSide::kA, replayed, a_->address), "");
    EXPECT_EQ(action_.drop, DropReason::kReplayed);
    EXPECT_EQ(
        Deliver(LegSide::kA, before.Wrap(SenderReport(), /*rtcp=*/true),
                {a_->address.ip, static_cast<uint16_t>(a_->address.port + 1)},
                /*rtcp_socket=*/true),
        SenderReport());
    EXPECT_EQ(Deliver(LegSide::kA, Rtp(3), a_->address), "");
    EXPECT_EQ(action_.drop, DropReason::kAuthFailed);
    const std::string late = before.Wrap(Rtp(4));
    EXPECT_EQ(Deliver(LegSide::kA, after.Wrap(Rtp(5)), a_->address), Rtp(5));
    EXPECT_EQ(Deliver(LegSide::kA, late, a_->address), "");
    EXPECT_EQ(action_.drop, DropReason::kAuthFailed);
  }
}

TEST_F(MediaBridgeTest, FormerRemoteKeyDiesAfterTenSeconds) {
  Make(kSuite, std::nullopt);
  Peer before(a_->address, kSuite, 'b');
  Signal(LegSide::kA, before);
  Peer after(a_->address, kSuite, 'n');
  Signal(LegSide::kA, after);
  now_.mono += absl::Seconds(10);
  EXPECT_EQ(Deliver(LegSide::kA, before.Wrap(Rtp(1)), a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kAuthFailed);
  EXPECT_EQ(Deliver(LegSide::kA, after.Wrap(Rtp(2)), a_->address), Rtp(2));
}

// RFC 3550 section 8.2: each leg has keys of its own, so that both may use one
// SSRC and one sequence number without reusing key stream.
// RFC 4568 section 6: each suite of an offer has a key of its own, and the
// answer decides; early answers of two branches may decide differently.
TEST_F(MediaBridgeTest, TheAnswerChoosesOneOfTheSuites) {
  suites_ = {SrtpSuite::kAeadAes256Gcm, kSuite,
             SrtpSuite::kAesCm128HmacSha1_32};
  Make(SrtpSuite::kAeadAes256Gcm, std::nullopt);
  MediaLeg& leg = bridge_->leg(LegSide::kA);
  std::vector<std::string> keys;
  for (const SrtpSuite suite : suites_) {
    keys.push_back(ToString(leg.DangerousLocalKeyFor(suite)));
    EXPECT_EQ(keys.back().size(), KeySaltSize(suite));
  }
  EXPECT_NE(keys[1], keys[2]);
  ExpectAudioBothWays(1);
  ASSERT_TRUE(Answer(kSuite, 'c').ok());
  EXPECT_EQ(leg.suite(), kSuite);
  EXPECT_EQ(ToString(leg.DangerousLocalKey()), keys[1]);
  ExpectAudioBothWays(2);
  // Back again: the counters of the first suite have been kept, so that what
  // was protected with its key once is not protected again.
  ASSERT_TRUE(Answer(SrtpSuite::kAeadAes256Gcm, 'd').ok());
  EXPECT_EQ(ToString(leg.DangerousLocalKey()), keys[0]);
  EXPECT_EQ(Deliver(LegSide::kB, Rtp(1, 9), b_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kProtectFailed);
  ExpectAudioBothWays(3);
  EXPECT_EQ(ReasonOf(Answer(SrtpSuite::kAeadAes128Gcm, 'e')),
            "SRTP_SUITE_NOT_OFFERED");
  MediaLegUpdate keyless;
  keyless.srtp_suite = kSuite;
  EXPECT_EQ(ReasonOf(leg.Update(keyless, now_)), "SRTP_KEY_INVALID");
  EXPECT_EQ(leg.suite(), SrtpSuite::kAeadAes256Gcm);
  ASSERT_TRUE(leg.RenewLocalKeys(random_).ok());
  for (size_t i = 0; i < suites_.size(); ++i) {
    EXPECT_NE(ToString(leg.DangerousLocalKeyFor(suites_[i])), keys[i]);
  }
}

TEST_F(MediaBridgeTest, MultiplexingIsAgreedOnLater) {  // RFC 5761 section 5.1
  Make(std::nullopt, std::nullopt);
  MediaLegUpdate update;
  update.rtcp_mux = true;
  ASSERT_TRUE(bridge_->leg(LegSide::kB).Update(update, now_).ok());
  const Endpoint a_rtcp = At("10.0.0.1", 20001);
  EXPECT_NE(Deliver(LegSide::kA, SenderReport(), a_rtcp, true), "");
  EXPECT_EQ(action_.socket, 3u);
  EXPECT_EQ(action_.to, b_->address);
  EXPECT_NE(Deliver(LegSide::kB, SenderReport(9), b_->address), "");
  EXPECT_EQ(action_.socket, 2u);
  update.rtcp_mux = false;
  ASSERT_TRUE(bridge_->leg(LegSide::kB).Update(update, now_).ok());
  EXPECT_NE(Deliver(LegSide::kA, SenderReport(), a_rtcp, true), "");
  EXPECT_EQ(action_.socket, 4u);
  // A leg that was made with one port has no other.
  Make(std::nullopt, std::nullopt, /*mux=*/true);
  EXPECT_EQ(ReasonOf(bridge_->leg(LegSide::kA).Update(update, now_)),
            "RTCP_MUX_REQUIRED");
}

TEST_F(MediaBridgeTest, SsrcCollisionOfTheLegsIsHarmless) {
  Make(kSuite, kSuite);
  for (uint16_t i = 65530; i != 6; ++i) {
    EXPECT_EQ(
        b_->Unwrap(Deliver(LegSide::kA, a_->Wrap(Rtp(i, 42)), a_->address)),
        Rtp(i, 42));
    EXPECT_EQ(
        a_->Unwrap(Deliver(LegSide::kB, b_->Wrap(Rtp(i, 42)), b_->address)),
        Rtp(i, 42));
  }
}

// The RTP bleed and inject class (CVE-2025-53399): other sources.
TEST_F(MediaBridgeTest, OtherSourcesAreRefusedWithoutLatching) {
  Make(kSuite, std::nullopt);
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(1)), At("10.0.0.1", 20002)), "");
  EXPECT_EQ(action_.drop, DropReason::kSourceRefused);
  EXPECT_EQ(Deliver(LegSide::kB, Rtp(1), At("10.0.0.3", 30000)), "");
  EXPECT_EQ(action_.drop, DropReason::kSourceRefused);
  EXPECT_EQ(bridge_->leg(LegSide::kB).stats().packets_received, 0u);
}

TEST_F(MediaBridgeTest, SrtpLegLatchesOnlyToWhatAuthenticates) {
  Make(kSuite, std::nullopt);
  MediaLegUpdate update;
  update.latching = true;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(update, now_).ok());
  const Endpoint attacker = At("10.9.9.9", 4000);
  const Endpoint behind_nat = At("10.7.7.7", 5000);
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(1), attacker), "");
  EXPECT_EQ(action_.drop, DropReason::kAuthFailed);
  // Media still goes where signalling said.
  Deliver(LegSide::kB, Rtp(1), b_->address);
  EXPECT_EQ(action_.to, a_->address);
  // The true source proves itself and is followed.
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(2)), behind_nat), Rtp(2));
  Deliver(LegSide::kB, Rtp(2), b_->address);
  EXPECT_EQ(action_.to, behind_nat);
  // Only once: even a packet that authenticates does not move it.
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(3)), attacker), "");
  EXPECT_EQ(action_.drop, DropReason::kSourceRefused);
  // Signalling does.
  update.remote_rtp = attacker;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(update, now_).ok());
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(4)), attacker), Rtp(4));
}

TEST_F(MediaBridgeTest, RtpLegLatchesOnlyInsideTheSignalledNetwork) {
  Make(std::nullopt, kSuite);
  MediaLegUpdate update;
  update.latching = true;
  update.latching_prefixes = {*IpPrefix::Parse("10.1.0.0/16")};
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(update, now_).ok());
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(1), At("10.2.0.1", 20000)), "");
  EXPECT_EQ(action_.drop, DropReason::kSourceRefused);
  EXPECT_NE(Deliver(LegSide::kA, Rtp(2), At("10.1.0.1", 777 + 1024)), "");
  // Latched: the signalled address itself is out now.
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(3), a_->address), "");
}

TEST_F(MediaBridgeTest, RtpLegMayLatchToAnotherPortOfTheSignalledAddress) {
  Make(std::nullopt, kSuite);
  MediaLegUpdate update;
  update.latching = true;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(update, now_).ok());
  EXPECT_NE(Deliver(LegSide::kA, Rtp(1), At("10.0.0.1", 40000)), "");
}

TEST_F(MediaBridgeTest, LatchingNeverReachesARefusedPeer) {
  Make(kSuite, std::nullopt);
  MediaLegUpdate update;
  update.latching = true;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(update, now_).ok());
  uint16_t sequence = 0;
  for (const char* ip : {"127.0.0.1", "169.254.169.254", "192.168.1.1"}) {
    EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(Rtp(++sequence)), At(ip, 20000)),
              "");
    EXPECT_EQ(action_.drop, DropReason::kSourceRefused) << ip;
  }
}

TEST_F(MediaBridgeTest, UpdateRefusesPeersThePolicyRefuses) {
  Make(kSuite, std::nullopt);
  for (const char* ip : {"127.0.0.1", "169.254.169.254", "::1"}) {
    MediaLegUpdate update;
    update.remote_rtp = At(ip, 20000);
    const absl::Status status = bridge_->leg(LegSide::kB).Update(update, now_);
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << ip;
    EXPECT_EQ(ReasonOf(status), "MEDIA_PEER_REFUSED");
  }
  EXPECT_EQ(bridge_->leg(LegSide::kB).remote_rtp(), b_->address);
}

// Issue 4: the forms of research/media.md at every way by which a session
// learns an address: told for RTP and for RTCP, latched in clear and by what
// authenticates.
TEST_F(MediaBridgeTest, NoFormOfAForbiddenAddressIsSentTo) {
  policy_ = PeerPolicy(PeerPolicyOptions());
  MediaLegOptions secured;
  secured.srtp = kSuite;
  bridge_.emplace(secured, MediaLegOptions(), Library(), policy_, random_);
  bridge_->sockets(LegSide::kA) = {1, 2};
  bridge_->sockets(LegSide::kB) = {3, 4};
  a_.emplace(At("8.8.4.4", 30000), kSuite, 'a');
  b_.emplace(At("8.8.8.8", 20000), std::nullopt, 'b');
  Signal(LegSide::kA, *a_);
  Signal(LegSide::kB, *b_);
  MediaLegUpdate latch;
  latch.latching = true;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(latch, now_).ok());
  latch.latching_prefixes = {*IpPrefix::Parse("0.0.0.0/0"),
                             *IpPrefix::Parse("::/0")};
  ASSERT_TRUE(bridge_->leg(LegSide::kB).Update(latch, now_).ok());
  uint16_t sequence = 100;
  for (const char* form : kForbiddenAddressForms) {
    for (const LegSide side : {LegSide::kA, LegSide::kB}) {
      MediaLegUpdate rtp;
      rtp.remote_rtp = At(form, 20000);
      EXPECT_EQ(ReasonOf(bridge_->leg(side).Update(rtp, now_)),
                "MEDIA_PEER_REFUSED")
          << form;
      MediaLegUpdate rtcp;
      rtcp.remote_rtcp = At(form, 20001);
      EXPECT_EQ(ReasonOf(bridge_->leg(side).Update(rtcp, now_)),
                "MEDIA_PEER_REFUSED")
          << form;
      Peer& peer = side == LegSide::kA ? *a_ : *b_;
      EXPECT_EQ(Deliver(side, peer.Wrap(Rtp(++sequence)), At(form, 20000)), "")
          << form;
      EXPECT_EQ(action_.drop, DropReason::kSourceRefused) << form;
    }
  }
  // Nobody was latched to, as either leg still may be to somebody in public.
  EXPECT_NE(Deliver(LegSide::kA, a_->Wrap(Rtp(1000)), At("9.9.9.9", 20000)),
            "");
  EXPECT_EQ(action_.to, b_->address);
  EXPECT_NE(Deliver(LegSide::kB, Rtp(1001, 9), At("1.1.1.1", 20000)), "");
  EXPECT_EQ(action_.to, At("9.9.9.9", 20000));
}

TEST_F(MediaBridgeTest, UpdateRefusesKeysThatDoNotFit) {
  Make(kSuite, std::nullopt);
  MediaLegUpdate update;
  update.remote_key.emplace();
  update.remote_key->key_salt = Secret::CopyOf("short");
  EXPECT_EQ(ReasonOf(bridge_->leg(LegSide::kA).Update(update, now_)),
            "SRTP_KEY_INVALID");
  EXPECT_EQ(ReasonOf(bridge_->leg(LegSide::kB).Update(update, now_)),
            "LEG_IS_NOT_SRTP");
}

TEST_F(MediaBridgeTest, SrtpLegWithoutRemoteKeyTakesNothing) {
  MediaLegOptions srtp;
  srtp.srtp = kSuite;
  bridge_.emplace(srtp, MediaLegOptions(), Library(), policy_, random_);
  bridge_->sockets(LegSide::kA) = {1, 2};
  bridge_->sockets(LegSide::kB) = {3, 4};
  MediaLegUpdate update;
  update.remote_rtp = At("10.0.0.1", 20000);
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(update, now_).ok());
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(1), At("10.0.0.1", 20000)), "");
  EXPECT_EQ(action_.drop, DropReason::kNotConfigured);
}

TEST_F(MediaBridgeTest, DirectionIsEnforced) {
  Make(std::nullopt, std::nullopt);
  MediaLegUpdate hold;
  hold.direction = MediaDirection::kRecvOnly;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(hold, now_).ok());
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(1), a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kDirection);
  EXPECT_NE(Deliver(LegSide::kB, Rtp(1), b_->address), "");
  hold.direction = MediaDirection::kSendOnly;
  ASSERT_TRUE(bridge_->leg(LegSide::kA).Update(hold, now_).ok());
  EXPECT_NE(Deliver(LegSide::kA, Rtp(2), a_->address), "");
  EXPECT_EQ(Deliver(LegSide::kB, Rtp(2), b_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kDirection);
  // RTCP goes on while media is held.
  EXPECT_NE(Deliver(LegSide::kB, SenderReport(), At("10.0.0.2", 30001), true),
            "");
}

TEST_F(MediaBridgeTest, MuxedLegSendsAndTakesRtcpOnItsRtpSocket) {
  Make(kSuite, std::nullopt, /*mux=*/true);
  const std::string report =
      Deliver(LegSide::kA, a_->Wrap(SenderReport(), true), a_->address);
  EXPECT_EQ(report, SenderReport());
  EXPECT_EQ(action_.socket, 4u);
  const std::string back =
      Deliver(LegSide::kB, SenderReport(9), At("10.0.0.2", 30001), true);
  EXPECT_EQ(a_->Unwrap(back, true), SenderReport(9));
  EXPECT_EQ(action_.socket, 1u);
  EXPECT_EQ(action_.to, a_->address);
}

TEST_F(MediaBridgeTest, KindsMustMatchTheirSockets) {
  Make(std::nullopt, std::nullopt);
  EXPECT_EQ(Deliver(LegSide::kA, SenderReport(), a_->address), "");
  EXPECT_EQ(action_.drop, DropReason::kNotMedia);
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(1), At("10.0.0.1", 20001), true), "");
  EXPECT_EQ(action_.drop, DropReason::kNotMedia);
  for (const char* hex : {"", "00", "16fefd", "40000000", "ff00ff"}) {
    EXPECT_EQ(Deliver(LegSide::kA, absl::HexStringToBytes(hex), a_->address),
              "");
    EXPECT_EQ(action_.drop, DropReason::kNotMedia) << hex;
  }
}

TEST_F(MediaBridgeTest, TelephoneEventsPassUntouched) {  // RFC 4733
  Make(kSuite, std::nullopt);
  std::string event = Rtp(1, 7, 0x80 | 101).substr(0, 12);
  event = event.substr(0, 12) + absl::HexStringToBytes("050a0320");
  EXPECT_EQ(Deliver(LegSide::kA, a_->Wrap(event), a_->address), event);
}

TEST_F(MediaBridgeTest, LossIsCountedAcrossTheGap) {
  Make(std::nullopt, std::nullopt);
  for (const uint16_t i : {10, 11, 14, 13, 20}) {
    Deliver(LegSide::kA, Rtp(i), a_->address);
  }
  // 10..20 are eleven, five came.
  EXPECT_EQ(bridge_->leg(LegSide::kA).stats().stream.lost(), 6u);
}

TEST_F(MediaBridgeTest, RoundTripFromReports) {  // RFC 3550 section 6.4.1
  Make(std::nullopt, std::nullopt);
  // A sender report goes out on leg B ...
  ASSERT_NE(Deliver(LegSide::kA, SenderReport(), At("10.0.0.1", 20001), true),
            "");
  now_.mono += absl::Milliseconds(150);
  // ... and B answers 100 ms after it got it: LSR bbbbcccc, DLSR 6553/65536 s.
  const std::string report = absl::HexStringToBytes(
      "81c90007"
      "00000009"
      "00000007"
      "40000000"
      "00000000"
      "00000000"
      "bbbbcccc"
      "00001999");
  ASSERT_NE(Deliver(LegSide::kB, report, At("10.0.0.2", 30001), true), "");
  const MediaLegStats& stats = bridge_->leg(LegSide::kB).stats();
  ASSERT_TRUE(stats.round_trip.has_value());
  EXPECT_NEAR(absl::ToDoubleMilliseconds(*stats.round_trip), 50, 0.1);
  EXPECT_DOUBLE_EQ(stats.remote_fraction_lost, 0.25);
}

}  // namespace
}  // namespace sallyport::media_relay
