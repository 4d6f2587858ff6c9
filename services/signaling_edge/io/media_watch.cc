// What relays tell by themselves: sessions that end, media that stops, load;
// and the leases of sessions, whose renewal tells which are gone.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/io/media_client.h"
#include "services/signaling_edge/io/media_proto.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::media_relay::v1;

constexpr absl::Duration kTick = absl::Milliseconds(250);
constexpr absl::Duration kLoadInterval = absl::Seconds(1);
// How soon a relay that is back is known to be.
constexpr absl::Duration kMaxBackoff = absl::Seconds(1);

std::optional<MediaEvent::Kind> KindOf(pb::SessionEvent event) {
  switch (event) {
    case pb::SESSION_EVENT_PRESENT:
    case pb::SESSION_EVENT_STATISTICS:
      return MediaEvent::Kind::kStatistics;
    case pb::SESSION_EVENT_MEDIA_LOST:
    case pb::SESSION_EVENT_MEDIA_MISSING:
      return MediaEvent::Kind::kSilent;
    case pb::SESSION_EVENT_MEDIA_STARTED:
    case pb::SESSION_EVENT_MEDIA_RESUMED:
      return MediaEvent::Kind::kHeard;
    case pb::SESSION_EVENT_ENDED:
      return MediaEvent::Kind::kLost;
    default:
      return std::nullopt;
  }
}

// Of a change of the leg's DTLS; most of its steps are of no interest.
std::optional<MediaEvent::Kind> KindOf(pb::DtlsState state) {
  switch (state) {
    case pb::DTLS_STATE_ESTABLISHED:
      return MediaEvent::Kind::kKeyed;
    case pb::DTLS_STATE_FAILED:
    case pb::DTLS_STATE_CLOSED:
      return MediaEvent::Kind::kKeyingFailed;
    default:
      return std::nullopt;
  }
}

// What KindOf() knows. That a session was made and changed as we asked is told
// by the answers.
constexpr pb::SessionEvent kEvents[] = {
    pb::SESSION_EVENT_PRESENT,       pb::SESSION_EVENT_STATISTICS,
    pb::SESSION_EVENT_MEDIA_LOST,    pb::SESSION_EVENT_MEDIA_MISSING,
    pb::SESSION_EVENT_MEDIA_STARTED, pb::SESSION_EVENT_MEDIA_RESUMED,
    pb::SESSION_EVENT_DTLS_CHANGED,  pb::SESSION_EVENT_ENDED};

template <typename Message, typename Use>
absl::Status Read(std::string_view octets, Use use) {
  Message message;
  if (!message.ParseFromArray(octets.data(), static_cast<int>(octets.size()))) {
    return MakeError(absl::StatusCode::kInternal, "MEDIA_RELAY_ANSWER_INVALID",
                     "what the relay tells cannot be read");
  }
  use(message);
  return absl::OkStatus();
}

}  // namespace

void MediaClient::Watch(OnEvent on_event) {
  std::vector<std::pair<std::string, size_t>> relays;
  {
    absl::MutexLock lock(&mutex_);
    on_event_ = std::move(on_event);
    for (const auto& relay : relays_) {
      relays.emplace_back(relay->target, relay->way.index);
    }
  }
  for (const auto& [target, index] : relays) {
    GrpcLoopClient::Stream sessions;
    sessions.path = PathOf("WatchSessions");
    sessions.request = [this] {
      pb::WatchSessionsRequest request;
      request.set_parent("tenants/-");
      request.set_owner(options_.owner);
      *request.mutable_statistics_interval() =
          sallyport::ToProto(options_.statistics_interval);
      for (const pb::SessionEvent event : kEvents) request.add_events(event);
      return request.SerializeAsString();
    };
    sessions.on_message = [this, target = target](std::string_view message) {
      return Read<pb::WatchSessionsResponse>(
          message, [&](const auto& read) { OnSessionMessage(target, read); });
    };
    sessions.on_state = [](bool, const absl::Status&) {};
    sessions.max_backoff = kMaxBackoff;
    calls_->Watch(index, std::move(sessions));
    // Its steady messages show that the relay lives, sessions or none.
    GrpcLoopClient::Stream load;
    load.path = PathOf("WatchLoad");
    load.request = [] {
      pb::WatchLoadRequest request;
      *request.mutable_interval() = sallyport::ToProto(kLoadInterval);
      return request.SerializeAsString();
    };
    load.on_message = [this, target = target](std::string_view message) {
      return Read<pb::WatchLoadResponse>(
          message, [&](const auto& read) { OnLoad(target, read); });
    };
    load.on_state = [this, target = target](bool connected,
                                            const absl::Status& why) {
      OnStream(target, connected, why);
    };
    load.max_backoff = kMaxBackoff;
    calls_->Watch(index, std::move(load));
  }
}

