// A journal as a server stream: what is kept, then what comes.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_JOURNAL_STREAM_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_JOURNAL_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/signaling_edge/io/journal.h"

namespace sallyport::signaling_edge {

// What can be ended from outside. Thread-safe.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  virtual void End(const absl::Status& status) = 0;
};

// The streams that are open, so that a service that stops can end them.
// Thread-safe.
class StreamSet {
 public:
  // False when no more are taken.
  bool Add(OpenStream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || streams_.size() >= kMaxStreams) return false;
    return streams_.insert(stream).second;
  }
  void Remove(OpenStream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    streams_.erase(stream);
  }
  // Ends all, and takes no more.
  void Close(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    for (OpenStream* stream : streams_) stream->End(status);
  }
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return streams_.size();
  }

 private:
  static constexpr size_t kMaxStreams = 1000;

  mutable absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<OpenStream*> streams_ ABSL_GUARDED_BY(mutex_);
};

// A stream that ends before it begins.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& status) {
    this->Finish(ToGrpc(status));
  }
  void OnDone() override { delete this; }
};

// Deletes itself. A reader that is slower than the journal misses what has
// been forgotten meanwhile; the numbers tell. Locks are taken in one order:
// StreamSet, then this. Thread-safe.
template <typename T, typename Response>
class JournalStream final : public grpc::ServerWriteReactor<Response>,
                            public OpenStream {
 public:
  using Entry = typename Journal<T>::Entry;
  // nullopt: not wanted by this reader.
  using Convert = std::function<std::optional<Response>(const Entry&)>;

  // Sends what comes after number `after`; 0: what comes from now on.
  static grpc::ServerWriteReactor<Response>* Open(Journal<T>& journal,
                                                  StreamSet& streams,
                                                  int64_t after,
                                                  Convert convert) {
    auto* const stream =
        new JournalStream(journal, streams, after, std::move(convert));
    if (!streams.Add(stream)) {
      delete stream;
      return new RefusedStream<Response>(
          MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                    "no more streams are taken"));
    }
    stream->Begin();
    return stream;
  }

  void End(const absl::Status& status) override {
    absl::MutexLock lock(&link_->mutex);
    ending_ = true;
    if (end_.ok()) end_ = status;
    Step();
  }

 private:
  // Outlives the stream in the journal's hands.
  struct Link {
    absl::Mutex mutex;
    JournalStream* stream ABSL_GUARDED_BY(mutex) = nullptr;
  };

  JournalStream(Journal<T>& journal, StreamSet& streams, int64_t after,
                Convert convert)
      : journal_(journal),
        streams_(streams),
        convert_(std::move(convert)),
        sent_(after == 0 ? journal.last() : after) {}

  void Begin() {
    {
      absl::MutexLock lock(&link_->mutex);
      link_->stream = this;
    }
    listener_ = journal_.Listen([link = link_] {
      absl::MutexLock lock(&link->mutex);
      if (link->stream != nullptr) link->stream->Step();
    });
    absl::MutexLock lock(&link_->mutex);
    Step();
  }

  // With the link's lock held.
  void Step() {
    if (writing_ || finished_) return;
    if (ending_) {
      finished_ = true;
      this->Finish(ToGrpc(end_));
      return;
    }
    for (;;) {
      const auto next = journal_.After(sent_, 1);
      if (next.empty()) return;
      sent_ = next[0].sequence;
      if (auto message = convert_(next[0])) {
        message_ = *std::move(message);
        writing_ = true;
        this->StartWrite(&message_);
        return;
      }
    }
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&link_->mutex);
    writing_ = false;
    if (!ok) {
      ending_ = true;
      if (end_.ok()) end_ = absl::CancelledError("the reader is gone");
    }
    Step();
  }

  void OnCancel() override { End(absl::CancelledError("the reader left")); }

  void OnDone() override {
    streams_.Remove(this);
    journal_.Unlisten(listener_);
    {
      absl::MutexLock lock(&link_->mutex);
      link_->stream = nullptr;
    }
    delete this;
  }

  Journal<T>& journal_;
  StreamSet& streams_;
  const Convert convert_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
  int64_t listener_ = 0;
  // All of these under the link's lock.
  int64_t sent_;
  Response message_;
  bool writing_ = false;
  bool ending_ = false;
  bool finished_ = false;
  absl::Status end_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_JOURNAL_STREAM_H_
