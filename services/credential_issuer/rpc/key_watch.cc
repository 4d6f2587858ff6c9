#include "services/credential_issuer/rpc/key_watch.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/credential_issuer/io/metrics_table.h"
#include "services/credential_issuer/rpc/issuer_proto.h"

namespace sallyport::credential_issuer {
namespace {

using ::sallyport::ToProto;

absl::Status Draining() {
  return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                   "this instance is ending; connect again");
}

class RefusedStream final : public KeyWatch::Reactor {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

// One relay's stream. Locks are taken in one order: KeyWatch, then Stream.
// Writes start under the stream's lock, so that there is one at a time.
// Thread-safe.
class KeyWatch::Stream final : public Reactor {
 public:
  Stream(KeyWatch& watch, std::string consumer)
      : watch_(watch), consumer_(std::move(consumer)) {}

  // Brings the relay up to these, now or after the write under way.
  void Follow(std::shared_ptr<const IssuerState> state,
              std::shared_ptr<const v1::TenantMediaLimitsList> limits) {
    absl::MutexLock lock(&mutex_);
    newest_ = std::move(state);
    limits_ = std::move(limits);
    Step();
  }

  void Beat() {
    absl::MutexLock lock(&mutex_);
    beat_ = true;
    Step();
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    end_status_ = ToGrpc(status);
    Step();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    // The secrets need not stay in memory until the next step.
    for (auto& key : *message_.mutable_keys()) {
      key.mutable_secret()->assign(key.secret().size(), '\0');
    }
    if (!ok) {
      ending_ = true;
      end_status_ = grpc::Status::CANCELLED;
    }
    Step();
  }

  void OnCancel() override { End(absl::CancelledError("the relay left")); }

  void OnDone() override {
    watch_.Remove(this);
    watch_.consumers_.OnDisconnected(consumer_);
    delete this;
  }

 private:
  void Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (ending_) {
      finished_ = true;
      Finish(end_status_);
      return;
    }
    if (newest_ != nullptr &&
        (newest_->version != sent_version_ || limits_ != sent_limits_)) {
      message_ = MakeStep(*newest_, watch_.realm_, sent_version_, sent_keys_);
      if (limits_ != sent_limits_) {
        *message_.mutable_tenant_limits() = *limits_;
        sent_limits_ = limits_;
      }
      sent_version_ = newest_->version;
      sent_keys_.clear();
      for (const auto& key : message_.keys()) {
        sent_keys_.push_back(key.key_id());
      }
    } else if (beat_ && sent_version_ != 0) {
      message_.Clear();
      message_.set_version(sent_version_);
      message_.set_realm(watch_.realm_);
      *message_.mutable_create_time() = ToProto(newest_->version_time);
    } else {
      return;
    }
    beat_ = false;
    writing_ = true;
    StartWrite(&message_);
  }

  KeyWatch& watch_;
  const std::string consumer_;

  absl::Mutex mutex_;
  std::shared_ptr<const IssuerState> newest_ ABSL_GUARDED_BY(mutex_);
  v1::WatchVerificationKeysResponse message_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const v1::TenantMediaLimitsList> limits_
      ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const v1::TenantMediaLimitsList> sent_limits_
      ABSL_GUARDED_BY(mutex_);
  int64_t sent_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<uint32_t> sent_keys_ ABSL_GUARDED_BY(mutex_);
  bool beat_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status end_status_ ABSL_GUARDED_BY(mutex_);
};

KeyWatch::KeyWatch(std::string realm, std::shared_ptr<const IssuerState> state,
                   ConsumerRegistry& consumers, const Clock& clock,
                   MetricsRegistry& metrics)
    : realm_(std::move(realm)),
      consumers_(consumers),
      clock_(clock),
      watchers_(metrics.Gauge(kKeyWatchers)),
      state_(std::move(state)) {}

KeyWatch::~KeyWatch() = default;

KeyWatch::Reactor* KeyWatch::Refuse(const absl::Status& status) {
  return new RefusedStream(status);
}

KeyWatch::Reactor* KeyWatch::Open(const std::string& consumer,
                                  const std::string& identity) {
  absl::MutexLock lock(&mutex_);
  if (draining_) return Refuse(Draining());
  if (streams_.size() >= kMaxStreams) {
    return Refuse(MakeError(absl::StatusCode::kResourceExhausted,
                            "TOO_MANY_STREAMS", "too many relays watch"));
  }
  auto* const stream = new Stream(*this, consumer);
  streams_.insert(stream);
  watchers_.Set(static_cast<double>(streams_.size()));
  consumers_.OnConnected(consumer, identity, clock_.Now());
  LogInfo("relay watches keys",
          {{"consumer", consumer}, {"version", state_->version}});
  stream->Follow(state_, limits_);
  return stream;
}

void KeyWatch::Remove(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
  watchers_.Set(static_cast<double>(streams_.size()));
}

void KeyWatch::OnState(std::shared_ptr<const IssuerState> state) {
  absl::MutexLock lock(&mutex_);
  state_ = std::move(state);
  for (Stream* stream : streams_) stream->Follow(state_, limits_);
}

void KeyWatch::SetMediaLimits(v1::TenantMediaLimitsList limits) {
  absl::MutexLock lock(&mutex_);
  // What is as it was is not sent again.
  if (limits.SerializeAsString() == limits_->SerializeAsString()) return;
  limits_ =
      std::make_shared<const v1::TenantMediaLimitsList>(std::move(limits));
  for (Stream* stream : streams_) stream->Follow(state_, limits_);
}

void KeyWatch::OnHeartbeat() {
  absl::MutexLock lock(&mutex_);
  for (Stream* stream : streams_) stream->Beat();
}

void KeyWatch::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  for (Stream* stream : streams_) stream->End(Draining());
}

size_t KeyWatch::stream_count() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

}  // namespace sallyport::credential_issuer
