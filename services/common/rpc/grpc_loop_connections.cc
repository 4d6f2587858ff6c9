#include "services/common/rpc/grpc_loop_connections.h"

#include <string_view>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/log/log.h"
#include "services/common/log/redact.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/mailbox.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

// Replies that come from other threads; handlers bound theirs below that.
constexpr size_t kMaxReplies = 16'384;
// Answers that go out together, in one record of TLS.
constexpr int kBatch = 8;
// More than this in TCP's hands, and the peer is read no further.
constexpr size_t kHighWater = 256 << 10;
constexpr size_t kPiece = 64 << 10;
constexpr absl::Duration kHandshake = absl::Seconds(5);
// For the peer to close too, after we have.
constexpr absl::Duration kLinger = absl::Seconds(2);

// How clients of the gRPC library close: HTTP/2 shows itself what is cut.
constexpr char kTruncated[] = "TLS_TRUNCATED";

// Why a connection has ended, for the metric.
ConnectionEnd EndOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (status.ok() || reason == kTruncated) return ConnectionEnd::kClosed;
  if (reason == "HTTP2_FLOOD") return ConnectionEnd::kFlood;
  if (reason == "HTTP2_MALFORMED") return ConnectionEnd::kMalformed;
  if (reason == "KEEPALIVE_TIMEOUT") return ConnectionEnd::kSilent;
  return ConnectionEnd::kLost;
}

}  // namespace

GrpcLoopCount::GrpcLoopCount(std::shared_ptr<GrpcLoopService> service)
    : service_(std::move(service)) {
  ++service_->connections;
  service_->open_connections.Add(1);
}

GrpcLoopCount::~GrpcLoopCount() {
  --service_->connections;
  service_->open_connections.Add(-1);
  if (place_ != nullptr) --*place_;
}

void GrpcLoopCount::CountIn(std::shared_ptr<std::atomic<size_t>> place) {
  if (place_ != nullptr) --*place_;
  place_ = std::move(place);
  if (place_ != nullptr) ++*place_;
}

// Where answers of other threads go, for as long as there is somebody.
struct GrpcLoopConnections::Replies {
  absl::Mutex mutex;
  std::unique_ptr<Mailbox<Answered>> box ABSL_GUARDED_BY(mutex);
  std::thread::id thread;               // of the loop; set before any call
  GrpcLoopConnections* here = nullptr;  // that thread's
};

