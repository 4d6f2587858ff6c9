// The media sessions of one loop: made, changed, renewed and ended by the
// signalling, and ended by themselves when nobody renews them.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SESSION_TABLE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SESSION_TABLE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/media_bridge.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/playback.h"
#include "services/media_relay/core/playback_wheel.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/prompt_set.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"

namespace sallyport::media_relay {

// What a leg is to hear of the relay itself.
struct PlaybackRequest {
  // Empty: nothing any more.
  std::string prompt;
  uint32_t times = 0;  // 0: until it is stopped
  struct Format {
    PromptCodec codec;
    uint8_t payload_type;

    friend bool operator==(const Format&, const Format&) = default;
  };
  // As negotiated on the leg; the first that the prompt is there in is taken.
  std::vector<Format> formats;
};

struct LegSpec {
  // `dtls` stays null: the table has the identity.
  MediaLegOptions options;
  bool dtls = false;
  MediaLegUpdate initial;
  std::optional<PlaybackRequest> playback;
  bool internal = false;  // towards the intranet
  bool ipv6 = false;
};

struct SessionSpec {
  std::string tenant;
  std::string id;
  std::string owner;
  std::string call;
  // What the request asked for, as bytes: a repeat must ask for the same.
  std::string fingerprint;
  absl::Duration lease;
  std::array<LegSpec, 2> legs;
};

struct SessionUpdate {
  std::string tenant;
  std::string id;
  std::string owner;       // must be the session's, unless empty
  std::string etag;        // empty: any
  std::string request_id;  // of the last renewal of keys; a repeat is none
  std::array<std::optional<MediaLegUpdate>, 2> legs;
  // The same prompt again goes on where it is.
  std::array<std::optional<PlaybackRequest>, 2> playback;
  std::array<bool, 2> renew_local_key = {false, false};
  bool validate_only = false;
};

enum class SessionState : uint8_t { kWaiting, kFlowing, kSilent, kEnded };

struct IceView {
  std::string local_ufrag;
  Secret local_password;  // for the owner alone
  std::string remote_ufrag;
  IceLite::State state = IceLite::State::kWaiting;
  std::optional<Endpoint> selected;
};

struct DtlsView {
  CertificateFingerprint local_fingerprint;
  DtlsSetup local_setup = DtlsSetup::kActPass;
  std::optional<CertificateFingerprint> remote_fingerprint;
  std::optional<DtlsSetup> remote_setup;
  DtlsEndpoint::State state = DtlsEndpoint::State::kNew;
  std::string failure;
  SrtpProfiles profiles;
};

struct PlaybackView {
  std::string prompt;
  uint32_t times = 0;
  PlaybackRequest::Format format;
  uint32_t ssrc = 0;
  bool playing = false;
  uint64_t packets = 0;  // of all prompts
};

struct LegView {
  bool rtcp_mux = false;
  // In force; of a DTLS-SRTP leg none before the handshake.
  std::optional<SrtpSuite> suite;
  std::optional<IceView> ice;
  std::optional<DtlsView> dtls;
  std::optional<PlaybackView> playback;  // the last one
  bool internal = false;
  bool ipv6 = false;
  std::optional<Endpoint> remote_rtp;
  std::optional<Endpoint> remote_rtcp;
  MediaDirection direction = MediaDirection::kSendRecv;
  bool latching = false;
  std::vector<IpPrefix> latching_prefixes;
  Endpoint local_rtp;  // as advertised
  uint16_t local_rtcp_port = 0;
  // For the owner alone: the one in force, and all in the order of the suites.
  Secret local_key;
  std::vector<SrtpSuite> suites;
  std::vector<Secret> local_keys;
  MediaLegStats stats;
};

// A copy that may leave the loop.
struct SessionView {
  std::string tenant;
  std::string id;
  std::string owner;
  std::string call;
  std::string etag;
  absl::Time create_time;
  absl::Time lease_expiry;
  SessionState state = SessionState::kWaiting;
  std::string end_reason;
  absl::Time end_time = absl::InfiniteFuture();
  std::array<LegView, 2> legs;
};

// Something that an owner may want to know.
struct SessionNotice {
  enum class Kind : uint8_t {
    kCreated,
    kUpdated,
    kMediaStarted,
    kMediaMissing,  // none ever came
    kMediaLost,     // none comes any more
    kMediaResumed,
    kIceChanged,   // state or selected pair
    kDtlsChanged,  // state
    kEnded,        // the view is final
  };
  Kind kind = Kind::kCreated;
  std::optional<LegSide> leg;  // of which the notice is, if of one
  absl::Time time;
  SessionView session;  // without keys
  // Its owner has ended it, by name.
  bool by_owner = false;
};

struct SessionTableOptions {
  RelayInterfaces interfaces;
  // A certificate for DTLS-SRTP is used for new sessions this long.
  absl::Duration dtls_rotation = absl::Hours(24);
  size_t max_sessions = 5000;   // of this loop
  size_t max_playbacks = 5000;  // of this loop, at a time
  // Null: what PromptSet has out of the box.
  std::shared_ptr<const PromptSet> prompts = nullptr;
  absl::Duration media_timeout = absl::Seconds(20);
  // FIPS mode: DTLS by approved suites and curves only.
  bool approved_only = false;
};

// Where the cores of a loop draw from. All must outlive them.
struct RelayResources {
  const SrtpLibrary& library;
  const PeerPolicy& policy;
  PortPool& ports;
  SocketIds& ids;
  RandomSource& random;
};

// Making a session asks for up to four sockets; the loop opens them, tells how
// that went, and then takes the outcome. Thread-compatible.
class SessionTable {
 public:
  SessionTable(const SessionTableOptions& options,
               const RelayResources& resources);

