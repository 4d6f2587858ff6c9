#include "services/media_relay/core/media_leg.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/playback.h"
#include "services/media_relay/core/rtcp_header.h"
#include "services/media_relay/core/rtp_header.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/voice_quality.h"

namespace sallyport::media_relay {
namespace {

uint32_t Load32(const uint8_t* p) {
  return (static_cast<uint32_t>(p[0]) << 24) |
         (static_cast<uint32_t>(p[1]) << 16) |
         (static_cast<uint32_t>(p[2]) << 8) | static_cast<uint32_t>(p[3]);
}

DropReason ReasonOfResult(SrtpResult result) {
  switch (result) {
    case SrtpResult::kOk:
      return DropReason::kNone;
    case SrtpResult::kAuthFailed:
      return DropReason::kAuthFailed;
    case SrtpResult::kReplayed:
      return DropReason::kReplayed;
    case SrtpResult::kTooManySources:
      return DropReason::kTooManySources;
    case SrtpResult::kMalformed:
      return DropReason::kMalformedRtp;
    case SrtpResult::kNoRoom:
      return DropReason::kTooLarge;
    case SrtpResult::kFailed:
      return DropReason::kAuthFailed;
  }
  return DropReason::kAuthFailed;
}

}  // namespace

std::optional<double> MediaLegStats::MeanOpinionScore() const {
  constexpr uint64_t kEnough = 50;
  if (packets_received < kEnough) return std::nullopt;
  VoiceQualityInput input;
  input.payload_type = stream.payload_type();
  const double lost = static_cast<double>(stream.lost());
  input.loss = lost / (static_cast<double>(packets_received) + lost);
  input.round_trip = round_trip.value_or(absl::ZeroDuration());
  input.jitter = stream.jitter();
  return media_relay::MeanOpinionScore(TransmissionRating(input));
}

MediaLeg::MediaLeg(const MediaLegOptions& options, const SrtpLibrary& library,
                   const PeerPolicy& policy, RandomSource& random)
    : options_(options),
      library_(library),
      policy_(policy),
      random_(random),
      has_rtcp_port_(!options.rtcp_mux) {
  if (options_.ice) ice_ = std::make_unique<IceLite>(random);
  if (options_.dtls != nullptr) {
    dtls_ =
        std::make_unique<DtlsEndpoint>(options_.dtls, options_.dtls_profiles);
  }
  if (options_.srtp.has_value()) {
    if (options_.srtp_suites.empty()) options_.srtp_suites = {*options_.srtp};
    // Cannot fail: the sizes are those of the suites. Were it to, the leg
    // would have no outbound session and send nothing.
    RenewLocalKeys(random).IgnoreError();
  }
}

MediaLeg::LocalKey* MediaLeg::FindLocalKey(SrtpSuite suite) {
  for (LocalKey& key : local_keys_) {
    if (key.suite == suite) return &key;
  }
  return nullptr;
}

ByteSpan MediaLeg::DangerousLocalKeyFor(SrtpSuite suite) const {
  for (const LocalKey& key : local_keys_) {
    if (key.suite == suite) return key.key_salt.DangerousBytes();
  }
  return {};
}

absl::StatusOr<std::unique_ptr<SrtpSession>> MediaLeg::MakeOutbound(
    const LocalKey& key) const {
  return SrtpSession::Create(library_, key.suite, key.key_salt.DangerousBytes(),
                             {}, SrtpSession::Direction::kProtect);
}

absl::Status MediaLeg::RenewLocalKeys(RandomSource& random) {
  if (!options_.srtp.has_value()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "LEG_IS_NOT_SRTP",
                     "only a leg with SDES-SRTP has a key to renew");
  }
  std::vector<LocalKey> keys;
  std::unique_ptr<SrtpSession> outbound;
  for (const SrtpSuite suite : options_.srtp_suites) {
    LocalKey& key = keys.emplace_back(
        LocalKey{suite, Secret::Random(random, KeySaltSize(suite)), nullptr});
    if (suite == *options_.srtp) {
      SP_ASSIGN_OR_RETURN(outbound, MakeOutbound(key));
    }
  }
  outbound_ = std::move(outbound);
  local_keys_ = std::move(keys);
  return absl::OkStatus();
}

