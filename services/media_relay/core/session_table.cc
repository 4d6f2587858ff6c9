#include "services/media_relay/core/session_table.h"

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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/media_bridge.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/playback.h"
#include "services/media_relay/core/playback_wheel.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/prompt_set.h"
#include "services/media_relay/core/relay_interface.h"

namespace sallyport::media_relay {
namespace {

constexpr int kBindAttempts = 8;

absl::Status NotFound() {
  return MakeError(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                   "there is no such session");
}

absl::Status NotOwner() {
  return MakeError(absl::StatusCode::kPermissionDenied, "SESSION_NOT_OWNED",
                   "the session belongs to another owner");
}

}  // namespace

SessionTable::SessionTable(const SessionTableOptions& options,
                           const RelayResources& resources)
    : options_(options), resources_(resources) {
  if (options_.prompts == nullptr) {
    options_.prompts = PromptSet::OutOfTheBox();
  }
}

std::string SessionTable::Key(std::string_view tenant, std::string_view id) {
  std::string key(tenant);
  key.push_back('/');  // in neither part
  key.append(id);
  return key;
}

absl::StatusOr<std::shared_ptr<const DtlsIdentity>> SessionTable::IdentityAt(
    Now now) {
  if (identity_ == nullptr ||
      now.wall - identity_->create_time() >= options_.dtls_rotation) {
    SP_ASSIGN_OR_RETURN(identity_,
                        DtlsIdentity::Create(now.wall, options_.approved_only));
  }
  return identity_;
}

absl::Status SessionTable::Check(const SessionSpec& spec, Now now) {
  std::array<MediaLegOptions, 2> options;
  for (size_t i = 0; i < 2; ++i) {
    const LegSpec& leg = spec.legs[i];
    options[i] = leg.options;
    if ((leg.dtls || leg.options.ice) && !leg.options.rtcp_mux) {
      return MakeError(absl::StatusCode::kInvalidArgument, "RTCP_MUX_REQUIRED",
                       "a leg with DTLS or ICE needs rtcp_mux");
    }
    if (leg.dtls) {
      SP_ASSIGN_OR_RETURN(options[i].dtls, IdentityAt(now));
    }
  }
  const MediaBridge bridge(options[0], options[1], resources_.library,
                           resources_.policy, resources_.random);
  for (size_t i = 0; i < 2; ++i) {
    const LegSpec& leg = spec.legs[i];
    SP_RETURN_IF_ERROR(
        bridge.leg(static_cast<LegSide>(i)).CheckUpdate(leg.initial));
    if (leg.playback.has_value()) {
      PlaybackSource source;
      SP_RETURN_IF_ERROR(
          Resolve(*leg.playback, spec.tenant, /*plays=*/false, source));
    }
    if (options_.interfaces.Find(leg.internal, leg.ipv6) == nullptr) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "ADDRESS_FAMILY_NOT_SERVED",
                       "the relay has no address of this family");
    }
  }
  return absl::OkStatus();
}

