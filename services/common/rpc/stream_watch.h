// A server stream that is to stay open: configuration, trust, keys.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_STREAM_WATCH_H_
#define SALLYPORT_SERVICES_COMMON_RPC_STREAM_WATCH_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "services/common/status/status_grpc.h"

namespace sallyport {

// Opens the stream on a thread of its own, hands each message to `on_message`,
// and opens it again when it ends, after a pause that doubles from 100 ms to
// `max_backoff` and starts over after a message. All callbacks come from that
// one thread. Thread-safe.
template <typename Response>
class StreamWatch {
 public:
  struct Options {
    // Starts the stream; called anew for each attempt, so that the request can
    // name the version held by now.
    std::function<std::unique_ptr<grpc::ClientReader<Response>>(
        grpc::ClientContext*)>
        open;
    // An error ends this attempt: the stream is opened again.
    std::function<absl::Status(const Response&)> on_message;
    // True with the first message of an attempt, false when it has ended;
    // `why` is then what the stream, or on_message, said.
    std::function<void(bool connected, const absl::Status& why)> on_state;
    absl::Duration max_backoff = absl::Seconds(5);
  };

  explicit StreamWatch(Options options)
      : options_(std::move(options)), thread_([this] { Run(); }) {}
  StreamWatch(const StreamWatch&) = delete;
  StreamWatch& operator=(const StreamWatch&) = delete;

  // Ends the stream and waits for the thread; no callback comes afterwards.
  ~StreamWatch() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      if (context_ != nullptr) context_->TryCancel();
    }
    thread_.join();
  }

 private:
  void Run() {
    absl::Duration pause = kFirstPause;
    while (true) {
      bool heard = false;
      const absl::Status why = Attempt(heard);
      if (heard) pause = kFirstPause;
      options_.on_state(false, why);
      {
        absl::MutexLock lock(&mutex_);
        mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
        if (stopping_) return;
      }
      pause = std::min(pause * 2, options_.max_backoff);
    }
  }

  absl::Status Attempt(bool& heard) {
    grpc::ClientContext context;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return absl::CancelledError();
      context_ = &context;
    }
    auto reader = options_.open(&context);
    absl::Status refused;
    Response message;
    while (refused.ok() && reader->Read(&message)) {
      if (!heard) {
        heard = true;
        options_.on_state(true, absl::OkStatus());
      }
      refused = options_.on_message(message);
    }
    if (!refused.ok()) context.TryCancel();
    const grpc::Status ended = reader->Finish();
    absl::MutexLock lock(&mutex_);
    context_ = nullptr;
    return refused.ok() ? FromGrpc(ended) : refused;
  }

  static constexpr absl::Duration kFirstPause = absl::Milliseconds(100);

  const Options options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_STREAM_WATCH_H_
