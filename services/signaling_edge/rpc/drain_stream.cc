#include "services/signaling_edge/rpc/drain_stream.h"

#include <cstdint>

#include "absl/time/clock.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Milliseconds(500);

}  // namespace

DrainStream::Reactor* DrainStream::Open(EdgeLoop& loop, StreamSet& streams,
                                        absl::Duration timeout) {
  auto* const stream = new DrainStream(loop, streams, timeout);
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
  loop_.PostOwn([link = link_](EdgeLoop& loop) {
    loop.Do(loop.core().OnDrain(loop.now()));
    Look(loop, link);
  });
}

void DrainStream::Look(EdgeLoop& loop, const std::shared_ptr<Link>& link) {
  absl::Time deadline;
  {
    absl::MutexLock lock(&link->mutex);
    if (link->stream == nullptr) return;
    deadline = link->stream->deadline_;
  }
  if (absl::Now() >= deadline) {
    loop.Do(loop.core().OnEndAllCalls("DRAIN_TIMEOUT", loop.now()));
  }
  const auto calls = static_cast<uint32_t>(loop.core().calls().live());
  const auto connections =
      static_cast<uint32_t>(loop.core().connections().size());
  absl::MutexLock lock(&link->mutex);
  DrainStream* const self = link->stream;
  if (self == nullptr || self->finished_ || self->ending_) return;
  self->message_.set_calls_remaining(calls);
  self->message_.set_connections_remaining(connections);
  *self->message_.mutable_deadline_time() = sallyport::ToProto(deadline);
  self->message_.set_done(calls == 0);
  self->writing_ = true;
  self->StartWrite(&self->message_);
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
               absl::MutexLock lock(&link->mutex);
               if (link->stream == nullptr) return;
               link->stream->loop_.PostOwn(
                   [link](EdgeLoop& loop) { Look(loop, link); });
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
