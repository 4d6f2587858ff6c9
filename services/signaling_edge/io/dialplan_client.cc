#include "services/signaling_edge/io/dialplan_client.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// A region's whole plan, far above what 1 million users take.
constexpr size_t kMaxCacheBytes = size_t{2} << 30;

// One in flight at a time is enough, and a late one is worth nothing.
constexpr absl::Duration kReportDeadline = absl::Seconds(2);

// A report that frees itself when dialplan has answered, or has not.
struct Report {
  grpc::ClientContext context;
  pb::ReportSnapshotVersionRequest request;
  pb::ReportSnapshotVersionResponse response;
};

}  // namespace

DialplanClient::DialplanClient(Options options)
    : options_(std::move(options)),
      stub_(pb::DialplanService::NewStub(options_.channel)) {
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
  watch_ = std::make_unique<StreamWatch<Response>>(std::move(watch));
}

DialplanClient::~DialplanClient() = default;

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
  std::shared_ptr<const PlanSnapshot> plan;
  {
    absl::MutexLock lock(&mutex_);
    state_ = *std::move(restored);
    from_cache_ = true;
    plan = state_.Snapshot();
  }
  options_.on_plan(std::move(plan), true);
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
  return stub_->WatchSnapshot(context, request);
}

absl::Status DialplanClient::OnMessage(const Response& message) {
  std::shared_ptr<const PlanSnapshot> plan;
  SnapshotState copy;
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
    plan = state_.Snapshot();
    copy = state_;
  }
  options_.on_plan(std::move(plan), false);
  SaveToDisk(copy);
  return absl::OkStatus();
}

void DialplanClient::SaveToDisk(const SnapshotState& state) {
  if (options_.cache_file.empty()) return;
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
  stub_->async()->ReportSnapshotVersion(
      &report->context, &report->request, &report->response,
      [report](const grpc::Status& /*status*/) {});
}

DialplanClient::Status DialplanClient::status() const {
  absl::MutexLock lock(&mutex_);
  return {state_.version(), state_.checksum(), connected_, from_cache_};
}

}  // namespace sallyport::signaling_edge
