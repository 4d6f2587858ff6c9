#include "services/media_relay/rpc/session_watch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/media_bridge.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/relay_loop.h"
#include "services/media_relay/rpc/message_stream.h"
#include "services/media_relay/rpc/session_codec.h"

namespace sallyport::media_relay {
namespace {

using Message = v1::WatchSessionsResponse;
using Stream = MessageStream<Message>;

constexpr absl::Duration kShortest = absl::Seconds(1);
constexpr absl::Duration kLongest = absl::Hours(1);

v1::SessionEvent EventOf(SessionNotice::Kind kind) {
  switch (kind) {
    case SessionNotice::Kind::kCreated:
      return v1::SESSION_EVENT_CREATED;
    case SessionNotice::Kind::kUpdated:
      return v1::SESSION_EVENT_UPDATED;
    case SessionNotice::Kind::kMediaStarted:
      return v1::SESSION_EVENT_MEDIA_STARTED;
    case SessionNotice::Kind::kMediaMissing:
      return v1::SESSION_EVENT_MEDIA_MISSING;
    case SessionNotice::Kind::kMediaLost:
      return v1::SESSION_EVENT_MEDIA_LOST;
    case SessionNotice::Kind::kMediaResumed:
      return v1::SESSION_EVENT_MEDIA_RESUMED;
    case SessionNotice::Kind::kIceChanged:
      return v1::SESSION_EVENT_ICE_CHANGED;
    case SessionNotice::Kind::kDtlsChanged:
      return v1::SESSION_EVENT_DTLS_CHANGED;
    case SessionNotice::Kind::kEnded:
      return v1::SESSION_EVENT_ENDED;
  }
  return v1::SESSION_EVENT_UNSPECIFIED;
}

std::shared_ptr<Message> NewMessage(v1::SessionEvent event,
                                    const SessionView& session,
                                    absl::Time time) {
  auto message = std::make_shared<Message>();
  message->set_event(event);
  ToProto(session, /*with_keys=*/false, *message->mutable_session());
  *message->mutable_event_time() = sallyport::ToProto(time);
  return message;
}

}  // namespace

struct SessionWatch::Shared {
  struct Watcher {
    Stream* stream = nullptr;
    std::string tenant;    // empty: all
    std::string owner;     // empty: all
    std::set<int> events;  // empty: all
    absl::Duration interval;
    MonoTime due = MonoTime::InfiniteFuture();
    std::vector<bool> joined;  // loops whose present sessions were sent

    bool Wants(v1::SessionEvent event, const SessionView& session) const {
      return (events.empty() || events.count(event) > 0) &&
             (tenant.empty() || session.tenant == tenant) &&
             (owner.empty() || session.owner == owner);
    }
  };

  // The live sessions of one loop for one stream, on that loop's thread.
  void SendAll(uint64_t id, size_t loop, RelayLoopContext& context,
               v1::SessionEvent event) {
    std::string tenant;
    {
      absl::MutexLock lock(&mutex);
      const auto it = watchers.find(id);
      if (it == watchers.end()) return;
      tenant = it->second.tenant;
    }
    const std::vector<SessionView> views =
        context.core.sessions().List(tenant, context.now);
    absl::MutexLock lock(&mutex);
    const auto it = watchers.find(id);
    if (it == watchers.end()) return;
    for (const SessionView& view : views) {
      if (!it->second.Wants(event, view)) continue;
      it->second.stream->Push(NewMessage(event, view, context.now.wall));
    }
    it->second.joined[loop] = true;
  }

  void Fail(uint64_t id, const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    const auto it = watchers.find(id);
    if (it != watchers.end()) it->second.stream->End(status);
  }

