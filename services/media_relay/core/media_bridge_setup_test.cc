// How a bridge with ICE and DTLS-SRTP legs comes up, and what cannot get in or
// out meanwhile: RFC 5763, RFC 8445, ES2023-01, ES2025-01.

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/media_bridge.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

const Endpoint kBrowser = {IpAddress::V4({10, 0, 0, 1}), 4000};
const Endpoint kGateway = {IpAddress::V4({10, 0, 0, 2}), 5000};
const Endpoint kStranger = {IpAddress::V4({10, 0, 0, 9}), 6000};

std::string Rtp(uint16_t sequence, uint32_t ssrc = 7) {
  std::string packet(12, '\0');
  packet[0] = '\x80';
  packet[2] = static_cast<char>(sequence >> 8);
  packet[3] = static_cast<char>(sequence);
  packet[11] = static_cast<char>(ssrc);
  return packet + std::string(160, 'v');
}

std::string Through(const std::string& bytes,
                    const std::function<SrtpResult(Packet&)>& call) {
  std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
  buffer.resize(bytes.size() + kPacketTailroom);
  Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
  return call(packet) == SrtpResult::kOk ? ToString(packet.bytes()) : "failed";
}

// A far side with DTLS-SRTP, and its two SRTP directions once it has keys.
class DtlsPeer {
 public:
  explicit DtlsPeer(absl::Time now)
      : identity_(DtlsIdentity::Create(now).value()) {}

  const CertificateFingerprint& fingerprint() const {
    return identity_->fingerprint();
  }
  void Start(DtlsRole role, const CertificateFingerprint& relay, MonoTime now,
             SrtpProfiles profiles = SrtpProfiles::Default()) {
    association_ =
        DtlsAssociation::Create(identity_, role, profiles, relay, now).value();
  }
  DtlsAssociation& association() { return *association_; }
  void TakeKeys() {
    auto keys = association_->TakeKeys();
    ASSERT_TRUE(keys.has_value());
    suite = keys->suite;
    out_ = SrtpSession::Create(Library(), suite, keys->local.DangerousBytes(),
                               {}, SrtpSession::Direction::kProtect)
               .value();
    in_ = SrtpSession::Create(Library(), suite, keys->remote.DangerousBytes(),
                              {}, SrtpSession::Direction::kUnprotect)
              .value();
  }
  std::string Wrap(const std::string& rtp) {
    return Through(rtp, [&](Packet& p) { return out_->ProtectRtp(p); });
  }
  std::string Unwrap(const std::string& srtp) {
    return Through(srtp, [&](Packet& p) { return in_->UnprotectRtp(p); });
  }

  SrtpSuite suite = SrtpSuite::kAesCm128HmacSha1_80;

 private:
  std::shared_ptr<const DtlsIdentity> identity_;
  std::unique_ptr<DtlsAssociation> association_;
  std::unique_ptr<SrtpSession> out_;
  std::unique_ptr<SrtpSession> in_;
};

// Leg A is the browser's, with DTLS and perhaps ICE; leg B is the gateway's.
class MediaBridgeSetupTest : public testing::Test {
 protected:
  MediaBridgeSetupTest() : browser_(now_.wall) {
    PeerPolicyOptions options;
    options.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
    policy_.emplace(options);
  }

  void Make(bool ice, std::optional<SrtpSuite> gateway = std::nullopt,
            SrtpProfiles profiles = SrtpProfiles::Default()) {
    MediaLegOptions a;
    a.rtcp_mux = true;
    a.ice = ice;
    a.dtls = identity_;
    a.dtls_profiles = profiles;
    MediaLegOptions b;
    b.srtp = gateway;
    bridge_.emplace(a, b, Library(), *policy_, random_);
    bridge_->sockets(LegSide::kA) = {1, kNoSocket};
    bridge_->sockets(LegSide::kB) = {3, 4};
    MediaLegUpdate update;
    update.remote_rtp = kGateway;
    if (gateway.has_value()) {
      update.remote_key.emplace();
      update.remote_key->key_salt =
          Secret::CopyOf(std::string(KeySaltSize(*gateway), 'g'));
    }
    ASSERT_TRUE(b_leg().Update(update, now_).ok());
  }
  // What the browser's answer says.
  void Signal(DtlsSetup setup) {
    MediaLegUpdate update;
    update.remote_fingerprint = browser_.fingerprint();
    update.remote_setup = setup;
    if (a_leg().ice() != nullptr) {
      update.remote_ufrag = "fara";
    } else {
      update.remote_rtp = kBrowser;
    }
    ASSERT_TRUE(a_leg().Update(update, now_).ok());
  }