absl::Status MediaLeg::CheckUpdate(const MediaLegUpdate& update) const {
  for (const std::optional<Endpoint>& remote :
       {update.remote_rtp, update.remote_rtcp}) {
    if (remote.has_value() && policy_.Check(*remote) != PeerVerdict::kAllowed) {
      return MakeError(absl::StatusCode::kPermissionDenied,
                       "MEDIA_PEER_REFUSED",
                       "the remote media address may not be reached");
    }
  }
  if (dtls_ == nullptr &&
      (update.remote_fingerprint.has_value() ||
       update.remote_setup.has_value() || update.restart_dtls)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "LEG_IS_NOT_DTLS",
                     "a fingerprint or setup was given for a leg without DTLS");
  }
  if (ice_ == nullptr &&
      (update.remote_ufrag.has_value() || update.restart_ice)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "LEG_HAS_NO_ICE",
                     "a user fragment was given for a leg without ICE");
  }
  if (ice_ != nullptr && update.latching.value_or(false)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "LEG_HAS_ICE",
                     "a leg with ICE follows its checks and does not latch");
  }
  if (update.rtcp_mux.has_value() && !*update.rtcp_mux && !has_rtcp_port_) {
    return MakeError(absl::StatusCode::kInvalidArgument, "RTCP_MUX_REQUIRED",
                     "the leg has no port for RTCP alone");
  }
  if (!update.remote_key.has_value() && !update.srtp_suite.has_value()) {
    return absl::OkStatus();
  }
  if (!options_.srtp.has_value()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "LEG_IS_NOT_SRTP",
                     "a key was given for a leg without SDES-SRTP");
  }
  const SrtpSuite suite = update.srtp_suite.value_or(*options_.srtp);
  if (DangerousLocalKeyFor(suite).empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "SRTP_SUITE_NOT_OFFERED",
                     "the suite is none of those that the leg was made with");
  }
  if (!update.remote_key.has_value()) {
    if (suite == *options_.srtp || inbound_ == nullptr) return absl::OkStatus();
    return MakeError(absl::StatusCode::kInvalidArgument, "SRTP_KEY_INVALID",
                     "another suite needs another key");
  }
  if (update.remote_key->key_salt.size() != KeySaltSize(suite) ||
      update.remote_key->mki.size() > SrtpSession::kMaxMkiSize ||
      (!update.remote_key->mki.empty() &&
       suite == SrtpSuite::kAesCm128HmacSha1_32)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SRTP_KEY_INVALID",
                     "the remote SRTP key does not fit the suite");
  }
  return absl::OkStatus();
}

