// One side of a media session: what it may accept, how it protects, and what
// it has carried.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEDIA_LEG_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEDIA_LEG_H_

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
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/playback.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stream_statistics.h"

namespace sallyport::media_relay {

// Seen from the far side, as in its SDP.
enum class MediaDirection : uint8_t {
  kSendRecv,
  kSendOnly,
  kRecvOnly,
  kInactive,
};

// What cannot change during a session. DTLS and ICE need rtcp_mux; of `srtp`
// and `dtls` at most one is set, and with neither the leg is plain RTP.
struct MediaLegOptions {
  std::optional<SrtpSuite> srtp;  // SDES-SRTP: the suite to begin with
  bool rtcp_mux = false;          // RFC 5761; the only port is that of RTP
  bool ice = false;               // RFC 8445, the lite side
  SrtpProfiles dtls_profiles = SrtpProfiles::Default();
  std::shared_ptr<const DtlsIdentity> dtls = nullptr;  // DTLS-SRTP
  // SDES-SRTP: what an update may choose; empty: `srtp` alone.
  std::vector<SrtpSuite> srtp_suites = {};
};

// What has happened on a leg, as a set.
using LegNews = uint8_t;
namespace leg_news {
inline constexpr LegNews kMediaStarted = 1;  // first packet accepted
inline constexpr LegNews kMediaMissing = 2;  // none ever came
inline constexpr LegNews kMediaLost = 4;     // none comes any more
inline constexpr LegNews kMediaResumed = 8;  // they come again
inline constexpr LegNews kIceChanged = 16;   // state or selected pair
inline constexpr LegNews kDtlsChanged = 32;  // state
inline constexpr LegNews kAttention = 64;    // to send, or another deadline
}  // namespace leg_news

// What an update may set; what is not there stays as it is.
struct MediaLegUpdate {
  std::optional<Endpoint> remote_rtp;
  std::optional<Endpoint> remote_rtcp;
  struct Key {
    Secret key_salt;
    Secret mki;
  };
  std::optional<Key> remote_key;
  std::optional<SrtpSuite> srtp_suite;  // needs its key, or none before
  std::optional<bool> rtcp_mux;
  std::optional<MediaDirection> direction;
  std::optional<bool> latching;
  std::optional<std::vector<IpPrefix>> latching_prefixes;
  std::optional<CertificateFingerprint> remote_fingerprint;
  std::optional<DtlsSetup> remote_setup;
  std::optional<std::string> remote_ufrag;
  bool restart_dtls = false;
  bool restart_ice = false;
};

struct MediaLegStats {
  // What every packet touches comes first, that of the receiver before that of
  // the sender.
  uint64_t packets_received = 0;  // RTP, accepted
  uint64_t bytes_received = 0;    // of their payloads
  absl::Time last_packet = absl::InfinitePast();
  StreamStatistics stream;
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;

  uint64_t rtcp_received = 0;
  uint64_t rtcp_sent = 0;
  // Of packets_sent, those that the relay made itself.
  uint64_t packets_played = 0;
  uint64_t auth_failures = 0;
  uint64_t replayed = 0;
  absl::Time first_packet = absl::InfiniteFuture();
  double remote_fraction_lost = 0;
  std::optional<absl::Duration> round_trip;
  DelayHistogram delay;  // of packets received here
  std::array<uint64_t, kDropReasonCount> drops = {};

  // Of what was received here; nothing before a second of voice has come.
  std::optional<double> MeanOpinionScore() const;
};

// Accepts packets only from where they may come: the remote address that was
// signalled, or, when latching, the first source that proves itself. On SRTP
// the proof is a packet that authenticates; on RTP the source must lie in the
// signalled address or networks. Once latched, only a new remote address from
// the signalling moves it: authenticated packets of an attacker who merely
// copies them cannot (ES2025-01, CVE-2025-53399). With ICE an address is good
// while authenticated checks come from it, whatever the signalling said.
// Thread-compatible.
class alignas(64) MediaLeg {
 public:
  // The former key of the far side is good this long at most.
  static constexpr absl::Duration kRekeying = absl::Seconds(10);

  // `library`, `policy` and `random` must outlive the leg. An SDES-SRTP leg
  // draws its own key from `random` at once, one with ICE its credentials.
  MediaLeg(const MediaLegOptions& options, const SrtpLibrary& library,
           const PeerPolicy& policy, RandomSource& random);