absl::Status SessionTable::Create(SessionSpec spec, Now now,
                                  SocketActions& sockets) {
  created_.clear();
  const std::string key = Key(spec.tenant, spec.id);
  const auto present = sessions_.find(key);
  if (present != sessions_.end()) {
    const Session& session = *present->second;
    if (session.owner != spec.owner ||
        session.fingerprint != spec.fingerprint) {
      return MakeError(absl::StatusCode::kAlreadyExists, "SESSION_EXISTS",
                       "there is another session of this name");
    }
    created_ = key;
    return absl::OkStatus();
  }
  if (sessions_.size() >= options_.max_sessions) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     "SESSION_LIMIT_REACHED",
                     "the relay holds as many sessions as it may");
  }

  SP_RETURN_IF_ERROR(Check(spec, now));

  Opening opening;
  opening.session = std::make_unique<Session>();
  Session& session = *opening.session;
  session.tenant = std::move(spec.tenant);
  session.id = std::move(spec.id);
  session.owner = std::move(spec.owner);
  session.call = std::move(spec.call);
  session.fingerprint = std::move(spec.fingerprint);
  session.create_time = now.wall;
  session.lease = spec.lease;
  session.lease_expiry = now.mono + spec.lease;
  for (LegSpec& leg : spec.legs) {
    if (leg.dtls) leg.options.dtls = identity_;  // made by Check()
  }
  session.bridge = std::make_unique<MediaBridge>(
      spec.legs[0].options, spec.legs[1].options, resources_.library,
      resources_.policy, resources_.random);
  for (size_t i = 0; i < 2; ++i) {
    const LegSpec& leg = spec.legs[i];
    SP_RETURN_IF_ERROR(
        session.bridge->leg(static_cast<LegSide>(i)).Update(leg.initial, now));
    const RelayInterface* interface =
        options_.interfaces.Find(leg.internal, leg.ipv6);
    session.ports[i].internal = leg.internal;
    session.ports[i].ipv6 = leg.ipv6;
    session.ports[i].local = interface->local;
    session.ports[i].advertised = interface->advertised;
  }
  if (!TakePorts(opening, 0, now)) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     "RELAY_PORTS_EXHAUSTED", "no relay port is free");
  }
  for (size_t i = 0; i < 2; ++i) {
    if (spec.legs[i].playback.has_value()) {
      SP_RETURN_IF_ERROR(Resolve(*spec.legs[i].playback, session.tenant,
                                 /*plays=*/false, opening.playback[i]));
    }
  }
  opening_ = std::move(opening);
  OpenNext(sockets);
  return absl::OkStatus();
}

std::vector<Endpoint> SessionTable::ExternalPorts() const {
  std::vector<Endpoint> ports;
  for (const auto& [key, session] : sessions_) {
    for (const LegPorts& leg : session->ports) {
      const RelayInterface* const outside =
          options_.interfaces.Find(/*internal=*/false, leg.ipv6);
      if (outside == nullptr || leg.local != outside->local) continue;
      ports.push_back({leg.advertised, leg.rtp});
      if (leg.rtcp != leg.rtp) ports.push_back({leg.advertised, leg.rtcp});
    }
  }
  return ports;
}

bool SessionTable::TakePorts(Opening& opening, size_t leg, Now now) {
  Session& session = *opening.session;
  LegPorts& ports = session.ports[leg];
  const LegSide side = static_cast<LegSide>(leg);
  const bool mux = session.bridge->leg(side).options().rtcp_mux;
  const std::optional<uint16_t> port =
      mux ? resources_.ports.Take(now.mono)
          : resources_.ports.TakePair(now.mono);
  if (!port.has_value()) return false;
  ports.rtp = *port;
  ports.rtcp = mux ? *port : static_cast<uint16_t>(*port + 1);
  MediaBridge::Sockets& ids = session.bridge->sockets(side);
  ids.rtp = resources_.ids.Next();
  ids.rtcp = mux ? kNoSocket : resources_.ids.Next();
  if (!mux) opening.todo.push_back({ids.rtcp, {ports.local, ports.rtcp}});
  opening.todo.push_back({ids.rtp, {ports.local, ports.rtp}});
  opening.leg = leg;
  return true;
}

void SessionTable::OpenNext(SocketActions& sockets) {
  const OpenSocket next = opening_->todo.back();
  opening_->todo.pop_back();
  opening_->current = next.socket;
  sockets.push_back(next);
}

bool SessionTable::IsOpening(SocketId socket) const {
  return opening_.has_value() && opening_->current == socket &&
         opening_->failure.ok();
}

void SessionTable::ReleaseLegPorts(const Session& session, size_t leg,
                                   Now now) {
  const LegPorts& ports = session.ports[leg];
  if (ports.rtp != 0) resources_.ports.Release(ports.rtp, now.mono);
  if (ports.rtcp != 0 && ports.rtcp != ports.rtp) {
    resources_.ports.Release(ports.rtcp, now.mono);
  }
}

void SessionTable::Abandon(absl::Status failure, Now now,
                           SocketActions& sockets) {
  for (const SocketId socket : opening_->opened) {
    sockets.push_back(CloseSocket{socket});
  }
  for (size_t leg = 0; leg <= opening_->leg; ++leg) {
    ReleaseLegPorts(*opening_->session, leg, now);
  }
  opening_->opened.clear();
  opening_->todo.clear();
  opening_->failure = std::move(failure);
}

