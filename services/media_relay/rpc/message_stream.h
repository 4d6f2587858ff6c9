// One server stream whose messages wait in a bounded queue.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_MESSAGE_STREAM_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_MESSAGE_STREAM_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport::media_relay {

// Owns itself: `on_done` is the last that is heard of it, and takes it off any
// list under the same lock under which others reach it. A caller who reads
// slower than `limit` messages allow is ended. Thread-safe.
template <typename Message>
class MessageStream final : public grpc::ServerWriteReactor<Message> {
 public:
  MessageStream(size_t limit, std::function<void()> on_done)
      : limit_(limit), on_done_(std::move(on_done)) {}
  // A stream that ends with `status` at once.
  static MessageStream* Refused(const absl::Status& status) {
    auto* const stream = new MessageStream(0, [] {});
    stream->End(status);
    return stream;
  }

  void Push(std::shared_ptr<const Message> message) {
    absl::MutexLock lock(&mutex_);
    if (ending_) return;
    if (queue_.size() >= limit_) {
      queue_.clear();
      ending_ = true;
      end_status_ =
          ToGrpc(MakeError(absl::StatusCode::kResourceExhausted,
                           "STREAM_TOO_SLOW", "the stream is read too slowly"));
    } else {
      queue_.push_back(std::move(message));
    }
    Step();
  }
  // After what waits has been written.
  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (ending_) return;
    ending_ = true;
    end_status_ = ToGrpc(status);
    Step();
  }
  size_t waiting() const {
    absl::MutexLock lock(&mutex_);
    return queue_.size();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = nullptr;
    if (!ok) Abandon();
    Step();
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    Abandon();
    Step();
  }
  void OnDone() override {
    on_done_();
    delete this;
  }

 private:
  void Abandon() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    queue_.clear();
    ending_ = true;
    end_status_ = grpc::Status::CANCELLED;
  }
  void Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ != nullptr || finished_) return;
    if (!queue_.empty()) {
      writing_ = std::move(queue_.front());
      queue_.pop_front();
      this->StartWrite(writing_.get());
    } else if (ending_) {
      finished_ = true;
      this->Finish(end_status_);
    }
  }

  const size_t limit_;
  const std::function<void()> on_done_;
  mutable absl::Mutex mutex_;
  std::deque<std::shared_ptr<const Message>> queue_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Message> writing_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status end_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_MESSAGE_STREAM_H_