  // Whether Update() would succeed: INVALID_ARGUMENT for a key that does not
  // fit, PERMISSION_DENIED for an address that may not be reached.
  absl::Status CheckUpdate(const MediaLegUpdate& update) const;
  // All of it is in force, or nothing has changed.
  absl::Status Update(const MediaLegUpdate& update, Now now);
  // Makes the own keys anew.
  absl::Status RenewLocalKeys(RandomSource& random);

  // The whole way in: may this packet come from `from`, is it whole, does it
  // authenticate. On kNone it is plain RTP or RTCP. Counts what it refuses.
  DropReason Accept(bool rtcp, const Endpoint& from, Packet& packet, Now now);
  // The whole way out; on kNone `to` and `packet` are ready to be sent.
  DropReason Emit(bool rtcp, Packet& packet, Now now, Endpoint& to);

  // Ahead of Accept() of an RTP packet: see RtpProtector::Foresee().
  bool Foresee(const Endpoint& from, const Packet& packet,
               HmacSha1Job& job) const {
    return expects_tags() && SourceMayComeIn(/*rtcp=*/false, from) &&
           inbound_->ForeseeRtp(packet, job);
  }
  // Whether it may have something to foresee.
  bool expects_tags() const {
    return inbound_ != nullptr && former_inbound_ == nullptr;
  }

  // From now on the far side hears `source`, from its beginning, and nothing of
  // the other leg; with what comes of that afterwards a talkspurt begins.
  void Play(PlaybackSource source);
  void StopPlayback();
  // Null before the first.
  const Playback* playback() const { return playback_.get(); }
  bool plays() const { return play_ == PlayState::kPlaying; }
  // What is to be sent in `round`; empty `packet`: the prompt is over. On
  // anything but kNone there is nothing to send, and it goes on all the same.
  DropReason EmitPlayed(uint64_t round, Packet& packet, Now now, Endpoint& to);
  // The report that is due with it, if one is.
  bool ReportIsDue(uint64_t round) const {
    return plays() && playback_->ReportIsDue(round);
  }
  DropReason EmitReport(uint64_t round, Packet& packet, Now now, Endpoint& to);

  // A STUN datagram of a leg with ICE; `answer` goes back to `from`.
  DropReason OnStun(const Endpoint& from, const Packet& packet,
                    absl::Span<uint8_t> reply, Now now,
                    absl::Span<const uint8_t>& answer);
  // A DTLS datagram of a DTLS-SRTP leg.
  DropReason OnDtls(const Endpoint& from, const Packet& packet, Now now);
  // Handshake datagrams to be sent to `to`; none when there is no address.
  std::vector<std::string> TakeDatagrams(Endpoint& to);
  // Arms the watch over media: kMediaMissing or kMediaLost after `timeout`
  // without a packet while the far side should send.
  void WatchMedia(absl::Duration timeout, Now now);
  MonoTime deadline() const;
  void OnDeadline(Now now);
  // Asked for after each call; empties.
  LegNews TakeNews() { return std::exchange(news_, LegNews{0}); }
  bool has_news() const { return news_ != 0; }

  // Fetches into the cache what Accept() and Emit() need of the leg; then, once
  // that is there, its keys.
  void Prefetch() const {
    const char* const begin = reinterpret_cast<const char*>(this);
    const char* const end =
        reinterpret_cast<const char*>(&stats_.rtcp_received);
    for (const char* line = begin; line < end; line += 64) {
      __builtin_prefetch(line);
    }
  }
  void PrefetchInbound() const {
    if (inbound_ != nullptr) inbound_->Prefetch();
  }
  void PrefetchOutbound() const {
    if (outbound_ != nullptr) outbound_->Prefetch();
  }