void SessionTable::OnSocketOpened(SocketId socket, const absl::Status& status,
                                  Now now, SocketActions& sockets) {
  if (!IsOpening(socket)) return;
  Opening& opening = *opening_;
  Session& session = *opening.session;
  if (!status.ok()) {
    if (status.code() != absl::StatusCode::kAlreadyExists ||
        ++opening.attempts >= kBindAttempts) {
      Abandon(
          MakeError(absl::StatusCode::kResourceExhausted, "RELAY_SOCKET_FAILED",
                    "no socket could be opened for the session"),
          now, sockets);
      return;
    }
    // Another process holds the port: try another pair for this leg.
    const LegSide side = static_cast<LegSide>(opening.leg);
    const MediaBridge::Sockets& ids = session.bridge->sockets(side);
    std::erase_if(opening.opened, [&](SocketId id) {
      if (id != ids.rtp && id != ids.rtcp) return false;
      sockets.push_back(CloseSocket{id});
      return true;
    });
    opening.todo.clear();
    ReleaseLegPorts(session, opening.leg, now);
    session.ports[opening.leg].rtp = 0;
    session.ports[opening.leg].rtcp = 0;
    if (!TakePorts(opening, opening.leg, now)) {
      Abandon(MakeError(absl::StatusCode::kResourceExhausted,
                        "RELAY_PORTS_EXHAUSTED", "no relay port is free"),
              now, sockets);
      return;
    }
    OpenNext(sockets);
    return;
  }
  opening.opened.push_back(socket);
  if (!opening.todo.empty()) {
    OpenNext(sockets);
    return;
  }
  if (opening.leg == 0) {
    if (!TakePorts(opening, 1, now)) {
      Abandon(MakeError(absl::StatusCode::kResourceExhausted,
                        "RELAY_PORTS_EXHAUSTED", "no relay port is free"),
              now, sockets);
      return;
    }
    OpenNext(sockets);
    return;
  }

  const std::string key = Key(session.tenant, session.id);
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    MediaBridge::Sockets& ids = session.bridge->sockets(side);
    if (free_routes_.empty()) free_routes_.push_back(++last_route_);
    ids.route = free_routes_.back();
    free_routes_.pop_back();
    by_socket_[ids.rtp] = {session.bridge.get(), &session, side, false};
    if (ids.rtcp != kNoSocket) {
      by_socket_[ids.rtcp] = {session.bridge.get(), &session, side, true};
    }
    session.bridge->leg(side).WatchMedia(options_.media_timeout, now);
    SetPlayback(session, side,
                std::move(opening.playback[static_cast<size_t>(side)]), now);
    Attend(session, side, now, sockets);
  }
  Notice(SessionNotice::Kind::kCreated, std::nullopt, session, now);
  leases_.Set(key, session.lease_expiry);
  sessions_[key] = std::move(opening.session);
  opening_.reset();
  created_ = key;
}

absl::StatusOr<SessionView> SessionTable::TakeCreated(Now now) {
  if (opening_.has_value()) {
    const absl::Status failure = opening_->failure;
    opening_.reset();
    return failure.ok() ? absl::InternalError("a socket was not reported")
                        : failure;
  }
  const auto it = sessions_.find(std::exchange(created_, std::string()));
  if (it == sessions_.end()) return absl::InternalError("nothing was created");
  return ViewOf(*it->second, now, /*with_keys=*/true);
}

SessionState SessionTable::StateOf(const Session& session, Now now) const {
  absl::Time newest = absl::InfinitePast();
  bool silent = false;
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    const MediaLeg& leg = session.bridge->leg(side);
    const MediaLegStats& stats = leg.stats();
    newest = std::max(newest, stats.last_packet);
    const bool sends = leg.direction() == MediaDirection::kSendRecv ||
                       leg.direction() == MediaDirection::kSendOnly;
    if (sends && stats.packets_received > 0 &&
        now.wall - stats.last_packet > options_.media_timeout) {
      silent = true;
    }
  }
  if (newest == absl::InfinitePast()) return SessionState::kWaiting;
  return silent ? SessionState::kSilent : SessionState::kFlowing;
}