void MediaClient::OnSessionMessage(const std::string& target,
                                   const pb::WatchSessionsResponse& message) {
  const pb::Leg& leg = message.leg() == pb::LEG_SIDE_B
                           ? message.session().leg_b()
                           : message.session().leg_a();
  const auto kind = message.event() == pb::SESSION_EVENT_DTLS_CHANGED
                        ? KindOf(leg.dtls().state())
                        : KindOf(message.event());
  if (!kind.has_value()) return;
  MediaEvent event;
  event.kind = *kind;
  {
    absl::MutexLock lock(&mutex_);
    auto& sessions = Find(target)->sessions;
    // Those that we end ourselves are forgotten before.
    const auto it = sessions.find(message.session().name());
    if (it == sessions.end()) return;
    event.loop = it->second;
    if (*kind == MediaEvent::Kind::kLost) sessions.erase(it);
  }
  event.relay = target;
  event.session = message.session().name();
  event.leg = message.leg() == pb::LEG_SIDE_B ? LegSide::kB : LegSide::kA;
  event.statistics = {FromProto(message.session().leg_a().statistics()),
                      FromProto(message.session().leg_b().statistics())};
  event.suites = {FromProto(message.session().leg_a().srtp_suite()),
                  FromProto(message.session().leg_b().srtp_suite())};
  Tell(std::move(event));
}

void MediaClient::Tell(MediaEvent event) {
  OnEvent tell;
  {
    absl::MutexLock lock(&mutex_);
    tell = on_event_;
  }
  if (tell) tell(std::move(event));
}

void MediaClient::OnLoad(const std::string& target,
                         const pb::WatchLoadResponse& message) {
  const pb::RelayLoad& load = message.load();
  std::string session_target = message.session_target();
  if (session_target.starts_with(':')) {  // of the same host
    session_target.insert(0, target, 0, target.rfind(':'));
  }
  absl::MutexLock lock(&mutex_);
  State& relay = *Find(target);
  relay.way.session_target = std::move(session_target);
  relay.load = load.busiest_loop_load();
  relay.refuses =
      load.draining() || (load.session_capacity() != 0 &&
                          load.session_count() >= load.session_capacity());
  relay.load_time = absl::Now();
}

void MediaClient::OnStream(const std::string& target, bool connected,
                           const absl::Status& why) {
  if (!connected) {
    if (!absl::IsUnavailable(why) && !absl::IsDeadlineExceeded(why)) return;
    Noticed(target, why);
    absl::MutexLock lock(&mutex_);
    State& relay = *Find(target);
    relay.load_time = absl::InfiniteFuture();
    relay.broken_since = std::min(relay.broken_since, absl::Now());
    return;
  }
  Noticed(target, absl::OkStatus());
  {
    absl::MutexLock lock(&mutex_);
    Find(target)->broken_since = absl::InfiniteFuture();
  }
  // It may be another one than before, or know nothing of us any more.
  Renew(target);
}

void MediaClient::Lose(const std::string& target,
                       const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    MediaEvent event;
    {
      absl::MutexLock lock(&mutex_);
      auto& sessions = Find(target)->sessions;
      const auto it = sessions.find(name);
      if (it == sessions.end()) continue;
      event.loop = it->second;
      sessions.erase(it);
    }
    event.kind = MediaEvent::Kind::kLost;
    event.relay = target;
    event.session = name;
    Tell(std::move(event));
  }
}

void MediaClient::LoseSilentRelays() {
  std::vector<std::pair<std::string, std::vector<std::string>>> lost;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    for (const auto& relay : relays_) {
      // A stream may stand while nobody is behind it any more; and who is back
      // may have made sessions before it stands again.
      const absl::Time since = std::max(
          relay->heard,
          std::min(relay->broken_since, relay->load_time + kLoadInterval));
      if (since + options_.lost_after > now) continue;
      relay->down_until = now + options_.down_time;
      relay->reason = "MEDIA_RELAY_UNAVAILABLE";
      if (relay->sessions.empty()) continue;
      std::vector<std::string> names;
      for (const auto& [name, loop] : relay->sessions) names.push_back(name);
      lost.emplace_back(relay->target, std::move(names));
    }
  }
  for (const auto& [target, names] : lost) {
    SALLYPORT_LOG_LIMITED(kError, "a media relay is lost",
                          {{"relay", target}, {"sessions", names.size()}});
    Lose(target, names);
  }
}

void MediaClient::RenewLoop() {
  // Three tries fit into a lease.
  absl::Time due = absl::Now() + options_.lease / 3;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                              std::min(kTick, options_.lease / 3));
      if (stopping_) return;
    }
    LoseSilentRelays();
    if (absl::Now() < due) continue;
    due = absl::Now() + options_.lease / 3;
    Renew();
  }
}

void MediaClient::Renew(const std::string& only) {
  std::vector<std::pair<size_t, pb::RenewSessionsRequest>> due;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& relay : relays_) {
      if (relay->sessions.empty()) continue;
      if (!only.empty() && relay->target != only) continue;
      pb::RenewSessionsRequest request;
      request.set_owner(options_.owner);
      for (const auto& [name, loop] : relay->sessions) request.add_names(name);
      *request.mutable_lease_duration() = sallyport::ToProto(options_.lease);
      due.emplace_back(relay->way.index, std::move(request));
    }
  }
  for (const auto& [index, request] : due) {
    Call<pb::RenewSessionsResponse>(
        *calls_, index, "RenewSessions", request,
        [this, target = options_.relays[index]](
            const absl::StatusOr<pb::RenewSessionsResponse>& renewed) {
          if (renewed.ok()) {
            Lose(target,
                 {renewed->missing().begin(), renewed->missing().end()});
          } else {
            SALLYPORT_LOG_LIMITED(kWarning, "leases were not renewed",
                                  {{"error", renewed.status()}});
          }
        });
  }
}

}  // namespace sallyport::signaling_edge
