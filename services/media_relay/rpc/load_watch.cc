#include "services/media_relay/rpc/load_watch.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {
namespace {

constexpr absl::Duration kShortest = absl::Milliseconds(100);
constexpr absl::Duration kLongest = absl::Minutes(1);
constexpr absl::Duration kDefault = absl::Seconds(1);
constexpr absl::Duration kSamplePoll = absl::Milliseconds(20);
// Percent of the ports that are in use or at rest when it is warned of them,
// and when that is over.
constexpr size_t kShortPorts = 80;
constexpr size_t kEnoughPorts = 70;

class RefusedStream final : public LoadWatch::Reactor {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

// One edge's stream. Locks are taken in one order: Shared, then Stream.
// Thread-safe.
class LoadWatch::Stream final : public Reactor {
 public:
  Stream(std::shared_ptr<Shared> shared, absl::Duration interval)
      : shared_(std::move(shared)), interval_(interval) {}

  void Send(const v1::RelayLoad& load, const std::string& session_target) {
    absl::MutexLock lock(&mutex_);
    *newest_.mutable_load() = load;
    newest_.set_session_target(session_target);
    fresh_ = true;
    Step();
  }

  void End(const grpc::Status& status) {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    end_status_ = status;
    Step();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) {
      ending_ = true;
      end_status_ = grpc::Status::CANCELLED;
    }
    Step();
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override;

  absl::Duration interval() const { return interval_; }
  // When the next message is due; under the lock of Shared.
  MonoTime due = MonoTime::InfinitePast();

 private:
  void Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (ending_) {
      finished_ = true;
      Finish(end_status_);
      return;
    }
    if (!fresh_) return;
    fresh_ = false;
    writing_ = true;
    message_ = newest_;
    StartWrite(&message_);
  }

  const std::shared_ptr<Shared> shared_;
  const absl::Duration interval_;
  absl::Mutex mutex_;
  v1::WatchLoadResponse newest_ ABSL_GUARDED_BY(mutex_);
  v1::WatchLoadResponse message_ ABSL_GUARDED_BY(mutex_);
  bool fresh_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status end_status_ ABSL_GUARDED_BY(mutex_);
};

struct LoadWatch::Shared {
  Shared(RelayCapacity limits, std::string target)
      : capacity(limits), session_target(std::move(target)) {}

  // Takes a sample of the loops and hands it to the streams that are due. A
  // sample that lacks loops is not taken: they are told the one before.
  void OnReports(const std::vector<RelayLoopReport>& reports, bool whole) {
    const MonoTime now = Clock::Real().MonoNow();
    absl::MutexLock lock(&mutex);
    if (whole) {
      latest = LoadOf(reports, capacity, Clock::Real().Now());
      TellPorts(reports);
    }
    sampling = false;
    next_sample = now + kDefault;
    for (Stream* stream : streams) {
      if (stream->due > now) continue;
      stream->due = now + stream->interval();
      stream->Send(latest, session_target);
    }
  }

  // Once when ports run short, and once when they do not any more.
  void TellPorts(const std::vector<RelayLoopReport>& reports)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    size_t used = 0;
    size_t resting = 0;
    size_t total = 0;
    for (const RelayLoopReport& loop : reports) {
      used += loop.ports_used;
      resting += loop.ports_resting;
      total += loop.ports_total;
    }
    const size_t taken = 100 * (used + resting);
    if (!ports_short && taken >= kShortPorts * total) {
      ports_short = true;
      LogWarning(
          "relay ports run short: without one that is free, allocations "
          "get 508 and sessions RESOURCE_EXHAUSTED",
          {{"used", used}, {"resting", resting}, {"ports", total}});
    } else if (ports_short && taken < kEnoughPorts * total) {
      ports_short = false;
      LogInfo("enough relay ports are free again",
              {{"used", used}, {"resting", resting}, {"ports", total}});
    }
  }