absl::Status MediaLeg::Update(const MediaLegUpdate& update, Now now) {
  SP_RETURN_IF_ERROR(CheckUpdate(update));
  const std::optional<SrtpSuite> suite =
      update.srtp_suite.has_value() ? update.srtp_suite : options_.srtp;
  std::unique_ptr<SrtpSession> inbound;
  if (update.remote_key.has_value()) {
    const ByteSpan key = update.remote_key->key_salt.DangerousBytes();
    const ByteSpan mki = update.remote_key->mki.DangerousBytes();
    // The same key again keeps its rollover counters and replay lists.
    if (inbound_ == nullptr || inbound_->suite() != *suite ||
        !inbound_->HasKey(key, mki)) {
      SP_ASSIGN_OR_RETURN(
          inbound, SrtpSession::Create(library_, *suite, key, mki,
                                       SrtpSession::Direction::kUnprotect));
    }
  }
  if (suite != options_.srtp) {
    LocalKey& next = *FindLocalKey(*suite);
    std::unique_ptr<SrtpSession> outbound = std::move(next.resting);
    if (outbound == nullptr) {
      SP_ASSIGN_OR_RETURN(outbound, MakeOutbound(next));
    }
    FindLocalKey(*options_.srtp)->resting =
        std::exchange(outbound_, std::move(outbound));
    options_.srtp = suite;
  }
  // Nothing fails from here on.
  if (inbound != nullptr) ReplaceInbound(std::move(inbound), now);
  if (update.rtcp_mux.has_value() && *update.rtcp_mux != options_.rtcp_mux) {
    options_.rtcp_mux = *update.rtcp_mux;
    rtcp_.latched.reset();
  }
  if (update.remote_rtp.has_value() && update.remote_rtp != remote_rtp_) {
    remote_rtp_ = update.remote_rtp;
    if (ice_ == nullptr) rtp_.latched.reset();
    rtcp_.latched.reset();
  }
  if (update.remote_rtcp.has_value() && update.remote_rtcp != remote_rtcp_) {
    remote_rtcp_ = update.remote_rtcp;
    rtcp_.latched.reset();
  }
  if (update.direction.has_value()) direction_ = *update.direction;
  if (update.latching.has_value() && latching_ != *update.latching) {
    latching_ = *update.latching;
    rtp_.latched.reset();
    rtcp_.latched.reset();
  }
  if (update.latching_prefixes.has_value()) {
    latching_prefixes_ = *update.latching_prefixes;
  }
  if (update.restart_ice) ice_->Restart(random_);
  if (update.remote_ufrag.has_value()) {
    const IceLite::State before = ice_->state();
    ice_->SetRemoteUfrag(*update.remote_ufrag);
    FollowIce(before, now);
  }
  if (dtls_ != nullptr) {
    if (update.restart_dtls) dtls_->Restart();
    dtls_->Update(update.remote_fingerprint, update.remote_setup, now.mono);
    if (ice_ == nullptr && remote_rtp_.has_value()) dtls_->OnPath(now.mono);
    FollowDtls(now);
  }
  // A leg that is put on hold or taken off it, or whose far side is known now.
  if (ExpectsMedia() != (media_check_ != MonoTime::InfiniteFuture())) {
    WatchMedia(media_timeout_, now);
  }
  return absl::OkStatus();
}

bool MediaLeg::ExpectsMedia() const {
  const bool sends = direction_ == MediaDirection::kSendRecv ||
                     direction_ == MediaDirection::kSendOnly;
  // While it rings nothing is known of the far side, and nothing comes.
  const bool known = ice_ != nullptr ? !ice_->remote_ufrag().empty()
                                     : remote_rtp_.has_value() || latching_;
  return sends && known;
}

DropReason MediaLeg::OnStun(const Endpoint& from, const Packet& packet,
                            absl::Span<uint8_t> reply, Now now,
                            absl::Span<const uint8_t>& answer) {
  if (policy_.Check(from) != PeerVerdict::kAllowed) {
    return Count(DropReason::kPeerRefused);
  }
  const IceLite::State before = ice_->state();
  const IceLite::Answer out =
      ice_->OnPacket(packet.bytes(), from, reply, now.mono);
  if (out.drop != DropReason::kNone) return Count(out.drop);
  answer = out.reply;
  FollowIce(before, now);
  return DropReason::kNone;
}

void MediaLeg::FollowIce(IceLite::State before, Now now) {
  const std::optional<Endpoint> destination = ice_->destination();
  if (before != ice_->state() || destination != rtp_.latched) {
    news_ |= leg_news::kIceChanged;
  }
  rtp_.latched = destination;
  news_ |= leg_news::kAttention;
  if (dtls_ != nullptr && destination.has_value()) {
    dtls_->OnPath(now.mono);
    FollowDtls(now);
  }
}

DropReason MediaLeg::OnDtls(const Endpoint& from, const Packet& packet,
                            Now now) {
  // ES2023-01: no state for a ClientHello from anywhere else.
  if (ice_ != nullptr ? !ice_->IsValid(from) : remote_rtp_ != from) {
    return Count(DropReason::kSourceRefused);
  }
  const DropReason refused = dtls_->OnDatagram(packet.bytes(), now.mono);
  FollowDtls(now);
  return refused == DropReason::kNone ? refused : Count(refused);
}

void MediaLeg::FollowDtls(Now now) {
  news_ |= leg_news::kAttention;
  if (dtls_->TakeChange()) news_ |= leg_news::kDtlsChanged;
  const std::optional<DtlsAssociation::Keys> keys = dtls_->TakeKeys();
  if (!keys.has_value()) return;
  auto inbound =
      SrtpSession::Create(library_, keys->suite, keys->remote.DangerousBytes(),
                          {}, SrtpSession::Direction::kUnprotect);
  auto outbound =
      SrtpSession::Create(library_, keys->suite, keys->local.DangerousBytes(),
                          {}, SrtpSession::Direction::kProtect);
  // Fails for want of memory alone; then nothing passes.
  ReplaceInbound(inbound.ok() ? *std::move(inbound) : nullptr, now);
  outbound_ = outbound.ok() ? *std::move(outbound) : nullptr;
}