  // Whether Create() would find fault with `spec`; opens nothing.
  absl::Status Check(const SessionSpec& spec, Now now);
  // OK: perform `sockets`, report each, then TakeCreated(). ALREADY_EXISTS
  // with SESSION_EXISTS for another session of this id; for a repeat of the
  // same request there is nothing to perform and TakeCreated() has it.
  absl::Status Create(SessionSpec spec, Now now, SocketActions& sockets);
  // The outcome of Create() once all its sockets are reported.
  absl::StatusOr<SessionView> TakeCreated(Now now);
  // True when the socket is one of a session being made.
  bool IsOpening(SocketId socket) const;
  void OnSocketOpened(SocketId socket, const absl::Status& status, Now now,
                      SocketActions& sockets);

  // May ask for handshake datagrams to be sent.
  absl::StatusOr<SessionView> Update(const SessionUpdate& update, Now now,
                                     SocketActions& sockets);
  absl::StatusOr<SessionView> Get(std::string_view tenant, std::string_view id,
                                  Now now) const;
  // Ends it; the view is final. `owner` empty: anyone's.
  absl::StatusOr<SessionView> Delete(std::string_view tenant,
                                     std::string_view id,
                                     std::string_view owner,
                                     std::string_view etag,
                                     std::string_view reason, Now now,
                                     SocketActions& sockets);
  // Ends all of them.
  void EndAll(std::string_view reason, Now now, SocketActions& sockets);
  // Tenant empty: all. In no order; local keys are left out.
  std::vector<SessionView> List(std::string_view tenant, Now now) const;
  // Names not found or not the owner's are in `missing`.
  size_t Renew(std::string_view owner,
               const std::vector<std::pair<std::string, std::string>>& names,
               absl::Duration lease, Now now,
               std::vector<std::string>& missing);

  // Fetches into the cache what OnPacket() needs for datagrams on `sockets`, in
  // steps that each need what the one before has fetched: each datagram would
  // wait for its own. To be called well ahead, and for all steps in turn.
  enum class Step : uint8_t { kPlaces, kLegs, kKeys };
  // After kKeys it tells whether Foresee() is worth being asked.
  bool Prefetch(absl::Span<const SocketId> sockets, Step step) const;
  // Whether `packet` will most likely need the HMAC in `job`, which may be
  // computed with those of others, filled in and lent as `packet.foreseen`.
  bool Foresee(SocketId socket, const Endpoint& from, const Packet& packet,
               HmacSha1Job& job) const;
  // The next packet that a playback owes, written into `packet`, which is lent
  // with room for kMaxPlayedSize; false when none is due. Packets that cannot
  // be sent are left out.
  static constexpr size_t kMaxPlayedSize = 256;
  bool NextPlayed(Now now, Packet& packet, PacketAction& action);
  size_t playbacks() const { return wheel_.size(); }
  // Of new sessions.
  void SetInterfaces(const RelayInterfaces& interfaces) {
    options_.interfaces = interfaces;
  }
  // Of new playbacks.
  void SetPrompts(std::shared_ptr<const PromptSet> prompts) {
    options_.prompts = std::move(prompts);
  }