  // When the loops are to be asked next.
  MonoTime NextDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    MonoTime next = next_sample;
    for (const Stream* stream : streams) next = std::min(next, stream->due);
    return next;
  }

  const RelayCapacity capacity;
  const std::string session_target;
  absl::Mutex mutex;
  absl::CondVar changed;
  v1::RelayLoad latest ABSL_GUARDED_BY(mutex);
  std::set<Stream*> streams ABSL_GUARDED_BY(mutex);
  MonoTime next_sample ABSL_GUARDED_BY(mutex) = MonoTime::InfinitePast();
  bool sampling ABSL_GUARDED_BY(mutex) = false;
  bool ports_short ABSL_GUARDED_BY(mutex) = false;
  bool ended ABSL_GUARDED_BY(mutex) = false;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

void LoadWatch::Stream::OnDone() {
  {
    absl::MutexLock lock(&shared_->mutex);
    shared_->streams.erase(this);
  }
  delete this;
}

LoadWatch::LoadWatch(RelayFleet& fleet, RelayCapacity capacity,
                     std::string session_target)
    : fleet_(fleet),
      shared_(std::make_shared<Shared>(capacity, std::move(session_target))),
      thread_([this] { Run(); }) {}

LoadWatch::~LoadWatch() {
  {
    absl::MutexLock lock(&shared_->mutex);
    shared_->stopping = true;
    shared_->changed.SignalAll();
  }
  thread_.join();
}

LoadWatch::Reactor* LoadWatch::Refuse(const absl::Status& status) {
  return new RefusedStream(status);
}

LoadWatch::Reactor* LoadWatch::Open(const v1::WatchLoadRequest& request) {
  const absl::Duration interval = FromProtoOr(request.interval(), kDefault);
  if (interval < kShortest || interval > kLongest) {
    return Refuse(MakeError(absl::StatusCode::kInvalidArgument,
                            "INTERVAL_INVALID", "the request is not valid",
                            {{"interval", "must be 100 ms to 1 minute"}}));
  }
  absl::MutexLock lock(&shared_->mutex);
  if (shared_->ended) {
    return Refuse(MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                            "this relay is ending"));
  }
  if (shared_->streams.size() >= kMaxStreams) {
    return Refuse(MakeError(absl::StatusCode::kResourceExhausted,
                            "TOO_MANY_STREAMS", "too many watch the load"));
  }
  auto* const stream = new Stream(shared_, interval);
  shared_->streams.insert(stream);
  shared_->changed.SignalAll();
  return stream;
}

void LoadWatch::Tell() {
  absl::MutexLock lock(&shared_->mutex);
  for (Stream* stream : shared_->streams)
    stream->due = MonoTime::InfinitePast();
  shared_->next_sample = MonoTime::InfinitePast();
  shared_->changed.SignalAll();
}

void LoadWatch::End() {
  const grpc::Status status = ToGrpc(MakeError(
      absl::StatusCode::kUnavailable, "DRAINING", "this relay is ending"));
  absl::MutexLock lock(&shared_->mutex);
  shared_->ended = true;
  for (Stream* stream : shared_->streams) stream->End(status);
}

v1::RelayLoad LoadWatch::latest() const {
  absl::MutexLock lock(&shared_->mutex);
  return shared_->latest;
}

void LoadWatch::Run() {
  while (true) {
    {
      absl::MutexLock lock(&shared_->mutex);
      while (!shared_->stopping) {
        const absl::Duration wait =
            shared_->NextDue() - Clock::Real().MonoNow();
        if (!shared_->sampling && wait <= absl::ZeroDuration()) break;
        // A sample under way comes back within a loop's turn.
        shared_->changed.WaitWithTimeout(
            &shared_->mutex, shared_->sampling ? kSamplePoll : wait);
      }
      if (shared_->stopping) return;
      shared_->sampling = true;
    }
    CollectReports(fleet_,
                   [shared = shared_](std::vector<RelayLoopReport> reports,
                                      const absl::Status& status) {
                     shared->OnReports(reports, status.ok());
                   });
  }
}

}  // namespace sallyport::media_relay
