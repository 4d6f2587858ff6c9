#include "services/dialplan/rpc/plan_watch.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/dialplan/io/metrics_table.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

absl::Status Draining() {
  return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                   "this instance is about to end: connect to another");
}

}  // namespace

// One stream. Everything that starts a write or ends the stream holds the
// lock; gRPC calls OnWriteDone and OnDone from its own threads. Thread-safe.
class WatchStream final
    : public grpc::ServerWriteReactor<pb::WatchSnapshotResponse>,
      public std::enable_shared_from_this<WatchStream> {
 public:
  WatchStream(PlanWatch& watch, const pb::WatchSnapshotRequest& request,
              const WatchCaller& caller)
      : watch_(watch),
        consumer_(request.consumer()),
        caller_(caller),
        tenants_(request.tenants().begin(), request.tenants().end()),
        sent_version_(request.known_version()),
        known_checksum_(request.known_checksum()) {}

  const std::string& consumer() const { return consumer_; }
  const std::string& identity() const { return caller_.identity; }

  // Sends what is new, unless a message is on its way; then OnWriteDone will.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    Advance();
  }

  // A heartbeat if the stream was idle since the last call.
  void Beat() {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(spoke_, false)) return;
    Advance();
    if (writing_ || finished_ || parts_.has_value()) return;
    const PlanBoard::Head head = watch_.board_.head();
    if (head.version != sent_version_) return;
    message_.Clear();
    message_.set_version(sent_version_);
    message_.mutable_heartbeat();
    Send(WatchMessage::kHeartbeat);
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    EndLocked(ToGrpc(status));
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) {
      EndLocked(grpc::Status::CANCELLED);
      return;
    }
    Advance();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    EndLocked(grpc::Status::CANCELLED);
  }

  void OnDone() override { watch_.Remove(shared_from_this()); }

 private:
  void EndLocked(const grpc::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (parts_.has_value()) {
      SendPart();
      return;
    }
    // Version 0, the empty plan, is sent once too.
    if (sent_once_ && sent_version_ == 0 && watch_.board_.head().version == 0) {
      return;
    }
    std::optional<PlanBoard::Update> update =
        watch_.board_.Since(sent_version_, known_checksum_, tenants_);
    if (!update.has_value()) return;
    if (update->full) {
      parts_ = *std::move(update);
      next_ = 0;
      SendPart();
    } else {
      SendDelta(*update);
    }
  }

  void Stamp(const PlanBoard::Head& head)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    message_.set_version(head.version);
    message_.set_checksum(head.checksum);
    *message_.mutable_create_time() = ToProto(head.time);
  }

  pb::Resource Shown(const PlanRecord& record) const {
    return caller_.sees_secrets ? ResourceWithSecrets(record)
                                : ResourceOf(record);
  }

  void SendDelta(const PlanBoard::Update& update)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    message_.Clear();
    Stamp(update.head);
    pb::SnapshotDelta& delta = *message_.mutable_delta();
    delta.set_base_version(sent_version_);
    size_t bytes = 0;
    for (const auto& [name, record] : update.records) {
      if (record == nullptr) {
        delta.add_deleted(name);
      } else {
        bytes += record->body.size();
        *delta.add_upserted() = Shown(*record);
      }
    }
    if (bytes > watch_.options_.part_bytes) {
      // Too much for one message: everything, in parts.
      parts_ = watch_.board_.Since(0, "", tenants_);
      next_ = 0;
      SendPart();
      return;
    }
    Sent(update.head);
    Send(WatchMessage::kDelta);
  }

  void SendPart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    message_.Clear();
    Stamp(parts_->head);
    pb::SnapshotPart& part = *message_.mutable_full();
    for (size_t bytes = 0;
         next_ < parts_->records.size() && bytes < watch_.options_.part_bytes;
         ++next_) {
      const PlanRecord& record = *parts_->records[next_].second;
      bytes += record.body.size();
      *part.add_resources() = Shown(record);
    }
    if (next_ == parts_->records.size()) {
      part.set_last(true);
      Sent(parts_->head);
      parts_.reset();
    }
    Send(WatchMessage::kFullPart);
  }

  void Sent(const PlanBoard::Head& head) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    sent_version_ = head.version;
    sent_once_ = true;
    known_checksum_.clear();  // from here on we know what it has
    watch_.consumers_.Sent(caller_.identity, consumer_, head.version);
  }

  void Send(WatchMessage kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    spoke_ = true;
    watch_.messages_.Increment(kind);
    StartWrite(&message_);
  }

  PlanWatch& watch_;
  const std::string consumer_;
  const WatchCaller caller_;
  const PlanBoard::Tenants tenants_;

  absl::Mutex mutex_;
  int64_t sent_version_ ABSL_GUARDED_BY(mutex_);
  bool sent_once_ ABSL_GUARDED_BY(mutex_) = false;
  std::string known_checksum_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool spoke_ ABSL_GUARDED_BY(mutex_) = false;  // since the last beat
  pb::WatchSnapshotResponse message_ ABSL_GUARDED_BY(mutex_);
  // A full snapshot on its way, and its next record.
  std::optional<PlanBoard::Update> parts_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

PlanWatch::PlanWatch(const PlanBoard& board, ConsumerTable& consumers,
                     Options options)
    : board_(board), consumers_(consumers), options_(options) {
  if (options_.metrics != nullptr) {
    open_ = options_.metrics->Gauge(kWatchers);
    messages_ = options_.metrics->Counter(kWatchMessagesTotal);
  }
  thread_ = std::thread([this] { Run(); });
}

PlanWatch::~PlanWatch() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

grpc::ServerWriteReactor<pb::WatchSnapshotResponse>* PlanWatch::Open(
    const pb::WatchSnapshotRequest& request, const WatchCaller& caller) {
  auto stream = std::make_shared<WatchStream>(*this, request, caller);
  bool draining = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    draining = draining_;
  }
  open_.Add(1);
  consumers_.StreamOpened(caller.identity, stream->consumer());
  if (draining) {
    stream->End(Draining());
  } else {
    stream->Wake();
  }
  return stream.get();
}

void PlanWatch::Remove(const std::shared_ptr<WatchStream>& stream) {
  consumers_.StreamClosed(stream->identity(), stream->consumer());
  open_.Add(-1);
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void PlanWatch::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void PlanWatch::Drain() {
  std::vector<std::shared_ptr<WatchStream>> all;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    all.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : all) stream->End(Draining());
}

size_t PlanWatch::open_streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

void PlanWatch::Run() {
  absl::Time next_beat = absl::Now() + options_.heartbeat;
  for (;;) {
    std::vector<std::shared_ptr<WatchStream>> all;
    bool woken = false;
    {
      const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return woken_ || stopping_;
      };
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(&due), next_beat);
      if (stopping_) return;
      woken = std::exchange(woken_, false);
      all.assign(streams_.begin(), streams_.end());
    }
    if (woken) {
      for (const auto& stream : all) stream->Wake();
    }
    if (absl::Now() >= next_beat) {
      next_beat = absl::Now() + options_.heartbeat;
      for (const auto& stream : all) stream->Beat();
    }
  }
}

}  // namespace sallyport::dialplan
