#include "services/dialplan/rpc/plan_watch.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "grpcpp/server_context.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/dialplan/io/metrics_table.h"
#include "services/dialplan/rpc/snapshot_feed.h"

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
class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  WatchStream(PlanWatch& watch, grpc::CallbackServerContext* context,
              std::shared_ptr<SnapshotFeed> feed,
              const pb::WatchSnapshotRequest& request,
              const WatchCaller& caller)
      : watch_(watch),
        context_(context),
        feed_(std::move(feed)),
        consumer_(request.consumer()),
        caller_(caller),
        sent_version_(request.known_version()),
        known_checksum_(request.known_checksum()) {}

  const std::string& consumer() const { return consumer_; }
  const std::string& identity() const { return caller_.identity; }
  const std::shared_ptr<SnapshotFeed>& feed() const { return feed_; }

  // Sends what is new, unless a message is on its way; then OnWriteDone will.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    Advance();
  }

  // A heartbeat if the stream was idle since the last call.
  void Beat(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    if (writing_ && now - write_start_ > watch_.options_.longest_write) {
      // Finish() would wait for what is not taken. It ends with CANCELLED.
      if (!finished_) context_->TryCancel();
      return;
    }
    if (std::exchange(spoke_, false)) return;
    Advance();
    if (writing_ || finished_ || image_ != nullptr) return;
    message_ = EncodeHeartbeat(sent_version_);
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
    if (image_ != nullptr) {
      SendPart();
      return;
    }
    SnapshotFeed::Step step = feed_->Next(sent_version_, known_checksum_);
    if (step.delta.has_value()) {
      message_ = *std::move(step.delta);
      Sent(step.version);
      Send(WatchMessage::kDelta);
      return;
    }
    // Version 0, the empty plan, is sent once too.
    if (step.image == nullptr || (sent_once_ && step.version == 0)) return;
    image_ = std::move(step.image);
    next_part_ = 0;
    SendPart();
  }

  void SendPart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    SnapshotImage::Part part = image_->Get(next_part_++);
    message_ = std::move(part.message);
    if (part.last) {
      Sent(image_->version());
      image_ = nullptr;
    }
    Send(WatchMessage::kFullPart);
  }

  void Sent(int64_t version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    sent_version_ = version;
    sent_once_ = true;
    known_checksum_.clear();  // from here on we know what it has
    watch_.consumers_.Sent(caller_.identity, consumer_, version);
  }

  void Send(WatchMessage kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    write_start_ = absl::Now();
    spoke_ = true;
    watch_.messages_.Increment(kind);
    StartWrite(&message_);
  }

  PlanWatch& watch_;
  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<SnapshotFeed> feed_;
  const std::string consumer_;
  const WatchCaller caller_;

  absl::Mutex mutex_;
  int64_t sent_version_ ABSL_GUARDED_BY(mutex_);
  bool sent_once_ ABSL_GUARDED_BY(mutex_) = false;
  std::string known_checksum_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time write_start_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool spoke_ ABSL_GUARDED_BY(mutex_) = false;  // since the last beat
  grpc::ByteBuffer message_ ABSL_GUARDED_BY(mutex_);
  // A full snapshot on its way, and its next part.
  std::shared_ptr<SnapshotImage> image_ ABSL_GUARDED_BY(mutex_);
  size_t next_part_ ABSL_GUARDED_BY(mutex_) = 0;
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

std::shared_ptr<SnapshotFeed> PlanWatch::FeedFor(const Audience& audience) {
  std::erase_if(feeds_,
                [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<SnapshotFeed>& place = feeds_[audience];
  std::shared_ptr<SnapshotFeed> feed = place.lock();
  if (feed == nullptr) {
    SnapshotFeed::Options options;
    options.tenants = audience.first;
    options.with_secrets = audience.second;
    options.part_bytes = options_.part_bytes;
    feed = std::make_shared<SnapshotFeed>(board_, std::move(options));
    place = feed;
  }
  return feed;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* PlanWatch::Open(
    grpc::CallbackServerContext* context,
    const pb::WatchSnapshotRequest& request, const WatchCaller& caller) {
  Audience audience({request.tenants().begin(), request.tenants().end()},
                    caller.sees_secrets);
  std::sort(audience.first.begin(), audience.first.end());
  std::shared_ptr<WatchStream> stream;
  bool draining = false;
  {
    absl::MutexLock lock(&mutex_);
    stream = std::make_shared<WatchStream>(*this, context, FeedFor(audience),
                                           request, caller);
    streams_.insert(stream);
    draining = draining_;
  }
  open_.Add(1);
  consumers_.StreamOpened(caller.identity, stream->consumer());
  if (draining) {
    stream->End(Draining());
  } else {
    // What was acknowledged before it came is in its first message.
    stream->feed()->Advance();
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

std::vector<std::shared_ptr<WatchStream>> PlanWatch::Streams() const {
  absl::MutexLock lock(&mutex_);
  return {streams_.begin(), streams_.end()};
}

void PlanWatch::Drain() {
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
  }
  for (const auto& stream : Streams()) stream->End(Draining());
}

size_t PlanWatch::open_streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

void PlanWatch::Publish() {
  std::vector<std::shared_ptr<SnapshotFeed>> feeds;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [audience, weak] : feeds_) {
      if (auto feed = weak.lock()) feeds.push_back(std::move(feed));
    }
  }
  for (const auto& feed : feeds) feed->Advance();
  for (const auto& stream : Streams()) stream->Wake();
}

void PlanWatch::Beat() {
  const absl::Time now = absl::Now();
  for (const auto& stream : Streams()) stream->Beat(now);
}

void PlanWatch::Run() {
  absl::Time next_beat = absl::Now() + options_.heartbeat;
  absl::Time next_publish = absl::InfinitePast();
  for (;;) {
    bool woken = false;
    {
      const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return woken_ || stopping_;
      };
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(&due), next_beat);
      // The first change after a pause goes out at once; those on its heels
      // wait for each other.
      if (woken_ && absl::Now() < next_publish) {
        mutex_.AwaitWithDeadline(absl::Condition(&stopping_), next_publish);
      }
      if (stopping_) return;
      woken = std::exchange(woken_, false);
    }
    if (woken) {
      Publish();
      next_publish = absl::Now() + options_.batch;
    }
    if (absl::Now() >= next_beat) {
      next_beat = absl::Now() + options_.heartbeat;
      Beat();
    }
  }
}

}  // namespace sallyport::dialplan