std::vector<std::string> MediaLeg::TakeDatagrams(Endpoint& to) {
  if (dtls_ == nullptr) return {};
  std::vector<std::string> datagrams = dtls_->TakeDatagrams();
  const std::optional<Endpoint> destination = Destination(/*rtcp=*/false);
  if (!destination.has_value()) return {};
  to = *destination;
  return datagrams;
}

void MediaLeg::WatchMedia(absl::Duration timeout, Now now) {
  media_timeout_ = timeout;
  expected_since_ = now.wall;
  media_check_ = timeout == absl::InfiniteDuration() || !ExpectsMedia()
                     ? MonoTime::InfiniteFuture()
                     : now.mono + timeout;
  news_ |= leg_news::kAttention;
}

MonoTime MediaLeg::deadline() const {
  MonoTime first = media_check_;
  if (ice_ != nullptr) first = std::min(first, ice_->deadline());
  if (dtls_ != nullptr) first = std::min(first, dtls_->deadline());
  return first;
}

void MediaLeg::OnDeadline(Now now) {
  news_ |= leg_news::kAttention;
  if (ice_ != nullptr && ice_->deadline() <= now.mono) {
    const IceLite::State before = ice_->state();
    ice_->OnDeadline(now.mono);
    FollowIce(before, now);
  }
  if (dtls_ != nullptr && dtls_->deadline() <= now.mono) {
    dtls_->OnDeadline(now.mono);
    FollowDtls(now);
  }
  if (media_check_ > now.mono) return;
  // Packets do not move the deadline; it is looked at what has come since.
  const absl::Duration idle =
      now.wall - std::max(stats_.last_packet, expected_since_);
  if (idle >= media_timeout_ && !silent_) {
    silent_ = true;
    news_ |= stats_.packets_received == 0 ? leg_news::kMediaMissing
                                          : leg_news::kMediaLost;
  }
  const absl::Duration left = media_timeout_ - idle;
  media_check_ =
      now.mono + (left > absl::ZeroDuration() ? std::min(left, media_timeout_)
                                              : media_timeout_);
}

std::optional<Endpoint> MediaLeg::Destination(bool rtcp) const {
  if (ice_ != nullptr) return rtp_.latched;
  if (!rtcp || options_.rtcp_mux) {
    return rtp_.latched.has_value() ? rtp_.latched : remote_rtp_;
  }
  if (rtcp_.latched.has_value()) return rtcp_.latched;
  if (remote_rtcp_.has_value()) return remote_rtcp_;
  if (!remote_rtp_.has_value() || remote_rtp_->port == 0xFFFF) {
    return std::nullopt;
  }
  return Endpoint{remote_rtp_->ip,
                  static_cast<uint16_t>(remote_rtp_->port + 1)};
}

bool MediaLeg::SourceMayComeIn(bool rtcp, const Endpoint& from) const {
  const Path& path = rtcp && !options_.rtcp_mux ? rtcp_ : rtp_;
  if (path.latched.has_value() && *path.latched == from) return true;
  if (ice_ != nullptr) return ice_->IsValid(from);
  if (path.latched.has_value()) return false;
  const std::optional<Endpoint> signalled = Destination(rtcp);
  if (signalled == from) return true;
  if (!latching_) return false;
  if (policy_.Check(from) != PeerVerdict::kAllowed) return false;
  if (is_srtp()) return true;  // it still has to authenticate
  if (signalled.has_value() && signalled->ip == from.ip) return true;
  return std::any_of(
      latching_prefixes_.begin(), latching_prefixes_.end(),
      [&](const IpPrefix& prefix) { return prefix.Contains(from.ip); });
}

void MediaLeg::Latch(bool rtcp, const Endpoint& from) {
  if (!latching_) return;
  Path& path = rtcp && !options_.rtcp_mux ? rtcp_ : rtp_;
  if (!path.latched.has_value()) path.latched = from;
}