// Loop thread only.
class GrpcLoopConnections::Connection final : public StreamHandler,
                                              public GrpcCallOwner {
 public:
  Connection(GrpcLoopConnections& owner, uint64_t id,
             absl::StatusOr<CallerIdentity> caller,
             std::unique_ptr<GrpcLoopCount> count)
      : owner_(owner),
        service_(*owner.service_),
        id_(id),
        count_(std::move(count)),
        timer_(owner.loop_.AddTimer([this](MonoTime) { OnTimer(); })),
        caller_(std::move(caller)) {}
  ~Connection() override { owner_.loop_.RemoveTimer(timer_); }

  absl::Status Start(TlsStream::Moved moved) {
    TlsStream::Options options = StreamOptions();
    options.tcp.rank = owner_.options_.rank;
    SP_ASSIGN_OR_RETURN(
        stream_,
        TlsStream::Adopt(owner_.loop_, std::move(moved), options, *this));
    return absl::OkStatus();
  }

  void Drain() {
    if (grpc_ == nullptr) return;
    grpc_->Drain();
    Pump();
  }

  void OnAnswered(int32_t call, absl::StatusOr<std::string> answer) {
    if (grpc_ == nullptr) return;
    grpc_->Answer(call, std::move(answer));
    if (!pumping_) Later();
  }

  // Hands out what waits and sends what there is, for a share of the turn.
  void Pump() {
    if (ending_ || grpc_ == nullptr) return;
    EventLoop& loop = owner_.loop_;
    MonoTime now = loop.now();
    const MonoTime until = now + owner_.options_.share;
    bool more = true;
    while (more && now < until) {
      int count = 0;
      pumping_ = true;
      while (count < kBatch && now < until &&
             stream_->buffered() < kHighWater && grpc_->RunOne(now)) {
        ++count;
        now = loop.RefreshNow();
      }
      pumping_ = false;
      Flush();
      if (!ending_ && grpc_->finished()) End(absl::OkStatus());
      if (ending_) return;
      more = count > 0;
      now = loop.RefreshNow();
    }
    SetTimer();
    if (more) Later();
  }
  // Its place among those that wait for another turn is taken.
  void Resume() {
    waits_ = false;
    Pump();
  }

  // Of the stream.
  void OnOpen() override {
    grpc_ = std::make_unique<GrpcConnection>(*this, service_.connection,
                                             owner_.loop_.now());
    if (owner_.draining_) grpc_->Drain();
    Pump();
  }
  void OnData(ByteSpan data) override {
    if (grpc_ == nullptr) return;
    const absl::Status status = grpc_->Feed(data, owner_.loop_.now());
    if (status.ok()) return Pump();
    Flush();  // GOAWAY
    End(status);
  }
  void OnEnd() override { End(absl::OkStatus()); }
  void OnDrained() override {
    if (std::exchange(paused_, false)) stream_->ResumeReading();
    Pump();
  }
  void OnClosed(absl::Status reason) override {
    NoteEnd(reason);
    owner_.Remove(id_);
  }

  // Of the calls.
  absl::StatusOr<Method> OnCall(std::string_view path) override {
    absl::Status status = caller_.ok()
                              ? service_.policy->CheckMethod(*caller_, path)
                              : caller_.status();
    if (!status.ok()) {
      SALLYPORT_LOG_LIMITED(kWarning, "call refused",
                            {{"reason", ReasonOf(status)},
                             {"caller", caller_.ok() ? caller_->ToString()
                                                     : std::string("unknown")},
                             {"method", path.substr(0, 200)}});
      return status;
    }
    const auto it = service_.index_by_path.find(AbslView(path));
    if (it == service_.index_by_path.end()) {
      return MakeError(
          absl::StatusCode::kUnimplemented, "METHOD_NOT_IMPLEMENTED",
          absl::StrCat(AbslView(path), " is not implemented at this port"));
    }
    const GrpcLoopMethod& method = service_.methods[it->second];
    ++service_.open_calls;
    if (method.open != nullptr) method.open(1);
    return Method{it->second, method.streams};
  }
  void OnRequest(int32_t call, size_t method, std::string request) override {
    GrpcLoopMethod::Reply reply = [replies = owner_.replies_, id = id_,
                                   call](absl::StatusOr<std::string> answer) {
      Answered answered{id, call, std::move(answer)};
      if (std::this_thread::get_id() == replies->thread) {
        if (replies->here != nullptr) {
          replies->here->OnAnswered(std::move(answered));
        }
        return;
      }
      absl::MutexLock lock(&replies->mutex);
      if (replies->box == nullptr) return;
      const absl::Status sent = replies->box->Send(std::move(answered));
      if (!sent.ok()) LogError("an answer is lost", {{"error", sent}});
    };
    service_.methods[method].handler(*caller_, std::move(request),
                                     std::move(reply));
  }
  void OnEnded(size_t method, MonoTime start, absl::StatusCode code) override {
    --service_.open_calls;
    if (const auto& open = service_.methods[method].open; open != nullptr) {
      open(-1);
    }
    const std::optional<size_t> label = service_.labels[method];
    if (!label.has_value()) return;
    service_.requests.Increment(*label, static_cast<size_t>(code));
    service_.seconds.Observe(
        absl::ToDoubleSeconds(owner_.loop_.clock().MonoNow() - start), *label);
  }

 private:
  void Later() {
    if (!std::exchange(waits_, true)) owner_.Later(id_);
  }

  void Flush() {
    while (stream_->buffered() < kHighWater) {
      const std::string out = grpc_->TakeOutput(kPiece);
      if (out.empty()) break;
      const absl::Status sent = stream_->Write(AsBytes(out));
      if (!sent.ok()) return End(sent);
    }
    if (stream_->buffered() >= kHighWater && !paused_) {
      paused_ = true;
      stream_->PauseReading();
    }
  }

  // Only when the deadline comes earlier: it moves with every octet that comes,
  // and a timer that finds nothing to do costs less.
  void SetTimer() {
    const MonoTime deadline = grpc_->deadline();
    if (deadline >= armed_) return;
    armed_ = deadline;
    owner_.loop_.SetTimer(timer_, deadline);
  }

  void OnTimer() {
    armed_ = MonoTime::InfiniteFuture();
    if (ending_) return owner_.Remove(id_);
    if (grpc_ == nullptr) return;
    const MonoTime now = owner_.loop_.now();
    if (now < grpc_->deadline()) return SetTimer();
    const absl::Status status = grpc_->OnDeadline(now);
    if (!status.ok()) return End(status);
    Pump();
  }

  // Counts and logs the end, once.
  void NoteEnd(const absl::Status& reason) {
    if (std::exchange(ending_, true)) return;
    service_.ended.Increment(EndOf(reason));
    grpc_.reset();
    if (reason.ok() || ReasonOf(reason) == kTruncated) return;
    SALLYPORT_LOG_LIMITED(kWarning, "a connection has ended",
                          {{"reason", ReasonOf(reason)},
                           {"peer", Redacted(stream_->peer_address().IpText())},
                           {"error", reason}});
  }

  // Says goodbye; OnClosed follows when the peer has, or the timer.
  void End(const absl::Status& reason) {
    if (ending_) return;
    NoteEnd(reason);
    stream_->Finish();
    owner_.loop_.SetTimer(timer_, owner_.loop_.now() + kLinger);
  }

  GrpcLoopConnections& owner_;
  GrpcLoopService& service_;
  const uint64_t id_;
  const std::unique_ptr<GrpcLoopCount> count_;
  const EventLoop::TimerId timer_;
  MonoTime armed_ = MonoTime::InfiniteFuture();
  const absl::StatusOr<CallerIdentity> caller_;
  std::unique_ptr<TlsStream> stream_;
  std::unique_ptr<GrpcConnection> grpc_;  // from OnOpen until the end
  bool pumping_ = false;
  bool waits_ = false;  // in later_
  bool paused_ = false;
  bool ending_ = false;
};

