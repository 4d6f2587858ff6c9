#include "services/signaling_edge/io/media_client.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/io/media_proto.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::media_relay::v1;

// The failures that say something of the relay, not of the request.
bool IsRelayFault(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

// The relay cannot play what is wanted; the call goes on without it.
bool IsPromptFault(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == "PROMPT_NOT_FOUND" || reason == "PROMPT_FORMAT_MISSING" ||
         reason == "PLAYBACK_LIMIT_REACHED";
}

}  // namespace

struct MediaClient::Creation {
  GrpcLoopClient& by;
  std::string tenant;
  std::string call;
  RelayLegs legs;
  OnSession done;
  size_t loop = 0;
  std::set<std::string> tried;
  absl::Status last;
};

MediaClient::MediaClient(Options options, std::unique_ptr<GrpcLoopClient> calls)
    : options_(std::move(options)), calls_(std::move(calls)) {
  for (const std::string& target : options_.relays) {
    auto state = std::make_unique<State>();
    state->way.index = relays_.size();
    state->target = target;
    relays_.push_back(std::move(state));
  }
  renewer_ = std::thread([this] { RenewLoop(); });
}

MediaClient::~MediaClient() { Stop(); }

void MediaClient::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (renewer_.joinable()) renewer_.join();
  calls_->Stop();
}

MediaClient::State* MediaClient::Find(const std::string& target) {
  for (const auto& relay : relays_) {
    if (relay->target == target) return relay.get();
  }
  return nullptr;
}

MediaClient::State* MediaClient::Choose(const std::set<std::string>& tried) {
  const absl::Time now = absl::Now();
  State* best = nullptr;
  auto rank = [now](const State& s) {
    const bool down = s.down_until > now;
    // By tenths: what is about as busy is filled evenly.
    return std::make_tuple(down, down ? s.down_until : absl::InfinitePast(),
                           s.refuses, static_cast<int>(s.load * 10),
                           s.sessions.size());
  };
  for (const auto& relay : relays_) {
    if (tried.count(relay->target) > 0) continue;
    if (best == nullptr || rank(*relay) < rank(*best)) best = relay.get();
  }
  return best;
}

void MediaClient::Noticed(const std::string& target,
                          const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  State* relay = Find(target);
  if (relay == nullptr) return;
  if (IsRelayFault(status)) {
    relay->down_until = absl::Now() + options_.down_time;
    relay->reason = ReasonOf(status);
    if (relay->reason.empty()) relay->reason = "MEDIA_RELAY_UNAVAILABLE";
  } else if (status.ok()) {
    relay->heard = absl::Now();
    relay->down_until = absl::InfinitePast();
    relay->reason.clear();
  }
}

void MediaClient::Create(GrpcLoopClient& by, const std::string& tenant,
                         const std::string& call, const RelayLegs& legs,
                         OnSession done, size_t loop) {
  auto creation = std::make_shared<Creation>(Creation{
      .by = by,
      .tenant = tenant,
      .call = call,
      .legs = legs,
      .done = std::move(done),
      .loop = loop,
      .tried = {},
      .last = MakeError(absl::StatusCode::kUnavailable,
                        "MEDIA_RELAY_UNAVAILABLE", "no relay is set up")});
  TryNext(std::move(creation));
}

std::string MediaClient::PathOf(std::string_view method) {
  std::string path = "/sallyport.media_relay.v1.MediaRelayService/";
  path += method;
  return path;
}

size_t MediaClient::Take(GrpcLoopClient& by, const Way& way) {
  by.Prefer(way.index, way.session_target);
  return way.index;
}