void MediaLeg::ReplaceInbound(std::unique_ptr<SrtpSession> inbound, Now now) {
  former_inbound_ = std::exchange(inbound_, std::move(inbound));
  former_until_ = now.mono + kRekeying;
}

SrtpResult MediaLeg::UnprotectDuringRekeying(bool rtcp, Packet& packet,
                                             Now now) {
  const auto with = [&](SrtpSession& session) {
    return rtcp ? session.UnprotectRtcp(packet) : session.UnprotectRtp(packet);
  };
  if (former_until_ <= now.mono || packet.size > kMaxPacketSize) {
    former_inbound_.reset();
    return with(*inbound_);
  }
  // A failure may leave nothing of the packet.
  std::array<uint8_t, kMaxPacketSize> copy;
  const Packet before = packet;
  std::copy_n(packet.data, packet.size, copy.begin());
  const SrtpResult result = with(*inbound_);
  if (result == SrtpResult::kOk) former_inbound_.reset();
  if (result != SrtpResult::kAuthFailed) return result;
  packet = before;
  std::copy_n(copy.begin(), packet.size, packet.data);
  return with(*former_inbound_);
}

DropReason MediaLeg::Unprotect(bool rtcp, Packet& packet, Now now) {
  if (!is_srtp()) return DropReason::kNone;
  if (inbound_ == nullptr) return DropReason::kNotConfigured;
  const DropReason reason = ReasonOfResult(
      former_inbound_ != nullptr ? UnprotectDuringRekeying(rtcp, packet, now)
      : rtcp                     ? inbound_->UnprotectRtcp(packet)
                                 : inbound_->UnprotectRtp(packet));
  if (reason == DropReason::kAuthFailed) ++stats_.auth_failures;
  if (reason == DropReason::kReplayed) ++stats_.replayed;
  return reason;
}

DropReason MediaLeg::Accept(bool rtcp, const Endpoint& from, Packet& packet,
                            Now now) {
  if (!remote_rtp_.has_value() && !latching_ && ice_ == nullptr) {
    return Count(DropReason::kNotConfigured);
  }
  if (!SourceMayComeIn(rtcp, from)) return Count(DropReason::kSourceRefused);
  RtpHeader header = {};
  if (rtcp ? !ParseRtcpHeader(packet.bytes()).ok()
           : !ReadRtpHeader(packet.bytes(), header)) {
    return Count(rtcp ? DropReason::kMalformedRtcp : DropReason::kMalformedRtp);
  }
  const DropReason unprotected = Unprotect(rtcp, packet, now);
  if (unprotected != DropReason::kNone) return Count(unprotected);

  if (rtcp) {
    if (!ParseRtcpCompound(packet.bytes()).ok()) {
      return Count(DropReason::kMalformedRtcp);
    }
    Latch(rtcp, from);
    ++stats_.rtcp_received;
    OnReceivedRtcp(packet.bytes(), now);
    return DropReason::kNone;  // flows whatever the direction of the media
  }
  // SRTP leaves the head as it is, and the whole of it before the payload.
  Latch(rtcp, from);
  if (direction_ == MediaDirection::kRecvOnly ||
      direction_ == MediaDirection::kInactive) {
    return Count(DropReason::kDirection);
  }
  ++stats_.packets_received;
  stats_.bytes_received += packet.size - header.size;
  stats_.stream.OnPacket(header, now.mono);
  if (stats_.packets_received == 1) {
    stats_.first_packet = now.wall;
    news_ |= leg_news::kMediaStarted;
  } else if (silent_) {
    news_ |= leg_news::kMediaResumed;
  }
  silent_ = false;
  stats_.last_packet = now.wall;
  return DropReason::kNone;
}

DropReason MediaLeg::Emit(bool rtcp, Packet& packet, Now now, Endpoint& to) {
  if (play_ != PlayState::kNone && !rtcp) [[unlikely]] {
    if (play_ == PlayState::kPlaying) return Count(DropReason::kPlayback);
    // RFC 3551 section 4.1; payload and clock stay as they are.
    if (packet.size > 1) packet.data[1] |= 0x80;
    const DropReason reason = Protect(rtcp, packet, now, to);
    if (reason == DropReason::kNone) play_ = PlayState::kNone;
    return reason;
  }
  return Protect(rtcp, packet, now, to);
}