  // False when the socket is no session's.
  bool OnPacket(SocketId socket, const Endpoint& from, Packet& packet,
                absl::Span<uint8_t> reply, Now now, SocketActions& sockets,
                PacketAction& action);

  // When something is to be done, NextPlayed() included.
  MonoTime deadline() const {
    return std::min({leases_.next(), timers_.next(), wheel_.deadline()});
  }
  // Ends what nobody renewed; drives handshakes and what watches the media.
  void OnDeadline(Now now, SocketActions& sockets);

  // What has happened since this was last asked; cheap when nothing has.
  bool has_notices() const { return !notices_.empty(); }
  std::vector<SessionNotice> TakeNotices() {
    return std::exchange(notices_, {});
  }

  size_t size() const { return sessions_.size(); }
  // Of all legs towards the Internet, as they were told.
  std::vector<Endpoint> ExternalPorts() const;

 private:
  struct LegPorts {
    bool internal = false;
    bool ipv6 = false;
    IpAddress local;
    IpAddress advertised;
    uint16_t rtp = 0;
    uint16_t rtcp = 0;
  };
  struct Session {
    std::string tenant;
    std::string id;
    std::string owner;
    std::string call;
    std::string fingerprint;
    std::string last_renewal;
    uint64_t version = 1;
    absl::Time create_time;
    MonoTime lease_expiry;
    absl::Duration lease;
    std::unique_ptr<MediaBridge> bridge;
    std::array<LegPorts, 2> ports;
  };
  struct SocketRef {
    MediaBridge* bridge;
    Session* session;
    LegSide side;
    bool rtcp;
  };
  // A session whose sockets are being opened, one after the other.
  struct Opening {
    std::unique_ptr<Session> session;
    std::vector<OpenSocket> todo;  // last is next
    std::vector<SocketId> opened;
    std::array<PlaybackSource, 2> playback;  // to begin with
    size_t leg = 0;
    int attempts = 0;
    SocketId current = kNoSocket;
    absl::Status failure;
  };

  static std::string Key(std::string_view tenant, std::string_view id);
  bool TakePorts(Opening& opening, size_t leg, Now now);
  void OpenNext(SocketActions& sockets);
  void Abandon(absl::Status failure, Now now, SocketActions& sockets);
  void ReleaseLegPorts(const Session& session, size_t leg, Now now);
  void CloseSockets(Session& session, Now now, SocketActions& sockets);
  SessionView ViewOf(const Session& session, Now now, bool with_keys) const;
  SessionState StateOf(const Session& session, Now now) const;
  absl::StatusOr<std::shared_ptr<const DtlsIdentity>> IdentityAt(Now now);
  // Whether it could be played; into `source` then. INVALID_ARGUMENT,
  // FAILED_PRECONDITION or RESOURCE_EXHAUSTED, each with its reason.
  absl::Status Resolve(const PlaybackRequest& request, std::string_view tenant,
                       bool plays, PlaybackSource& source) const;
  // What was resolved, or nothing any more; false when that changes nothing.
  bool SetPlayback(Session& session, LegSide side, PlaybackSource source,
                   Now now);
  // After whatever may have changed a leg: sends, re-arms, tells.
  void Attend(Session& session, LegSide side, Now now, SocketActions& sockets);
  void Notice(SessionNotice::Kind kind, std::optional<LegSide> leg,
              const Session& session, Now now);
  // The final view; the session itself remains to be erased.
  SessionView End(Session& session, std::string_view reason, Now now,
                  SocketActions& sockets);

  SessionTableOptions options_;
  RelayResources resources_;
  absl::flat_hash_map<std::string, std::unique_ptr<Session>> sessions_;
  absl::flat_hash_map<SocketId, SocketRef> by_socket_;
  DeadlineQueue<std::string> leases_;
  DeadlineQueue<SocketId> timers_;  // of legs, by their RTP socket
  PlaybackWheel wheel_;             // the same
  // Whose report goes next.
  std::optional<PlaybackWheel::Due> report_;
  std::shared_ptr<const DtlsIdentity> identity_;
  std::vector<SessionNotice> notices_;
  // Of PacketAction::route; those given back are used first.
  uint32_t last_route_ = 0;
  std::vector<uint32_t> free_routes_;
  std::optional<Opening> opening_;
  std::string created_;  // key of what TakeCreated() returns
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SESSION_TABLE_H_