GrpcLoopConnections::GrpcLoopConnections(
    EventLoop& loop, std::shared_ptr<GrpcLoopService> service,
    const Options& options)
    : loop_(loop),
      service_(std::move(service)),
      options_(options),
      replies_(std::make_shared<Replies>()) {
  replies_->here = this;
}

absl::StatusOr<std::unique_ptr<GrpcLoopConnections>>
GrpcLoopConnections::Create(EventLoop& loop,
                            std::shared_ptr<GrpcLoopService> service,
                            const Options& options) {
  std::unique_ptr<GrpcLoopConnections> made(
      new GrpcLoopConnections(loop, std::move(service), options));
  absl::MutexLock lock(&made->replies_->mutex);
  SP_ASSIGN_OR_RETURN(
      made->replies_->box,
      Mailbox<Answered>::Create(loop, kMaxReplies,
                                [here = made.get()](Answered answered) {
                                  here->OnAnswered(std::move(answered));
                                }));
  return made;
}

GrpcLoopConnections::~GrpcLoopConnections() {
  replies_->here = nullptr;
  {
    absl::MutexLock lock(&replies_->mutex);
    replies_->box = nullptr;
  }
  if (options_.busy_poll > absl::ZeroDuration()) {
    loop_.SetBusyPoll(absl::ZeroDuration());
  }
}

TlsStream::Options GrpcLoopConnections::StreamOptions() {
  TlsStream::Options options;
  options.tcp.max_write_buffer = kHighWater + 2 * kPiece;
  options.handshake_timeout = kHandshake;
  return options;
}

void GrpcLoopConnections::Serve(Arrival arrival) {
  if (replies_->thread == std::thread::id()) {
    replies_->thread = std::this_thread::get_id();
  }
  const uint64_t id = next_connection_++;
  auto connection = std::make_unique<Connection>(
      *this, id, std::move(arrival.caller), std::move(arrival.count));
  const absl::Status started = connection->Start(std::move(arrival.stream));
  if (!started.ok()) {
    service_->ended.Increment(ConnectionEnd::kLost);
    SALLYPORT_LOG_LIMITED(kWarning, "a connection cannot be taken",
                          {{"error", started}});
    return;
  }
  connections_[id] = std::move(connection);
  if (options_.busy_poll > absl::ZeroDuration()) {
    loop_.SetBusyPoll(options_.busy_poll);
  }
}

void GrpcLoopConnections::Drain() {
  draining_ = true;
  for (const auto& [id, connection] : connections_) connection->Drain();
}

void GrpcLoopConnections::OnAnswered(Answered answered) {
  const auto it = connections_.find(answered.connection);
  if (it == connections_.end()) return;
  it->second->OnAnswered(answered.call, std::move(answered.answer));
}

void GrpcLoopConnections::Later(uint64_t id) {
  later_.push_back(id);
  if (!std::exchange(deferred_, true)) Defer(&GrpcLoopConnections::RunLater);
}

void GrpcLoopConnections::RunLater() {
  deferred_ = false;
  const MonoTime until = loop_.RefreshNow() + options_.share_of_rest;
  for (size_t left = later_.size(); left > 0; --left) {
    const uint64_t id = later_.front();
    later_.pop_front();
    const auto it = connections_.find(id);
    if (it == connections_.end()) continue;
    it->second->Resume();
    if (loop_.now() >= until) break;
  }
  if (later_.empty() || std::exchange(deferred_, true)) return;
  Defer(&GrpcLoopConnections::RunLater);
}

void GrpcLoopConnections::Defer(void (GrpcLoopConnections::*task)()) {
  loop_.Defer([this, task, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) (this->*task)();
  });
}

void GrpcLoopConnections::ClearGone() { gone_.clear(); }

void GrpcLoopConnections::Remove(uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  // Its own callback may be what runs.
  gone_.push_back(std::move(it->second));
  connections_.erase(it);
  Defer(&GrpcLoopConnections::ClearGone);
  if (connections_.empty() && options_.busy_poll > absl::ZeroDuration()) {
    loop_.SetBusyPoll(absl::ZeroDuration());
  }
}

}  // namespace sallyport