void MediaLeg::Play(PlaybackSource source) {
  if (playback_ == nullptr) playback_ = std::make_unique<Playback>(random_);
  playback_->Start(std::move(source));
  play_ = PlayState::kPlaying;
}

void MediaLeg::StopPlayback() {
  if (play_ != PlayState::kPlaying) return;
  playback_->Stop();
  play_ = PlayState::kPlayed;
}

DropReason MediaLeg::EmitPlayed(uint64_t round, Packet& packet, Now now,
                                Endpoint& to) {
  if (!plays() || !playback_->Write(round, packet)) {
    packet.size = 0;
    if (plays()) play_ = PlayState::kPlayed;
    return DropReason::kNotConfigured;
  }
  const DropReason reason = Protect(/*rtcp=*/false, packet, now, to);
  if (reason == DropReason::kNone) ++stats_.packets_played;
  return reason;
}

DropReason MediaLeg::EmitReport(uint64_t round, Packet& packet, Now now,
                                Endpoint& to) {
  playback_->WriteReport(round, now, packet);
  return Protect(/*rtcp=*/true, packet, now, to);
}

DropReason MediaLeg::Protect(bool rtcp, Packet& packet, Now now, Endpoint& to) {
  const std::optional<Endpoint> destination = Destination(rtcp);
  if (!destination.has_value() || (is_srtp() && outbound_ == nullptr)) {
    return Count(ice_ != nullptr &&
                         ice_->state() == IceLite::State::kConsentLost
                     ? DropReason::kConsentLost
                     : DropReason::kNotConfigured);
  }
  if (!rtcp && (direction_ == MediaDirection::kSendOnly ||
                direction_ == MediaDirection::kInactive)) {
    return Count(DropReason::kDirection);
  }
  size_t payload = 0;
  if (rtcp) {
    OnSentRtcp(packet.bytes(), now);
  } else {
    RtpHeader header;
    if (!ReadRtpHeader(packet.bytes(), header)) {
      return Count(DropReason::kMalformedRtp);
    }
    payload = packet.size - header.size;
  }
  if (is_srtp()) {
    const SrtpResult result =
        rtcp ? outbound_->ProtectRtcp(packet) : outbound_->ProtectRtp(packet);
    if (result != SrtpResult::kOk) {
      // A repeated or very old packet: protecting it would reuse key stream.
      return Count(result == SrtpResult::kTooManySources
                       ? DropReason::kTooManySources
                       : DropReason::kProtectFailed);
    }
  }
  to = *destination;
  if (rtcp) {
    ++stats_.rtcp_sent;
  } else {
    ++stats_.packets_sent;
    stats_.bytes_sent += payload;
  }
  return DropReason::kNone;
}

void MediaLeg::OnSentRtcp(ByteSpan packet, Now now) {
  // RFC 3550 section 6.4.1: the middle 32 bits of the NTP time come back as
  // LSR in the far side's report.
  if (packet.size() < 28 || packet[1] != kRtcpSenderReport) return;
  sent_report_ = Load32(packet.data() + 10);
  sent_report_time_ = now.mono;
}

void MediaLeg::OnReceivedRtcp(ByteSpan packet, Now now) {
  const uint8_t type = packet[1];
  const size_t head = type == kRtcpSenderReport     ? 28
                      : type == kRtcpReceiverReport ? 8
                                                    : 0;
  if (head == 0 || (packet[0] & 0x1F) == 0 || packet.size() < head + 24) {
    return;
  }
  const uint8_t* block = packet.data() + head;
  stats_.remote_fraction_lost = block[4] / 256.0;
  const uint32_t last_report = Load32(block + 16);
  if (last_report == 0 || last_report != sent_report_ ||
      sent_report_time_ == MonoTime::InfinitePast()) {
    return;
  }
  const absl::Duration held =
      absl::Seconds(Load32(block + 20) / 65536.0);  // DLSR
  const absl::Duration round_trip = now.mono - sent_report_time_ - held;
  if (round_trip >= absl::ZeroDuration()) stats_.round_trip = round_trip;
}

}  // namespace sallyport::media_relay