  MediaLeg& a_leg() { return bridge_->leg(LegSide::kA); }
  MediaLeg& b_leg() { return bridge_->leg(LegSide::kB); }

  std::string Deliver(LegSide side, const std::string& wire,
                      const Endpoint& from) {
    buffer_.assign(kPacketHeadroom + wire.size() + kPacketTailroom, 0);
    std::memcpy(buffer_.data() + kPacketHeadroom, wire.data(), wire.size());
    Packet packet{buffer_.data() + kPacketHeadroom, wire.size(),
                  kPacketHeadroom, kPacketTailroom};
    action_ = bridge_->OnPacket(side, false, from, packet,
                                absl::MakeSpan(reply_), now_);
    return action_.sends() ? ToString(action_.bytes) : "";
  }
  // An ICE check; true when it was answered.
  bool CheckFrom(const Endpoint& from, bool nominate = true,
                 const std::string& password = "") {
    std::array<uint8_t, 256> buffer;
    StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest,
                      static_cast<uint16_t>(StunMethod::kBinding), {5});
    writer.AddText(stun_attribute::kUsername,
                   a_leg().ice()->local_ufrag() + ":fara");
    writer.AddUint32(stun_attribute::kPriority, 100);
    if (nominate) writer.AddBytes(stun_attribute::kUseCandidate, {});
    writer.AddIntegritySha1(
        password.empty() ? a_leg().ice()->local_password().DangerousBytes()
                         : AsBytes(password));
    writer.AddFingerprint();
    const std::string answer =
        Deliver(LegSide::kA, ToString(writer.finished()), from);
    if (answer.empty()) return false;
    EXPECT_EQ(action_.to, from);
    EXPECT_EQ(action_.socket, 1u);
    return true;
  }
  // Carries the handshake between relay and browser.
  void Handshake() {
    for (int i = 0; i < 10; ++i) {
      for (const auto& d : browser_.association().TakeDatagrams()) {
        EXPECT_EQ(Deliver(LegSide::kA, d, kBrowser), "");
      }
      Endpoint to;
      for (const auto& d : a_leg().TakeDatagrams(to)) {
        EXPECT_EQ(to, kBrowser);
        browser_.association().OnDatagram(AsBytes(d), now_.mono);
      }
    }
    ASSERT_EQ(browser_.association().state(), DtlsAssociation::State::kOpen);
    browser_.TakeKeys();
  }
  void ExpectAudioBothWays(uint16_t first) {
    for (uint16_t i = first; i < first + 20; ++i) {
      EXPECT_EQ(Deliver(LegSide::kA, browser_.Wrap(Rtp(i)), kBrowser), Rtp(i));
      EXPECT_EQ(action_.to, kGateway);
      EXPECT_EQ(browser_.Unwrap(Deliver(LegSide::kB, Rtp(i), kGateway)),
                Rtp(i));
      EXPECT_EQ(action_.to, kBrowser);
    }
  }
  // RTP, SRTP, DTLS and STUN from everywhere to both legs: nothing may cross,
  // and nothing may be answered.
  void Spray() {
    DtlsPeer stranger(now_.wall);
    stranger.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
    const std::string hello = stranger.association().TakeDatagrams().at(0);
    for (const Endpoint& from :
         {kStranger, kGateway, Endpoint{kBrowser.ip, 4001}}) {
      for (const std::string& wire :
           {Rtp(1), Rtp(2, 99), hello, std::string(28, '\x80'),
            std::string(40, '\x16'), std::string(20, '\0')}) {
        EXPECT_EQ(Deliver(LegSide::kA, wire, from), "");
      }
      if (a_leg().ice() == nullptr) continue;
      EXPECT_FALSE(CheckFrom(from, true, "guessed password of 22 +"));
    }
    for (const Endpoint& from : {kStranger, kBrowser}) {
      EXPECT_EQ(Deliver(LegSide::kB, Rtp(1), from), "");
      EXPECT_EQ(Deliver(LegSide::kB, hello, from), "");
    }
    Endpoint to;
    EXPECT_TRUE(a_leg().TakeDatagrams(to).empty());
  }
  uint64_t Drops(LegSide side, DropReason reason) {
    return bridge_->leg(side).stats().drops[static_cast<size_t>(reason)];
  }

  Now now_{MonoTime::FromOrigin(absl::Hours(1)),
           absl::FromUnixSeconds(1'800'000'000)};
  FakeRandom random_;
  std::optional<PeerPolicy> policy_;
  std::shared_ptr<const DtlsIdentity> identity_ =
      DtlsIdentity::Create(now_.wall).value();
  DtlsPeer browser_;
  std::optional<MediaBridge> bridge_;
  PacketAction action_;
  std::vector<uint8_t> buffer_;
  std::array<uint8_t, kReplySize> reply_ = {};
};

TEST_F(MediaBridgeSetupTest, IceThenDtlsThenAudioWithEachProfile) {
  for (const SrtpSuite suite : SrtpProfiles::kOrder) {
    SrtpProfiles only;
    only.Add(suite);
    Make(/*ice=*/true, std::nullopt, only);
    Signal(DtlsSetup::kActive);
    EXPECT_TRUE(CheckFrom(kBrowser));
    browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono,
                   only);
    Handshake();
    EXPECT_EQ(browser_.suite, suite);
    EXPECT_EQ(a_leg().suite(), suite);
    EXPECT_TRUE(a_leg().DangerousLocalKey().empty());
    ExpectAudioBothWays(1);
  }
}

