#include "services/signaling_edge/io/dialplan_client.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// A region's whole plan, far above what 1 million users take.
constexpr size_t kMaxCacheBytes = size_t{2} << 30;

// A plan of a million users takes seconds to write, a small one none: so many
// times what it took is waited until the next.
constexpr int kSavePause = 20;

// One in flight at a time is enough, and a late one is worth nothing.
constexpr absl::Duration kReportDeadline = absl::Seconds(2);

// A report that frees itself when dialplan has answered, or has not.
struct Report {
  grpc::ClientContext context;
  pb::ReportSnapshotVersionRequest request;
  pb::ReportSnapshotVersionResponse response;
};

}  // namespace

struct DialplanClient::Rpc {
  std::unique_ptr<pb::DialplanService::Stub> stub;
};

DialplanClient::DialplanClient(Options options)
    : options_(std::move(options)),
      rpc_(new Rpc{pb::DialplanService::NewStub(options_.channel)}) {
  RestoreFromDisk();
  StreamWatch<Response>::Options watch;
  watch.open = [this](grpc::ClientContext* context) { return Open(context); };
  watch.on_message = [this](const Response& message) {
    return OnMessage(message);
  };
  watch.on_state = [this](bool connected, const absl::Status& why) {
    bool changed;
    {
      absl::MutexLock lock(&mutex_);
      changed = connected_ != connected;
      connected_ = connected;
    }
    if (changed && options_.on_state) options_.on_state(connected, why);
  };
  watch.max_backoff = options_.max_backoff;
  if (!options_.cache_file.empty()) {
    saver_ = std::thread([this] { KeepSaving(); });
  }
  watch_ = std::make_unique<StreamWatch<Response>>(std::move(watch));
}

DialplanClient::~DialplanClient() {
  watch_.reset();
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (saver_.joinable()) saver_.join();
}

void DialplanClient::RestoreFromDisk() {
  if (options_.cache_file.empty()) return;
  const absl::StatusOr<std::string> saved =
      ReadWholeFile(options_.cache_file, kMaxCacheBytes);
  if (!saved.ok()) {
    if (!absl::IsNotFound(saved.status())) {
      LogWarning("the plan kept on disk cannot be read",
                 {{"error", saved.status()}});
    }
    return;
  }
  absl::StatusOr<SnapshotState> restored = SnapshotState::Restore(*saved);
  if (!restored.ok()) {
    LogWarning("the plan kept on disk is not used",
               {{"error", restored.status()}});
    return;
  }
  PlanUpdate update;
  {
    absl::MutexLock lock(&mutex_);
    state_ = *std::move(restored);
    from_cache_ = true;
    update = state_.TakeUpdate();
  }
  options_.on_plan(std::move(update), true);
}

std::unique_ptr<grpc::ClientReader<DialplanClient::Response>>
DialplanClient::Open(grpc::ClientContext* context) {
  pb::WatchSnapshotRequest request;
  request.set_consumer(options_.consumer);
  {
    absl::MutexLock lock(&mutex_);
    request.set_known_version(state_.version());
    request.set_known_checksum(state_.checksum());
  }
  return rpc_->stub->WatchSnapshot(context, request);
}

absl::Status DialplanClient::OnMessage(const Response& message) {
  PlanUpdate update;
  {
    absl::MutexLock lock(&mutex_);
    absl::StatusOr<bool> complete = state_.Apply(message);
    if (!complete.ok()) {
      // Everything is asked for anew.
      state_ = SnapshotState();
      return complete.status();
    }
    from_cache_ = from_cache_ && !*complete;
    if (!*complete) return absl::OkStatus();
    update = state_.TakeUpdate();
    unsaved_ = true;
  }
  options_.on_plan(std::move(update), false);
  return absl::OkStatus();
}

void DialplanClient::KeepSaving() {
  absl::Time next = absl::InfinitePast();
  for (;;) {
    SnapshotState copy;
    {
      const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return unsaved_ || stopping_;
      };
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&due));
      mutex_.AwaitWithDeadline(absl::Condition(&stopping_), next);
      if (!unsaved_) return;
      unsaved_ = false;
      copy = state_;
    }
    // After an error there is nothing until all has come anew.
    if (copy.version() == 0) continue;
    const absl::Time start = absl::Now();
    SaveToDisk(copy);
    const absl::Time end = absl::Now();
    next = end + kSavePause * (end - start);
  }
}

void DialplanClient::SaveToDisk(const SnapshotState& state) {
  const absl::Status saved =
      WriteDurableFile(options_.cache_file, state.Save());
  if (!saved.ok()) {
    LogWarning("the plan cannot be kept on disk", {{"error", saved}});
  }
}

void DialplanClient::ReportActive(int64_t version,
                                  const std::string& checksum) {
  auto report = std::make_shared<Report>();
  report->request.set_consumer(options_.consumer);
  report->request.set_active_version(version);
  report->request.set_active_checksum(checksum);
  {
    absl::MutexLock lock(&mutex_);
    report->request.set_from_cache(from_cache_);
  }
  const absl::Time now = absl::Now();
  *report->request.mutable_active_time() = ToProto(now);
  report->context.set_deadline(absl::ToChronoTime(now + kReportDeadline));
  // Unheard reports are made good by the next one; there is nothing to do.
  rpc_->stub->async()->ReportSnapshotVersion(
      &report->context, &report->request, &report->response,
      [report](const grpc::Status& /*status*/) {});
}

DialplanClient::Status DialplanClient::status() const {
  absl::MutexLock lock(&mutex_);
  return {state_.version(), state_.checksum(), connected_, from_cache_};
}

}  // namespace sallyport::signaling_edge