SessionView SessionTable::ViewOf(const Session& session, Now now,
                                 bool with_keys) const {
  SessionView view;
  view.tenant = session.tenant;
  view.id = session.id;
  view.owner = session.owner;
  view.call = session.call;
  view.etag = std::to_string(session.version);
  view.create_time = session.create_time;
  view.lease_expiry = now.wall + (session.lease_expiry - now.mono);
  view.state = StateOf(session, now);
  for (size_t i = 0; i < 2; ++i) {
    const MediaLeg& leg = session.bridge->leg(static_cast<LegSide>(i));
    const LegPorts& ports = session.ports[i];
    LegView& out = view.legs[i];
    out.rtcp_mux = leg.options().rtcp_mux;
    out.suite = leg.suite();
    if (const IceLite* const ice = leg.ice(); ice != nullptr) {
      IceView& to = out.ice.emplace();
      to.local_ufrag = ice->local_ufrag();
      if (with_keys) to.local_password = ice->local_password().Clone();
      to.remote_ufrag = ice->remote_ufrag();
      to.state = ice->state();
      to.selected = ice->destination();
    }
    if (const DtlsEndpoint* const dtls = leg.dtls(); dtls != nullptr) {
      out.dtls = DtlsView{dtls->identity().fingerprint(),
                          dtls->local_setup(),
                          dtls->remote_fingerprint(),
                          dtls->remote_setup(),
                          dtls->state(),
                          std::string(dtls->failure()),
                          dtls->profiles()};
    }
    if (const Playback* const playback = leg.playback(); playback != nullptr) {
      const PlaybackSource& source = playback->source();
      out.playback = PlaybackView{source.prompt,
                                  source.times,
                                  {source.audio->codec, source.payload_type},
                                  playback->ssrc(),
                                  leg.plays(),
                                  playback->packets()};
    }
    out.internal = ports.internal;
    out.ipv6 = ports.ipv6;
    out.remote_rtp = leg.remote_rtp();
    out.remote_rtcp = leg.remote_rtcp();
    out.direction = leg.direction();
    out.latching = leg.latching();
    out.latching_prefixes = leg.latching_prefixes();
    out.local_rtp = {ports.advertised, ports.rtp};
    out.local_rtcp_port = out.rtcp_mux ? ports.rtp : ports.rtcp;
    out.suites = leg.options().srtp_suites;
    if (with_keys) {
      out.local_key = Secret::CopyOf(leg.DangerousLocalKey());
      for (const SrtpSuite suite : out.suites) {
        out.local_keys.push_back(
            Secret::CopyOf(leg.DangerousLocalKeyFor(suite)));
      }
    }
    out.stats = leg.stats();
  }
  return view;
}