TEST_F(MediaBridgeSetupTest, RelayBeginsWhenTheFarSideIsPassiveOrLeavesIt) {
  for (const DtlsSetup setup : {DtlsSetup::kPassive, DtlsSetup::kActPass}) {
    Make(/*ice=*/true);
    Signal(setup);
    Endpoint to;
    EXPECT_TRUE(a_leg().TakeDatagrams(to).empty());  // no address yet
    browser_.Start(DtlsRole::kServer, identity_->fingerprint(), now_.mono);
    EXPECT_TRUE(CheckFrom(kBrowser, /*nominate=*/false));
    Handshake();
    ExpectAudioBothWays(1);
  }
}

TEST_F(MediaBridgeSetupTest, WithoutIceTheSignalledAddressAloneMayShakeHands) {
  Make(/*ice=*/false, SrtpSuite::kAeadAes128Gcm);  // DTLS-SRTP to SDES-SRTP
  Spray();
  Signal(DtlsSetup::kActive);
  Spray();
  EXPECT_EQ(a_leg().dtls()->state(), DtlsEndpoint::State::kNew);
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  Handshake();
  auto from_relay = SrtpSession::Create(Library(), SrtpSuite::kAeadAes128Gcm,
                                        b_leg().DangerousLocalKey(), {},
                                        SrtpSession::Direction::kUnprotect)
                        .value();
  auto to_relay = SrtpSession::Create(Library(), SrtpSuite::kAeadAes128Gcm,
                                      AsBytes(std::string(28, 'g')), {},
                                      SrtpSession::Direction::kProtect)
                      .value();
  for (uint16_t i = 1; i < 10; ++i) {
    const std::string sent =
        Deliver(LegSide::kA, browser_.Wrap(Rtp(i)), kBrowser);
    EXPECT_EQ(
        Through(sent, [&](Packet& p) { return from_relay->UnprotectRtp(p); }),
        Rtp(i));
    const std::string back =
        Through(Rtp(i), [&](Packet& p) { return to_relay->ProtectRtp(p); });
    EXPECT_EQ(browser_.Unwrap(Deliver(LegSide::kB, back, kGateway)), Rtp(i));
  }
}

