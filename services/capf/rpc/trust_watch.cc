#include "services/capf/rpc/trust_watch.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/status.h"
#include "services/capf/core/trust_bundle.h"
#include "services/capf/rpc/capf_convert.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport::capf {
namespace {

// Some 100 octets each: below the largest message.
constexpr size_t kMaxRevokedInStep = 20000;

using Response = pb::WatchTrustBundleResponse;
using Reactor = grpc::ServerWriteReactor<Response>;

// What the publisher holds: outlives the reactor by as long as a notification
// takes. gRPC may call back within StartWrite() and Finish(), so neither is
// called with the lock held. Thread-safe.
class WatchState final : public TrustWatcher {
 public:
  explicit WatchState(Reactor* reactor) : reactor_(reactor) {}

  void Notify(std::shared_ptr<const TrustBundle> bundle) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (bundle == nullptr) {
        ended_ = true;
      } else if (latest_ == nullptr || bundle->version >= latest_->version) {
        latest_ = std::move(bundle);
        beat_ = true;
      }
    }
    Advance();
  }

  void OnWritten(bool ok) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) cancelled_ = true;
    }
    Advance();
  }

  void OnCancelled() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
    }
    Advance();
  }

 private:
  enum class Next { kNothing, kWrite, kFinish };

  // Decides under the lock and acts without it. While `writing_` or before
  // `finished_` the reactor cannot go away.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_) {
    Next next;
    grpc::Status status;
    {
      absl::MutexLock lock(&mutex_);
      next = Decide(status);
    }
    if (next == Next::kWrite) reactor_->StartWrite(&step_);
    if (next == Next::kFinish) reactor_->Finish(status);
  }

  Next Decide(grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return Next::kNothing;
    if (ended_ || cancelled_) {
      finished_ = true;
      status = cancelled_ ? grpc::Status::CANCELLED
                          : ToGrpc(MakeError(absl::StatusCode::kUnavailable,
                                             "DRAINING", "capf is stopping"));
      return Next::kFinish;
    }
    if (!beat_ && complete_) return Next::kNothing;
    beat_ = false;
    writing_ = true;
    if (sent_ == latest_) {  // a beat, and nothing new
      step_ = ToStep(*sent_, {});
      return Next::kWrite;
    }
    const bool first = sent_ == nullptr;
    TrustBundleStep next =
        NextStep(first ? TrustBundle() : *sent_, *latest_, kMaxRevokedInStep);
    step_ = ToStep(next.holds, next.delta);
    step_.set_full(first);
    complete_ = next.complete;
    sent_ = complete_
                ? latest_
                : std::make_shared<const TrustBundle>(std::move(next.holds));
    return Next::kWrite;
  }

  Reactor* const reactor_;
  Response step_;  // stable while writing_
  absl::Mutex mutex_;
  std::shared_ptr<const TrustBundle> latest_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const TrustBundle> sent_ ABSL_GUARDED_BY(mutex_);
  bool beat_ ABSL_GUARDED_BY(mutex_) = false;
  bool complete_ ABSL_GUARDED_BY(mutex_) = true;  // sent_ is latest_
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class TrustWatchReactor final : public Reactor {
 public:
  TrustWatchReactor(TrustPublisher& publisher, const std::string& consumer,
                    const std::string& identity)
      : publisher_(publisher),
        state_(std::make_shared<WatchState>(this)),
        id_(publisher.Watch(consumer, identity, state_)) {}

  void OnWriteDone(bool ok) override { state_->OnWritten(ok); }
  void OnCancel() override { state_->OnCancelled(); }
  void OnDone() override {
    publisher_.Unwatch(id_);
    delete this;
  }

 private:
  TrustPublisher& publisher_;
  const std::shared_ptr<WatchState> state_;
  const TrustPublisher::WatchId id_;
};

}  // namespace

Reactor* StartTrustWatch(TrustPublisher& publisher, const std::string& consumer,
                         const std::string& identity) {
  return new TrustWatchReactor(publisher, consumer, identity);
}

}  // namespace sallyport::capf