  // As it was made; but suite and rtcp_mux are those in force.
  const MediaLegOptions& options() const { return options_; }
  bool is_srtp() const { return options_.srtp.has_value() || dtls_ != nullptr; }
  // Null without.
  const IceLite* ice() const { return ice_.get(); }
  const DtlsEndpoint* dtls() const { return dtls_.get(); }
  // The suite in force: of the options, or as the handshake agreed on.
  std::optional<SrtpSuite> suite() const {
    return dtls_ != nullptr && outbound_ != nullptr ? outbound_->suite()
                                                    : options_.srtp;
  }
  // Master key and salt with which this relay protects with the suite in force;
  // empty on RTP, and on DTLS-SRTP, whose keys nobody is told.
  ByteSpan DangerousLocalKey() const {
    return options_.srtp.has_value() ? DangerousLocalKeyFor(*options_.srtp)
                                     : ByteSpan();
  }
  // The same with a suite of the options.
  ByteSpan DangerousLocalKeyFor(SrtpSuite suite) const;
  const std::optional<Endpoint>& remote_rtp() const { return remote_rtp_; }
  const std::optional<Endpoint>& remote_rtcp() const { return remote_rtcp_; }
  MediaDirection direction() const { return direction_; }
  bool latching() const { return latching_; }
  const std::vector<IpPrefix>& latching_prefixes() const {
    return latching_prefixes_;
  }
  MediaLegStats& stats() { return stats_; }
  const MediaLegStats& stats() const { return stats_; }
  void CountDrop(DropReason reason) {
    ++stats_.drops[static_cast<size_t>(reason)];
  }

 private:
  // Where a component's packets may come from and go to.
  struct Path {
    std::optional<Endpoint> latched;
  };
  // How this relay protects with one suite of SDES.
  struct LocalKey {
    SrtpSuite suite;
    Secret key_salt;
    // Of a suite that was in force and is not: should it come back, its
    // counters go on, as key stream must not be used twice.
    std::unique_ptr<SrtpSession> resting;
  };

  LocalKey* FindLocalKey(SrtpSuite suite);
  absl::StatusOr<std::unique_ptr<SrtpSession>> MakeOutbound(
      const LocalKey& key) const;
  bool SourceMayComeIn(bool rtcp, const Endpoint& from) const;
  void Latch(bool rtcp, const Endpoint& from);
  // Whether packets should come: the far side is known and not on hold.
  bool ExpectsMedia() const;
  // Takes over the pair that ICE has chosen.
  void FollowIce(IceLite::State before, Now now);
  // Takes keys out of a handshake that is complete.
  void FollowDtls(Now now);
  std::optional<Endpoint> Destination(bool rtcp) const;
  DropReason Unprotect(bool rtcp, Packet& packet, Now now);
  SrtpResult UnprotectDuringRekeying(bool rtcp, Packet& packet, Now now);
  void ReplaceInbound(std::unique_ptr<SrtpSession> inbound, Now now);
  DropReason Count(DropReason reason) {
    CountDrop(reason);
    return reason;
  }
  DropReason Protect(bool rtcp, Packet& packet, Now now, Endpoint& to);
  void OnReceivedRtcp(ByteSpan packet, Now now);
  void OnSentRtcp(ByteSpan packet, Now now);

  // What every packet touches, close together.
  MediaLegOptions options_;
  MediaDirection direction_ = MediaDirection::kSendRecv;
  bool latching_ = false;
  bool silent_ = false;  // kMediaLost or kMediaMissing was told
  LegNews news_ = 0;
  enum class PlayState : uint8_t {
    kNone,
    kPlaying,
    kPlayed,  // and nothing of the other leg has been sent since
  };
  PlayState play_ = PlayState::kNone;
  Path rtp_;
  std::optional<Endpoint> remote_rtp_;
  std::unique_ptr<SrtpSession> inbound_;
  std::unique_ptr<SrtpSession> outbound_;
  // After a change of keys: good until the far side uses the new one, as it
  // hears of the change earlier or later than we do.
  std::unique_ptr<SrtpSession> former_inbound_;
  std::unique_ptr<IceLite> ice_;
  std::unique_ptr<DtlsEndpoint> dtls_;
  MediaLegStats stats_;

  const SrtpLibrary& library_;
  const PeerPolicy& policy_;
  RandomSource& random_;
  std::optional<Endpoint> remote_rtcp_;
  Path rtcp_;
  std::vector<IpPrefix> latching_prefixes_;
  // Last sender report that went out here, for the round trip.
  uint32_t sent_report_ = 0;
  MonoTime sent_report_time_ = MonoTime::InfinitePast();
  MonoTime former_until_ = MonoTime::InfinitePast();
  absl::Duration media_timeout_ = absl::InfiniteDuration();
  MonoTime media_check_ = MonoTime::InfiniteFuture();
  // Since when packets should come.
  absl::Time expected_since_ = absl::InfiniteFuture();
  std::vector<LocalKey> local_keys_;  // in the order of the options
  std::unique_ptr<Playback> playback_;
  bool has_rtcp_port_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEDIA_LEG_H_