// At each step of the set-up: none leaked, none injected.
TEST_F(MediaBridgeSetupTest, SprayedAndCrossWiredPacketsDuringSetUp) {
  Make(/*ice=*/true);
  const auto expect_silence = [&] {
    Spray();
    // The gateway's own audio has nowhere to go yet.
    EXPECT_EQ(Deliver(LegSide::kB, Rtp(3), kGateway), "");
    EXPECT_EQ(Deliver(LegSide::kA, Rtp(3), kBrowser), "");
    EXPECT_EQ(b_leg().stats().packets_sent, 0u);
    EXPECT_EQ(a_leg().stats().packets_sent, 0u);
    EXPECT_EQ(a_leg().stats().packets_received, 0u);
  };
  expect_silence();  // made
  Signal(DtlsSetup::kActive);
  expect_silence();  // signalled
  // A ClientHello before any check makes no state, even from the right place.
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  const auto early = browser_.association().TakeDatagrams();
  Deliver(LegSide::kA, early.at(0), kBrowser);
  EXPECT_EQ(action_.drop, DropReason::kSourceRefused);
  EXPECT_EQ(a_leg().dtls()->state(), DtlsEndpoint::State::kNew);
  EXPECT_TRUE(CheckFrom(kBrowser));
  expect_silence();  // checked, no keys
  now_.mono = browser_.association().deadline();
  browser_.association().OnDeadline(now_.mono);  // the hello once more
  Handshake();
  Spray();
  EXPECT_EQ(b_leg().stats().packets_sent, 0u);
  ExpectAudioBothWays(10);
  Spray();
  // What was authenticated for one side is nothing to the other.
  const std::string wrapped = browser_.Wrap(Rtp(100));
  EXPECT_EQ(Deliver(LegSide::kB, wrapped, kBrowser), "");
  EXPECT_EQ(Deliver(LegSide::kA, wrapped, kStranger), "");
  EXPECT_EQ(Deliver(LegSide::kA, wrapped, kBrowser), Rtp(100));
  EXPECT_EQ(Deliver(LegSide::kA, wrapped, kBrowser), "");   // replayed
  EXPECT_EQ(Deliver(LegSide::kA, Rtp(101), kBrowser), "");  // in clear
  ExpectAudioBothWays(200);
  EXPECT_EQ(a_leg().stats().packets_received, 41u);
  EXPECT_EQ(b_leg().stats().packets_sent, 41u);
  EXPECT_GT(Drops(LegSide::kA, DropReason::kSourceRefused), 0u);
  EXPECT_GT(Drops(LegSide::kA, DropReason::kWrongIntegrity), 0u);
  EXPECT_GT(Drops(LegSide::kA, DropReason::kAuthFailed), 0u);
}

TEST_F(MediaBridgeSetupTest, MediaWaitsForTheFingerprint) {
  Make(/*ice=*/true);
  EXPECT_TRUE(CheckFrom(kBrowser));
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  for (int i = 0; i < 5; ++i) {
    for (const auto& d : browser_.association().TakeDatagrams()) {
      Deliver(LegSide::kA, d, kBrowser);
    }
    Endpoint to;
    for (const auto& d : a_leg().TakeDatagrams(to)) {
      browser_.association().OnDatagram(AsBytes(d), now_.mono);
    }
  }
  EXPECT_EQ(a_leg().dtls()->state(), DtlsEndpoint::State::kHandshaking);
  EXPECT_FALSE(a_leg().suite().has_value());
  EXPECT_EQ(Deliver(LegSide::kB, Rtp(1), kGateway), "");
  Signal(DtlsSetup::kActive);
  Handshake();
  ExpectAudioBothWays(2);
}

TEST_F(MediaBridgeSetupTest, AnotherCertificateGetsNoMedia) {
  Make(/*ice=*/true);
  Signal(DtlsSetup::kActive);
  EXPECT_TRUE(CheckFrom(kBrowser));
  DtlsPeer other(now_.wall);
  other.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  for (int i = 0; i < 5; ++i) {
    for (const auto& d : other.association().TakeDatagrams()) {
      Deliver(LegSide::kA, d, kBrowser);
    }
    Endpoint to;
    for (const auto& d : a_leg().TakeDatagrams(to)) {
      other.association().OnDatagram(AsBytes(d), now_.mono);
    }
  }
  EXPECT_EQ(a_leg().dtls()->state(), DtlsEndpoint::State::kFailed);
  EXPECT_EQ(a_leg().dtls()->failure(), "FINGERPRINT_MISMATCH");
  EXPECT_EQ(Deliver(LegSide::kB, Rtp(1), kGateway), "");
  EXPECT_EQ(action_.drop, DropReason::kNotConfigured);
}