absl::StatusOr<SessionView> SessionTable::Update(const SessionUpdate& update,
                                                 Now now,
                                                 SocketActions& sockets) {
  const auto it = sessions_.find(Key(update.tenant, update.id));
  if (it == sessions_.end()) return NotFound();
  Session& session = *it->second;
  if (!update.owner.empty() && session.owner != update.owner) {
    return NotOwner();
  }
  if (!update.etag.empty() && update.etag != std::to_string(session.version)) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "the session has changed since it was read");
  }
  for (size_t i = 0; i < 2; ++i) {
    const MediaLeg& leg = session.bridge->leg(static_cast<LegSide>(i));
    if (update.renew_local_key[i] && !leg.options().srtp.has_value()) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "LEG_IS_NOT_SRTP",
                       "only a leg with SDES-SRTP has a key to renew");
    }
  }
  // Both legs are checked before the first is changed.
  for (size_t i = 0; i < 2; ++i) {
    if (!update.legs[i].has_value()) continue;
    SP_RETURN_IF_ERROR(session.bridge->leg(static_cast<LegSide>(i))
                           .CheckUpdate(*update.legs[i]));
  }
  std::array<PlaybackSource, 2> sources;
  for (size_t i = 0; i < 2; ++i) {
    if (!update.playback[i].has_value()) continue;
    SP_RETURN_IF_ERROR(Resolve(
        *update.playback[i], session.tenant,
        session.bridge->leg(static_cast<LegSide>(i)).plays(), sources[i]));
  }
  if (update.validate_only) return ViewOf(session, now, true);
  bool changed = false;
  for (size_t i = 0; i < 2; ++i) {
    if (!update.playback[i].has_value()) continue;
    changed |= SetPlayback(session, static_cast<LegSide>(i),
                           std::move(sources[i]), now);
  }
  for (size_t i = 0; i < 2; ++i) {
    MediaLeg& leg = session.bridge->leg(static_cast<LegSide>(i));
    if (update.legs[i].has_value()) {
      SP_RETURN_IF_ERROR(leg.Update(*update.legs[i], now));
      Attend(session, static_cast<LegSide>(i), now, sockets);
      changed = true;
    }
  }
  const bool repeat =
      !update.request_id.empty() && update.request_id == session.last_renewal;
  for (size_t i = 0; i < 2 && !repeat; ++i) {
    if (!update.renew_local_key[i]) continue;
    SP_RETURN_IF_ERROR(session.bridge->leg(static_cast<LegSide>(i))
                           .RenewLocalKeys(resources_.random));
    session.last_renewal = update.request_id;
    changed = true;
  }
  if (changed) {
    ++session.version;
    Notice(SessionNotice::Kind::kUpdated, std::nullopt, session, now);
  }
  return ViewOf(session, now, /*with_keys=*/true);
}

absl::StatusOr<SessionView> SessionTable::Get(std::string_view tenant,
                                              std::string_view id,
                                              Now now) const {
  const auto it = sessions_.find(Key(tenant, id));
  if (it == sessions_.end()) return NotFound();
  return ViewOf(*it->second, now, /*with_keys=*/true);
}

void SessionTable::CloseSockets(Session& session, Now now,
                                SocketActions& sockets) {
  for (size_t i = 0; i < 2; ++i) {
    MediaBridge::Sockets& ids =
        session.bridge->sockets(static_cast<LegSide>(i));
    if (ids.route != 0) free_routes_.push_back(std::exchange(ids.route, 0));
    for (const SocketId id : {ids.rtp, ids.rtcp}) {
      if (id == kNoSocket) continue;
      by_socket_.erase(id);
      timers_.Erase(id);
      wheel_.Remove(id);
      sockets.push_back(CloseSocket{id});
    }
    ReleaseLegPorts(session, i, now);
  }
}

absl::StatusOr<SessionView> SessionTable::Delete(
    std::string_view tenant, std::string_view id, std::string_view owner,
    std::string_view etag, std::string_view reason, Now now,
    SocketActions& sockets) {
  const std::string key = Key(tenant, id);
  const auto it = sessions_.find(key);
  if (it == sessions_.end()) return NotFound();
  Session& session = *it->second;
  if (!owner.empty() && session.owner != owner) return NotOwner();
  if (!etag.empty() && etag != std::to_string(session.version)) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "the session has changed since it was read");
  }
  SessionView view = End(session, reason, now, sockets);
  notices_.back().by_owner = !owner.empty();
  sessions_.erase(it);
  return view;
}

SessionView SessionTable::End(Session& session, std::string_view reason,
                              Now now, SocketActions& sockets) {
  const auto view = [&] {
    SessionView out = ViewOf(session, now, /*with_keys=*/false);
    out.state = SessionState::kEnded;
    out.end_reason = std::string(reason);
    out.end_time = now.wall;
    return out;
  };
  CloseSockets(session, now, sockets);
  leases_.Erase(Key(session.tenant, session.id));
  notices_.push_back(
      {SessionNotice::Kind::kEnded, std::nullopt, now.wall, view()});
  return view();
}

void SessionTable::EndAll(std::string_view reason, Now now,
                          SocketActions& sockets) {
  for (const auto& [key, session] : sessions_) {
    End(*session, reason, now, sockets);
  }
  sessions_.clear();
}

