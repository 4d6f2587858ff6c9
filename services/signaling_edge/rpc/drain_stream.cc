#include "services/signaling_edge/rpc/drain_stream.h"

#include <atomic>
#include <cstdint>

#include "absl/time/clock.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Milliseconds(500);

}  // namespace

DrainStream::Reactor* DrainStream::Open(LoopSet& loops, StreamSet& streams,
                                        absl::Duration timeout) {
  auto* const stream = new DrainStream(loops, streams, timeout);
  if (!streams.Add(stream)) {
    delete stream;
    return new RefusedStream<v1::DrainResponse>(
        MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                  "no more streams are taken"));
  }
  stream->Begin();
  return stream;
}

void DrainStream::Begin() {
  {
    absl::MutexLock lock(&link_->mutex);
    link_->stream = this;
    deadline_ = absl::Now() + timeout_;
  }
  loops_.PostAll(
      [](EdgeLoop& loop) { loop.Do(loop.core().OnDrain(loop.now())); });
  Look(loops_, link_);
}

void DrainStream::Look(LoopSet& loops, const std::shared_ptr<Link>& link) {
  absl::Time deadline;
  {
    absl::MutexLock lock(&link->mutex);
    if (link->stream == nullptr) return;
    deadline = link->stream->deadline_;
  }
  struct Left {
    std::atomic<size_t> calls = 0;
    std::atomic<size_t> connections = 0;
  };
  const auto left = std::make_shared<Left>();
  const bool time_is_up = absl::Now() >= deadline;
  loops.PostAll(
      [left, time_is_up](EdgeLoop& loop) {
        if (time_is_up) {
          loop.Do(loop.core().OnEndAllCalls("DRAIN_TIMEOUT", loop.now()));
        }
        left->calls += loop.core().calls().live();
        left->connections += loop.core().connections().size();
      },
      [left, link](EdgeLoop&) {
        absl::MutexLock lock(&link->mutex);
        if (link->stream != nullptr) {
          link->stream->Tell(left->calls, left->connections);
        }
      });
}

void DrainStream::Tell(size_t calls, size_t connections) {
  if (finished_ || ending_) return;
  message_.set_calls_remaining(static_cast<uint32_t>(calls));
  message_.set_connections_remaining(static_cast<uint32_t>(connections));
  *message_.mutable_deadline_time() = sallyport::ToProto(deadline_);
  message_.set_done(calls == 0);
  writing_ = true;
  StartWrite(&message_);
}

void DrainStream::Stop(const absl::Status& status) {
  if (finished_) return;
  if (!ending_) end_ = status;
  ending_ = true;
  if (writing_) return;
  finished_ = true;
  alarm_.Cancel();
  Finish(ToGrpc(end_));
}

void DrainStream::End(const absl::Status& status) {
  absl::MutexLock lock(&link_->mutex);
  Stop(status);
}

void DrainStream::OnCancel() {
  absl::MutexLock lock(&link_->mutex);
  Stop(absl::CancelledError("the reader is gone"));
}

void DrainStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&link_->mutex);
  writing_ = false;
  if (!ok) return Stop(absl::CancelledError("the reader is gone"));
  if (ending_) return Stop(end_);
  if (message_.done()) return Stop(absl::OkStatus());
  alarm_.Set(absl::ToChronoTime(absl::Now() + kBetweenLooks),
             [link = link_](bool in_time) {
               if (!in_time) return;
               LoopSet* loops = nullptr;
               {
                 absl::MutexLock lock(&link->mutex);
                 if (link->stream == nullptr) return;
                 loops = &link->stream->loops_;
               }
               Look(*loops, link);
             });
}

void DrainStream::OnDone() {
  streams_.Remove(this);
  {
    absl::MutexLock lock(&link_->mutex);
    link_->stream = nullptr;
  }
  delete this;
}

}  // namespace sallyport::signaling_edge