TEST_F(MediaBridgeSetupTest, Rfc7675WithoutChecksNothingIsSent) {
  Make(/*ice=*/true);
  Signal(DtlsSetup::kActive);
  EXPECT_TRUE(CheckFrom(kBrowser));
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  Handshake();
  a_leg().TakeNews();
  now_.mono += absl::Seconds(30);
  now_.wall += absl::Seconds(30);
  EXPECT_EQ(a_leg().deadline(), now_.mono);
  a_leg().OnDeadline(now_);
  EXPECT_NE(a_leg().TakeNews() & leg_news::kIceChanged, 0);
  EXPECT_EQ(a_leg().ice()->state(), IceLite::State::kConsentLost);
  EXPECT_EQ(Deliver(LegSide::kB, Rtp(1), kGateway), "");
  EXPECT_EQ(action_.drop, DropReason::kConsentLost);
  EXPECT_EQ(Deliver(LegSide::kA, browser_.Wrap(Rtp(1)), kBrowser), "");
  EXPECT_EQ(action_.drop, DropReason::kSourceRefused);
  // Checks bring it back, without another handshake.
  EXPECT_TRUE(CheckFrom(kBrowser));
  ExpectAudioBothWays(2);
}

TEST_F(MediaBridgeSetupTest, OnlyANominationMovesTheMedia) {
  Make(/*ice=*/true);
  Signal(DtlsSetup::kActive);
  EXPECT_TRUE(CheckFrom(kBrowser));
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  Handshake();
  const Endpoint moved = {kBrowser.ip, 4444};
  // An authenticated packet from elsewhere does not.
  EXPECT_EQ(Deliver(LegSide::kA, browser_.Wrap(Rtp(1)), moved), "");
  EXPECT_TRUE(CheckFrom(moved, /*nominate=*/false));
  EXPECT_NE(Deliver(LegSide::kB, Rtp(1), kGateway), "");
  EXPECT_EQ(action_.to, kBrowser);
  EXPECT_EQ(Deliver(LegSide::kA, browser_.Wrap(Rtp(2)), moved), Rtp(2));
  EXPECT_TRUE(CheckFrom(moved, /*nominate=*/true));
  EXPECT_NE(Deliver(LegSide::kB, Rtp(2), kGateway), "");
  EXPECT_EQ(action_.to, moved);
}

TEST_F(MediaBridgeSetupTest, Rfc8842RestartKeepsKeysUntilTheNewOnesAreThere) {
  Make(/*ice=*/true);
  Signal(DtlsSetup::kActive);
  EXPECT_TRUE(CheckFrom(kBrowser));
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  Handshake();
  ExpectAudioBothWays(1);
  DtlsPeer next(now_.wall);
  MediaLegUpdate update;
  update.remote_fingerprint = next.fingerprint();
  update.remote_ufrag = "another1";
  update.restart_ice = true;
  const std::string ufrag = a_leg().ice()->local_ufrag();
  ASSERT_TRUE(a_leg().Update(update, now_).ok());
  EXPECT_NE(a_leg().ice()->local_ufrag(), ufrag);
  ExpectAudioBothWays(100);
  std::swap(browser_, next);
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  Handshake();
  ExpectAudioBothWays(1);
}

