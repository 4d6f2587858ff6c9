#include "services/capf/rpc/event_watch.h"

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "grpcpp/support/status.h"
#include "services/capf/rpc/event_methods.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxUnsent = 100;
constexpr size_t kMaxWatches = 1000;

using Response = v1::WatchCertificateEventsResponse;
using BaseReactor = grpc::ServerWriteReactor<Response>;

}  // namespace

// One stream. gRPC may call back within StartWrite() and Finish(), so neither
// is called with the lock held; while a write is out or before Finish() the
// reactor cannot go away. Thread-safe.
class EventFeed::Watch {
 public:
  Watch(BaseReactor* reactor, std::string tenant, int64_t after)
      : reactor_(reactor), tenant_(std::move(tenant)), after_(after) {}

  // Takes what is new and finds room. On the work thread only.
  void Pull(EnrollmentStore& store) ABSL_LOCKS_EXCLUDED(mutex_) {
    size_t room;
    {
      absl::MutexLock lock(&mutex_);
      room = kMaxUnsent - unsent_.size();
      full_ = false;
    }
    if (after_ == 0) {
      const auto newest = store.ListEvents("", 0, INT64_MAX, 1);
      if (!newest.ok()) return;
      after_ = newest->empty() ? -1 : newest->front().sequence;
      {
        absl::MutexLock lock(&mutex_);
        if (writing_ || finished_) return;
        writing_ = true;
      }
      // Whoever waits for it misses nothing that comes later.
      return reactor_->StartSendInitialMetadata();
    }
    if (room == 0) {
      absl::MutexLock lock(&mutex_);
      full_ = true;
      return;
    }
    const auto events = store.ListEvents(tenant_, after_, 0, room);
    if (!events.ok()) {
      // The next look finds them.
      SALLYPORT_LOG_LIMITED(kWarning, "events were not read",
                            {{"status", events.status()}});
      return;
    }
    if (events->empty()) return;
    after_ = events->back().sequence;
    {
      absl::MutexLock lock(&mutex_);
      for (const CertificateEvent& event : *events) {
        *unsent_.emplace_back().mutable_event() = ToProto(event);
      }
      full_ = events->size() == room;
    }
    Advance();
  }

  // True: there is room again for what did not fit.
  bool OnWritten(bool ok) ABSL_LOCKS_EXCLUDED(mutex_) {
    bool more = false;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) cancelled_ = true;
      more = full_ && unsent_.empty();
    }
    Advance();
    return more;
  }
  void OnCancelled() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
    }
    Advance();
  }
  void End() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
    }
    Advance();
  }

 private:
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_) {
    bool finish = false;
    bool cancelled = false;
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || finished_) return;
      cancelled = cancelled_;
      if (cancelled_ || ended_) {
        finished_ = finish = true;
      } else if (!unsent_.empty()) {
        step_ = std::move(unsent_.front());
        unsent_.pop_front();
        writing_ = true;
      } else {
        return;
      }
    }
    if (!finish) return reactor_->StartWrite(&step_);
    reactor_->Finish(cancelled
                         ? grpc::Status::CANCELLED
                         : ToGrpc(MakeError(absl::StatusCode::kUnavailable,
                                            "DRAINING", "capf is stopping")));
  }

  BaseReactor* const reactor_;
  const std::string tenant_;
  int64_t after_;  // work thread; 0: not known yet, -1: from the first
  Response step_;  // stable while writing_
  absl::Mutex mutex_;
  std::deque<Response> unsent_ ABSL_GUARDED_BY(mutex_);
  bool full_ ABSL_GUARDED_BY(mutex_) = false;  // perhaps more is in the store
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class EventFeed::Reactor final : public BaseReactor {
 public:
  Reactor(EventFeed& feed, std::string tenant, int64_t after)
      : feed_(feed),
        watch_(std::make_shared<Watch>(this, std::move(tenant), after)) {}

  void OnSendInitialMetadataDone(bool ok) override { OnWriteDone(ok); }
  void OnWriteDone(bool ok) override {
    if (watch_->OnWritten(ok)) feed_.Poke();
  }
  void OnCancel() override { watch_->OnCancelled(); }
  void OnDone() override {
    feed_.Remove(id);
    delete this;
  }
  const std::shared_ptr<Watch>& watch() const { return watch_; }

  uint64_t id = 0;

 private:
  EventFeed& feed_;
  const std::shared_ptr<Watch> watch_;
};

grpc::ServerWriteReactor<Response>* EventFeed::Start(const std::string& tenant,
                                                     int64_t after) {
  auto* const reactor = new Reactor(*this, tenant, after);
  bool ended = false;
  {
    absl::MutexLock lock(&mutex_);
    ended = ended_ || watches_.size() >= kMaxWatches;
    reactor->id = next_++;
    if (!ended) watches_[reactor->id] = reactor->watch();
  }
  if (ended) {
    reactor->watch()->End();
  } else {
    Poke();
  }
  return reactor;
}

void EventFeed::Poke() {
  {
    absl::MutexLock lock(&mutex_);
    if (looking_ || watches_.empty()) return;
    looking_ = true;
  }
  if (!work_.Post([this] { Look(); }).ok()) {
    absl::MutexLock lock(&mutex_);
    looking_ = false;
  }
}

void EventFeed::Look() {
  std::vector<std::shared_ptr<Watch>> watches;
  {
    absl::MutexLock lock(&mutex_);
    looking_ = false;
    for (const auto& [id, watch] : watches_) watches.push_back(watch);
  }
  for (const std::shared_ptr<Watch>& watch : watches) watch->Pull(store_);
}

void EventFeed::End() {
  std::vector<std::shared_ptr<Watch>> watches;
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    for (const auto& [id, watch] : watches_) watches.push_back(watch);
  }
  for (const std::shared_ptr<Watch>& watch : watches) watch->End();
}

void EventFeed::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(id);
}

}  // namespace sallyport::capf