  absl::Mutex mutex;
  absl::CondVar changed;
  std::map<uint64_t, Watcher> watchers ABSL_GUARDED_BY(mutex);
  uint64_t next_id ABSL_GUARDED_BY(mutex) = 1;
  bool ended ABSL_GUARDED_BY(mutex) = false;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

SessionWatch::SessionWatch() : shared_(std::make_shared<Shared>()) {}

SessionWatch::~SessionWatch() { Stop(); }

void SessionWatch::Start(RelayFleet& fleet) {
  fleet_ = &fleet;
  thread_ = std::thread([this] { Run(); });
}

void SessionWatch::Stop() {
  {
    absl::MutexLock lock(&shared_->mutex);
    shared_->stopping = true;
    shared_->changed.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void SessionWatch::OnNotice(size_t loop, const SessionNotice& notice) {
  absl::MutexLock lock(&shared_->mutex);
  const v1::SessionEvent event = EventOf(notice.kind);
  std::shared_ptr<const Message> message;
  for (const auto& [id, watcher] : shared_->watchers) {
    if (!watcher.joined[loop] || !watcher.Wants(event, notice.session) ||
        (notice.by_owner && !watcher.owner.empty())) {
      continue;
    }
    if (message == nullptr) {
      const auto made = NewMessage(event, notice.session, notice.time);
      if (notice.leg.has_value()) {
        made->set_leg(*notice.leg == LegSide::kA ? v1::LEG_SIDE_A
                                                 : v1::LEG_SIDE_B);
      }
      message = made;
    }
    watcher.stream->Push(message);
  }
}

SessionWatch::Reactor* SessionWatch::Refuse(const absl::Status& status) {
  return Stream::Refused(status);
}

SessionWatch::Reactor* SessionWatch::Open(
    const std::string& tenant, const v1::WatchSessionsRequest& request) {
  const absl::Duration interval =
      FromProtoOr(request.statistics_interval(), absl::ZeroDuration());
  if (interval != absl::ZeroDuration() &&
      (interval < kShortest || interval > kLongest)) {
    return Refuse(
        MakeError(absl::StatusCode::kInvalidArgument, "INTERVAL_INVALID",
                  "the request is not valid",
                  {{"statistics_interval", "must be 1 s to 1 hour"}}));
  }
  Stream* stream = nullptr;
  uint64_t id = 0;
  {
    absl::MutexLock lock(&shared_->mutex);
    if (shared_->ended || fleet_ == nullptr) {
      return Refuse(MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                              "this relay is ending"));
    }
    if (shared_->watchers.size() >= kMaxStreams) {
      return Refuse(MakeError(absl::StatusCode::kResourceExhausted,
                              "TOO_MANY_STREAMS",
                              "too many watch the sessions"));
    }
    id = shared_->next_id++;
    stream = new Stream(kMaxWaiting, [shared = shared_, id] {
      absl::MutexLock inner(&shared->mutex);
      shared->watchers.erase(id);
    });
    Shared::Watcher& watcher = shared_->watchers[id];
    watcher.stream = stream;
    watcher.tenant = tenant;
    watcher.owner = request.owner();
    watcher.events = {request.events().begin(), request.events().end()};
    watcher.interval = interval;
    watcher.joined.resize(fleet_->size());
    if (interval > absl::ZeroDuration()) {
      watcher.due = Clock::Real().MonoNow() + interval;
      shared_->changed.SignalAll();
    }
  }
  fleet_->PostToAll(
      [shared = shared_, id](size_t loop, RelayLoopContext& context) {
        shared->SendAll(id, loop, context, v1::SESSION_EVENT_PRESENT);
      },
      [shared = shared_, id](const absl::Status& status) {
        // A stream that lacks a loop would lie by silence.
        if (!status.ok()) shared->Fail(id, status);
      });
  return stream;
}

void SessionWatch::End() {
  const absl::Status status = MakeError(absl::StatusCode::kUnavailable,
                                        "DRAINING", "this relay is ending");
  absl::MutexLock lock(&shared_->mutex);
  shared_->ended = true;
  for (const auto& [id, watcher] : shared_->watchers) {
    watcher.stream->End(status);
  }
}

void SessionWatch::Run() {
  while (true) {
    std::vector<uint64_t> due;
    {
      absl::MutexLock lock(&shared_->mutex);
      if (shared_->stopping) return;
      const MonoTime now = Clock::Real().MonoNow();
      MonoTime next = MonoTime::InfiniteFuture();
      for (auto& [id, watcher] : shared_->watchers) {
        if (watcher.due <= now) {
          watcher.due = now + watcher.interval;
          // Who has not read the last round gets the next one.
          if (watcher.stream->waiting() == 0) due.push_back(id);
        }
        next = std::min(next, watcher.due);
      }
      if (due.empty()) {
        shared_->changed.WaitWithTimeout(&shared_->mutex, next - now);
        continue;
      }
    }
    for (const uint64_t id : due) {
      fleet_->PostToAll(
          [shared = shared_, id](size_t loop, RelayLoopContext& context) {
            shared->SendAll(id, loop, context, v1::SESSION_EVENT_STATISTICS);
          },
          [](const absl::Status&) {});  // the next round tells more
    }
  }
}

}  // namespace sallyport::media_relay