// RFC 8842 section 4.2: the same certificate by another transport.
TEST_F(MediaBridgeSetupTest, ATakeoverBeginsAnewWithTheSameCertificate) {
  Make(/*ice=*/true);
  Signal(DtlsSetup::kActive);
  EXPECT_TRUE(CheckFrom(kBrowser));
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  Handshake();
  ExpectAudioBothWays(1);
  MediaLegUpdate restart;
  restart.restart_dtls = restart.restart_ice = true;
  ASSERT_TRUE(a_leg().Update(restart, now_).ok());
  EXPECT_EQ(a_leg().dtls()->state(), DtlsEndpoint::State::kNew);
  EXPECT_EQ(a_leg().dtls()->local_setup(), DtlsSetup::kActPass);
  EXPECT_EQ(a_leg().dtls()->remote_fingerprint(), std::nullopt);
  EXPECT_EQ(a_leg().ice()->remote_ufrag(), "");
  ExpectAudioBothWays(100);  // by the former keys
  Signal(DtlsSetup::kActive);
  browser_.Start(DtlsRole::kClient, identity_->fingerprint(), now_.mono);
  EXPECT_TRUE(CheckFrom(kBrowser, /*nominate=*/true));
  Handshake();
  ExpectAudioBothWays(1);
}

TEST_F(MediaBridgeSetupTest, PeersThatPolicyRefusesGetNoAnswer) {
  Make(/*ice=*/true);
  Signal(DtlsSetup::kActive);
  EXPECT_FALSE(CheckFrom({IpAddress::V4({127, 0, 0, 1}), 4000}));
  EXPECT_EQ(action_.drop, DropReason::kPeerRefused);
  EXPECT_FALSE(CheckFrom({IpAddress::V4({192, 168, 1, 1}), 4000}));
}

TEST_F(MediaBridgeSetupTest, WhatDoesNotFitALegIsRefused) {
  Make(/*ice=*/true);
  MediaLegUpdate update;
  update.remote_fingerprint = browser_.fingerprint();
  EXPECT_EQ(ReasonOf(b_leg().Update(update, now_)), "LEG_IS_NOT_DTLS");
  update = {};
  update.remote_ufrag = "abcd";
  EXPECT_EQ(ReasonOf(b_leg().Update(update, now_)), "LEG_HAS_NO_ICE");
  update = {};
  update.latching = true;
  EXPECT_EQ(ReasonOf(a_leg().Update(update, now_)), "LEG_HAS_ICE");
  update = {};
  update.remote_key.emplace();
  update.remote_key->key_salt = Secret::CopyOf(std::string(30, 'k'));
  EXPECT_EQ(ReasonOf(a_leg().Update(update, now_)), "LEG_IS_NOT_SRTP");
  EXPECT_EQ(ReasonOf(a_leg().RenewLocalKeys(random_)), "LEG_IS_NOT_SRTP");
}

TEST_F(MediaBridgeSetupTest, SilenceIsToldOnceAndSoIsItsEnd) {
  Make(/*ice=*/false);
  b_leg().WatchMedia(absl::Seconds(20), now_);
  b_leg().TakeNews();
  const auto after = [&](absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
    if (b_leg().deadline() <= now_.mono) b_leg().OnDeadline(now_);
    return static_cast<LegNews>(b_leg().TakeNews() & ~leg_news::kAttention);
  };
  EXPECT_EQ(after(absl::Seconds(19)), 0);
  EXPECT_EQ(after(absl::Seconds(1)), leg_news::kMediaMissing);
  EXPECT_EQ(after(absl::Seconds(60)), 0);
  Deliver(LegSide::kB, Rtp(1), kGateway);
  EXPECT_EQ(b_leg().TakeNews(), leg_news::kMediaStarted);
  EXPECT_EQ(after(absl::Seconds(19)), 0);
  Deliver(LegSide::kB, Rtp(2), kGateway);
  EXPECT_EQ(after(absl::Seconds(19)), 0);
  EXPECT_EQ(after(absl::Seconds(2)), leg_news::kMediaLost);
  Deliver(LegSide::kB, Rtp(3), kGateway);
  EXPECT_EQ(b_leg().TakeNews(), leg_news::kMediaResumed);
  // On hold nothing is expected.
  MediaLegUpdate hold;
  hold.direction = MediaDirection::kRecvOnly;
  ASSERT_TRUE(b_leg().Update(hold, now_).ok());
  b_leg().TakeNews();
  EXPECT_EQ(after(absl::Hours(1)), 0);
}

}  // namespace
}  // namespace sallyport::media_relay
