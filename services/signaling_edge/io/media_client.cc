#include "services/signaling_edge/io/media_client.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/signaling_edge/io/media_proto.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::media_relay::v1;

// One unary call; shared by its callback, which frees it.
template <typename Request, typename Response>
struct UnaryCall {
  grpc::ClientContext context;
  Request request;
  Response response;
};

// The failures that say something of the relay, not of the request.
bool IsRelayFault(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

}  // namespace

struct MediaClient::Creation {
  std::string tenant;
  std::string call;
  RelayLegs legs;
  OnSession done;
  std::set<std::string> tried;
  absl::Status last;
};

MediaClient::MediaClient(Options options) : options_(std::move(options)) {
  for (const Relay& relay : options_.relays) {
    auto state = std::make_unique<State>();
    state->target = relay.target;
    state->stub = pb::MediaRelayService::NewStub(relay.channel);
    relays_.push_back(std::move(state));
  }
  renewer_ = std::thread([this] { RenewLoop(); });
}

MediaClient::~MediaClient() {
  load_watches_.clear();
  session_watches_.clear();
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  renewer_.join();
  absl::MutexLock lock(&mutex_);
  auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return in_flight_ == 0;
  };
  mutex_.Await(absl::Condition(&idle));
}

void MediaClient::Begin() {
  absl::MutexLock lock(&mutex_);
  ++in_flight_;
}

void MediaClient::End() {
  absl::MutexLock lock(&mutex_);
  --in_flight_;
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
    relay->down_until = absl::InfinitePast();
    relay->reason.clear();
  }
}

void MediaClient::Create(const std::string& tenant, const std::string& call,
                         const RelayLegs& legs, OnSession done) {
  Begin();
  auto creation = std::make_shared<Creation>();
  creation->tenant = tenant;
  creation->call = call;
  creation->legs = legs;
  creation->done = std::move(done);
  creation->last = MakeError(absl::StatusCode::kUnavailable,
                             "MEDIA_RELAY_UNAVAILABLE", "no relay is set up");
  Start([this, creation = std::move(creation)] { TryNext(creation); });
}

void MediaClient::Start(std::function<void()> request) {
  if (!starter_.Post(request).ok()) request();
}

void MediaClient::TryNext(std::shared_ptr<Creation> creation) {
  std::string target;
  Stub* stub = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (State* relay = Choose(creation->tried); relay != nullptr) {
      target = relay->target;
      stub = relay->stub.get();
      creation->tried.insert(target);
    }
  }
  if (stub == nullptr) {
    creation->done(MakeError(absl::StatusCode::kUnavailable,
                             "MEDIA_RELAY_UNAVAILABLE",
                             creation->last.ToString()));
    End();
    return;
  }
  using Call = UnaryCall<pb::CreateSessionRequest, pb::Session>;
  auto call = std::make_shared<Call>();
  call->context.set_deadline(
      absl::ToChronoTime(absl::Now() + options_.deadline));
  call->request.set_parent(creation->tenant);
  *call->request.mutable_lease_duration() = sallyport::ToProto(options_.lease);
  pb::Session& session = *call->request.mutable_session();
  session.set_owner(options_.owner);
  session.set_call(creation->call);
  ToProto(creation->legs[0], *session.mutable_leg_a());
  ToProto(creation->legs[1], *session.mutable_leg_b());
  stub->async()->CreateSession(
      &call->context, &call->request, &call->response,
      [this, call, creation, target](const grpc::Status& ended) {
        const absl::Status status = FromGrpc(ended);
        Noticed(target, status);
        if (IsRelayFault(status)) {
          creation->last = status;
          TryNext(creation);
          return;
        }
        absl::StatusOr<RelaySession> made =
            status.ok() ? FromProto(call->response, creation->legs) : status;
        if (made.ok()) {
          made->relay = target;
          absl::MutexLock lock(&mutex_);
          Find(target)->sessions.insert(made->name);
        }
        creation->done(std::move(made));
        End();
      });
}

void MediaClient::Update(const std::string& relay, const std::string& session,
                         const RelayLegs& legs, OnUpdated done) {
  Stub* stub = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (State* state = Find(relay); state != nullptr) stub = state->stub.get();
  }
  if (stub == nullptr) {
    done(MakeError(absl::StatusCode::kNotFound, "MEDIA_RELAY_UNKNOWN",
                   "no relay of this name is configured"));
    return;
  }
  Begin();
  using Call = UnaryCall<pb::UpdateSessionRequest, pb::Session>;
  auto call = std::make_shared<Call>();
  call->context.set_deadline(
      absl::ToChronoTime(absl::Now() + options_.deadline));
  pb::Session& wanted = *call->request.mutable_session();
  wanted.set_name(session);
  ToProto(legs[0], *wanted.mutable_leg_a());
  ToProto(legs[1], *wanted.mutable_leg_b());
  // What a session can change: where its far sides are, and their keys.
  for (size_t i = 0; i < 2; ++i) {
    const std::string leg = i == 0 ? "leg_a." : "leg_b.";
    auto& mask = *call->request.mutable_update_mask();
    mask.add_paths(leg + "direction");
    if (legs[i].remote.has_value()) {
      mask.add_paths(leg + "remote_rtp");
      mask.add_paths(leg + "remote_rtcp");
    }
    if (!legs[i].remote_key.empty()) mask.add_paths(leg + "remote_key");
  }
  Start([this, stub, call, legs, relay, done = std::move(done)] {
    stub->async()->UpdateSession(
        &call->context, &call->request, &call->response,
        [this, call, legs, relay, done](const grpc::Status& ended) {
          const absl::Status status = FromGrpc(ended);
          Noticed(relay, status);
          absl::StatusOr<RelaySession> updated =
              status.ok() ? FromProto(call->response, legs) : status;
          if (updated.ok()) updated->relay = relay;
          done(std::move(updated));
          End();
        });
  });
}

void MediaClient::Delete(const std::string& relay, const std::string& session,
                         const std::string& reason, OnStatistics done) {
  Stub* stub = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    State* state = Find(relay);
    if (state == nullptr) return;
    state->sessions.erase(session);
    stub = state->stub.get();
  }
  Begin();
  using Call = UnaryCall<pb::DeleteSessionRequest, pb::Session>;
  auto call = std::make_shared<Call>();
  call->context.set_deadline(
      absl::ToChronoTime(absl::Now() + options_.deadline));
  call->request.set_name(session);
  call->request.set_allow_missing(true);
  call->request.set_reason(reason);
  Start([this, stub, call, done = std::move(done)] {
    stub->async()->DeleteSession(
        &call->context, &call->request, &call->response,
        [this, call, done](const grpc::Status& ended) {
          if (ended.ok()) {
            done({FromProto(call->response.leg_a().statistics()),
                  FromProto(call->response.leg_b().statistics())});
          }
          End();
        });
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