void SessionTable::Notice(SessionNotice::Kind kind, std::optional<LegSide> leg,
                          const Session& session, Now now) {
  notices_.push_back(
      {kind, leg, now.wall, ViewOf(session, now, /*with_keys=*/false)});
}

void SessionTable::Attend(Session& session, LegSide side, Now now,
                          SocketActions& sockets) {
  MediaLeg& leg = session.bridge->leg(side);
  const LegNews news = leg.TakeNews();
  if ((news & leg_news::kAttention) != 0) {
    const SocketId socket = session.bridge->sockets(side).rtp;
    Endpoint to;
    for (std::string& datagram : leg.TakeDatagrams(to)) {
      sockets.push_back(SendDatagram{socket, to, std::move(datagram)});
    }
    timers_.Set(socket, leg.deadline());
  }
  using Kind = SessionNotice::Kind;
  constexpr std::pair<LegNews, Kind> kKinds[] = {
      {leg_news::kMediaStarted, Kind::kMediaStarted},
      {leg_news::kMediaMissing, Kind::kMediaMissing},
      {leg_news::kMediaLost, Kind::kMediaLost},
      {leg_news::kMediaResumed, Kind::kMediaResumed},
      {leg_news::kIceChanged, Kind::kIceChanged},
      {leg_news::kDtlsChanged, Kind::kDtlsChanged},
  };
  for (const auto& [bit, kind] : kKinds) {
    if ((news & bit) != 0) Notice(kind, side, session, now);
  }
}

std::vector<SessionView> SessionTable::List(std::string_view tenant,
                                            Now now) const {
  std::vector<SessionView> views;
  for (const auto& [key, session] : sessions_) {
    if (!tenant.empty() && session->tenant != tenant) continue;
    views.push_back(ViewOf(*session, now, /*with_keys=*/false));
  }
  return views;
}

size_t SessionTable::Renew(
    std::string_view owner,
    const std::vector<std::pair<std::string, std::string>>& names,
    absl::Duration lease, Now now, std::vector<std::string>& missing) {
  size_t renewed = 0;
  const auto renew = [&](const std::string& key, Session& session) {
    session.lease_expiry = now.mono + lease;
    leases_.Set(key, session.lease_expiry);
    ++renewed;
  };
  if (names.empty()) {
    for (const auto& [key, session] : sessions_) {
      if (session->owner == owner) renew(key, *session);
    }
    return renewed;
  }
  for (const auto& [tenant, id] : names) {
    const std::string key = Key(tenant, id);
    const auto it = sessions_.find(key);
    if (it == sessions_.end() || it->second->owner != owner) {
      missing.push_back("tenants/" + tenant + "/sessions/" + id);
      continue;
    }
    renew(key, *it->second);
  }
  return renewed;
}

bool SessionTable::Prefetch(absl::Span<const SocketId> sockets,
                            Step step) const {
  if (by_socket_.empty()) return false;
  bool tags = false;
  for (const SocketId socket : sockets) {
    if (step == Step::kPlaces) {
      by_socket_.prefetch(socket);
      continue;
    }
    const auto it = by_socket_.find(socket);
    if (it == by_socket_.end()) continue;
    const SocketRef& ref = it->second;
    if (step == Step::kLegs) {
      ref.bridge->Prefetch();
    } else {
      ref.bridge->PrefetchKeys(ref.side);
      tags |= ref.bridge->leg(ref.side).expects_tags();
    }
  }
  return tags;
}

bool SessionTable::Foresee(SocketId socket, const Endpoint& from,
                           const Packet& packet, HmacSha1Job& job) const {
  const auto it = by_socket_.find(socket);
  return it != by_socket_.end() &&
         it->second.bridge->Foresee(it->second.side, from, packet, job);
}

bool SessionTable::OnPacket(SocketId socket, const Endpoint& from,
                            Packet& packet, absl::Span<uint8_t> reply, Now now,
                            SocketActions& sockets, PacketAction& action) {
  const auto it = by_socket_.find(socket);
  if (it == by_socket_.end()) return false;
  const SocketRef& ref = it->second;
  action = ref.bridge->OnPacket(ref.side, ref.rtcp, from, packet, reply, now);
  if (ref.bridge->leg(ref.side).has_news()) {
    Attend(*ref.session, ref.side, now, sockets);
  }
  return true;
}