void MediaClient::TryNext(std::shared_ptr<Creation> creation) {
  std::string target;
  std::optional<Way> way;
  {
    absl::MutexLock lock(&mutex_);
    if (State* relay = Choose(creation->tried); relay != nullptr) {
      target = relay->target;
      way = relay->way;
      creation->tried.insert(target);
    }
  }
  if (!way.has_value()) {
    creation->done(MakeError(absl::StatusCode::kUnavailable,
                             "MEDIA_RELAY_UNAVAILABLE",
                             creation->last.ToString()));
    return;
  }
  pb::CreateSessionRequest request;
  request.set_parent(creation->tenant);
  *request.mutable_lease_duration() = sallyport::ToProto(options_.lease);
  pb::Session& session = *request.mutable_session();
  session.set_owner(options_.owner);
  session.set_call(creation->call);
  ToProto(creation->legs[0], *session.mutable_leg_a());
  ToProto(creation->legs[1], *session.mutable_leg_b());
  Call<pb::Session>(
      creation->by, Take(creation->by, *way), "CreateSession", request,
      [this, creation, target](absl::StatusOr<pb::Session> answer) {
        Noticed(target, answer.status());
        if (IsRelayFault(answer.status())) {
          creation->last = answer.status();
          TryNext(creation);
          return;
        }
        absl::StatusOr<RelaySession> made =
            answer.ok() ? FromProto(*answer, creation->legs) : answer.status();
        if (made.ok()) {
          made->relay = target;
          absl::MutexLock lock(&mutex_);
          Find(target)->sessions[made->name] = creation->loop;
        }
        creation->done(std::move(made));
      });
}

void MediaClient::Update(GrpcLoopClient& by, const std::string& relay,
                         const std::string& session, const RelayLegs& legs,
                         OnUpdated done) {
  std::optional<Way> way;
  {
    absl::MutexLock lock(&mutex_);
    if (const State* const known = Find(relay); known != nullptr) {
      way = known->way;
    }
  }
  if (!way.has_value()) {
    done(MakeError(absl::StatusCode::kNotFound, "MEDIA_RELAY_UNKNOWN",
                   "no relay of this name is configured"));
    return;
  }
  pb::UpdateSessionRequest request;
  pb::Session& wanted = *request.mutable_session();
  wanted.set_name(session);
  auto& mask = *request.mutable_update_mask();
  ToUpdate(legs[0], "leg_a", *wanted.mutable_leg_a(), mask);
  ToUpdate(legs[1], "leg_b", *wanted.mutable_leg_b(), mask);
  Call<pb::Session>(
      by, Take(by, *way), "UpdateSession", request,
      [this, &by, legs, relay, session,
       done = std::move(done)](absl::StatusOr<pb::Session> answer) {
        if (IsPromptFault(answer.status()) &&
            (!legs[0].prompt.empty() || !legs[1].prompt.empty())) {
          SALLYPORT_LOG_LIMITED(
              kWarning, "a relay could not play a prompt",
              {{"relay", relay}, {"reason", ReasonOf(answer.status())}});
          RelayLegs quiet = legs;
          for (RelayLeg& leg : quiet) leg.prompt.clear();
          Update(by, relay, session, quiet, done);
          return;
        }
        Noticed(relay, answer.status());
        absl::StatusOr<RelaySession> updated =
            answer.ok() ? FromProto(*answer, legs) : answer.status();
        if (updated.ok()) updated->relay = relay;
        done(std::move(updated));
      });
}

void MediaClient::Delete(GrpcLoopClient& by, const std::string& relay,
                         const std::string& session, const std::string& reason,
                         OnStatistics done) {
  Way way;
  {
    absl::MutexLock lock(&mutex_);
    State* const known = Find(relay);
    if (known == nullptr) return;
    known->sessions.erase(session);
    way = known->way;
  }
  pb::DeleteSessionRequest request;
  request.set_name(session);
  request.set_allow_missing(true);
  request.set_reason(reason);
  request.set_owner(options_.owner);
  Call<pb::Session>(
      by, Take(by, way), "DeleteSession", request,
      [done = std::move(done)](absl::StatusOr<pb::Session> answer) {
        if (!answer.ok()) return;
        done({FromProto(answer->leg_a().statistics()),
              FromProto(answer->leg_b().statistics())});
      });
}

std::vector<MediaClient::RelayStatus> MediaClient::status() const {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  std::vector<RelayStatus> out;
  for (const auto& relay : relays_) {
    const bool up = relay->down_until <= now;
    out.push_back({relay->target, up, up ? "" : relay->reason,
                   relay->sessions.size(), relay->load});
  }
  return out;
}

}  // namespace sallyport::signaling_edge