absl::Status SessionTable::Resolve(const PlaybackRequest& request,
                                   std::string_view tenant, bool plays,
                                   PlaybackSource& source) const {
  source = PlaybackSource();
  if (request.prompt.empty()) return absl::OkStatus();
  if (!options_.prompts->Has(tenant, request.prompt)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "PROMPT_NOT_FOUND",
                     "the relay has no prompt of this name");
  }
  if (!plays && wheel_.size() >= options_.max_playbacks) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     "PLAYBACK_LIMIT_REACHED",
                     "the relay plays on as many legs as it may");
  }
  for (const PlaybackRequest::Format& format : request.formats) {
    source.audio = options_.prompts->Find(tenant, request.prompt, format.codec);
    if (source.audio == nullptr) continue;
    source.prompt = request.prompt;
    source.times = request.times;
    source.payload_type = format.payload_type;
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "PROMPT_FORMAT_MISSING",
                   "the prompt is there in none of the leg's formats");
}

bool SessionTable::SetPlayback(Session& session, LegSide side,
                               PlaybackSource source, Now now) {
  MediaLeg& leg = session.bridge->leg(side);
  const SocketId key = session.bridge->sockets(side).rtp;
  if (source.audio == nullptr) {
    const bool played = leg.plays();
    leg.StopPlayback();
    wheel_.Remove(key);
    return played;
  }
  if (leg.plays()) {
    const PlaybackSource& present = leg.playback()->source();
    if (present.audio == source.audio && present.times == source.times &&
        present.payload_type == source.payload_type) {
      return false;
    }
  }
  leg.Play(std::move(source));
  wheel_.Add(key, now.mono);
  return true;
}

bool SessionTable::NextPlayed(Now now, Packet& packet, PacketAction& action) {
  const Packet lent = packet;
  for (;;) {
    packet = lent;
    const std::optional<PlaybackWheel::Due> report =
        std::exchange(report_, std::nullopt);
    const std::optional<PlaybackWheel::Due> due =
        report.has_value() ? report : wheel_.Next(now.mono);
    if (!due.has_value()) return false;
    const auto it = by_socket_.find(due->key);
    if (it == by_socket_.end()) continue;  // closed since
    MediaBridge& bridge = *it->second.bridge;
    MediaLeg& leg = bridge.leg(it->second.side);
    const MediaBridge::Sockets& sockets = bridge.sockets(it->second.side);
    const bool rtcp = report.has_value();
    if (rtcp && !leg.ReportIsDue(due->round)) continue;
    Endpoint to;
    const DropReason stopped =
        rtcp ? leg.EmitReport(due->round, packet, now, to)
             : leg.EmitPlayed(due->round, packet, now, to);
    if (!leg.plays()) wheel_.Remove(due->key);
    if (!rtcp && leg.ReportIsDue(due->round)) report_ = due;
    if (stopped != DropReason::kNone) continue;
    const bool apart = rtcp && !leg.options().rtcp_mux;
    action = PacketAction::Send(apart ? sockets.rtcp : sockets.rtp, to,
                                packet.bytes());
    if (!apart) action.route = sockets.route;
    return true;
  }
}

void SessionTable::OnDeadline(Now now, SocketActions& sockets) {
  while (const std::optional<std::string> key = leases_.PopExpired(now.mono)) {
    const auto it = sessions_.find(*key);
    if (it == sessions_.end()) continue;
    End(*it->second, "LEASE_EXPIRED", now, sockets);
    sessions_.erase(it);
  }
  while (const std::optional<SocketId> id = timers_.PopExpired(now.mono)) {
    const auto it = by_socket_.find(*id);
    if (it == by_socket_.end()) continue;
    const SocketRef& ref = it->second;
    ref.bridge->leg(ref.side).OnDeadline(now);
    Attend(*ref.session, ref.side, now, sockets);
  }
}

}  // namespace sallyport::media_relay
