#include "services/dialplan/io/plan_writer.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"
#include "services/dialplan/io/metrics_table.h"

namespace sallyport::dialplan {
namespace {

constexpr absl::Duration kPrunePeriod = absl::Minutes(1);

// What is answered when the store has failed, or nothing was ever applied.
template <typename Answer>
void Settle(const absl::Status& stored,
            std::optional<absl::StatusOr<Answer>>& answer) {
  if (!answer.has_value() || (answer->ok() && !stored.ok())) answer = stored;
}

}  // namespace

PlanWriter::Metrics::Metrics(MetricsRegistry* registry) {
  if (registry == nullptr) return;
  commits = registry->Counter(kCommitsTotal);
  writes = registry->Counter(kWritesTotal);
  adopted = registry->Counter(kAdoptedChangesTotal);
  commit_seconds = registry->Histogram(kCommitSeconds);
  version = registry->Gauge(kPlanVersion);
}

PlanWriter::PlanWriter(std::unique_ptr<PlanEditor> editor, PlanStore& store,
                       PlanBoard& board, const Clock& clock, Options options)
    : editor_(std::move(editor)),
      store_(store),
      board_(board),
      clock_(clock),
      options_(std::move(options)),
      metrics_(options_.metrics),
      queue_({options_.max_queue, options_.max_batch, kPrunePeriod},
             [this](std::vector<Job> batch) { Turn(std::move(batch)); }) {
  metrics_.version.Set(static_cast<double>(board.head().version));
}

void PlanWriter::Submit(PlanEdit edit, Done done) {
  const auto answer =
      std::make_shared<std::optional<absl::StatusOr<EditAnswer>>>();
  Job job;
  job.apply = [edit = std::move(edit), answer](PlanEditor& editor,
                                               absl::Time now) {
    *answer = editor.Apply(edit, now);
    return (*answer)->ok() ? WriteResult::kApplied : WriteResult::kRefused;
  };
  job.answer = [done = std::move(done), answer](const absl::Status& stored) {
    Settle(stored, *answer);
    done(*std::move(*answer));
  };
  Enqueue(std::move(job));
}

void PlanWriter::Submit(PlanBatch batch, BatchDone done) {
  const auto answer =
      std::make_shared<std::optional<absl::StatusOr<BatchAnswer>>>();
  Job job;
  job.apply = [batch = std::move(batch), answer](PlanEditor& editor,
                                                 absl::Time now) {
    *answer = editor.Apply(batch, now);
    const absl::StatusOr<BatchAnswer>& made = **answer;
    return made.ok() && made->faults.empty() ? WriteResult::kApplied
                                             : WriteResult::kRefused;
  };
  job.answer = [done = std::move(done), answer](const absl::Status& stored) {
    Settle(stored, *answer);
    done(*std::move(*answer));
  };
  Enqueue(std::move(job));
}

void PlanWriter::Enqueue(Job job) {
  if (queue_.Submit(job)) return;
  metrics_.writes.Increment(WriteResult::kQueueFull);
  job.answer(MakeError(absl::StatusCode::kResourceExhausted, "WRITE_QUEUE_FULL",
                       "too many writes wait: try again later"));
}

void PlanWriter::Turn(std::vector<Job> batch) {
  if (!batch.empty()) {
    Write(std::move(batch));
  } else if (store_.shared()) {
    TakeOver();
  }
  PruneAudit();
}

void PlanWriter::Write(std::vector<Job> batch) {
  // Stores keep microseconds: an answer reads the same after a restart.
  const absl::Time now = absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()));
  if (options_.edge_survey) editor_->SetEdgeSurvey(options_.edge_survey());
  std::vector<WriteResult> results;
  const MonoTime start = clock_.MonoNow();
  const absl::Status stored = store_.Commit(
      [&](const StoredUpdate& others) -> absl::StatusOr<const PlanChanges*> {
        editor_->Rollback();  // of an earlier try
        SP_RETURN_IF_ERROR(Adopt(others));
        results.clear();
        for (const Job& job : batch) {
          results.push_back(job.apply(*editor_, now));
        }
        return &editor_->pending();
      },
      now);
  if (!stored.ok()) {
    metrics_.commits.Increment(CommitResult::kFailed);
    editor_->Rollback();
    SALLYPORT_LOG_LIMITED(kError, "the store refused a commit",
                          {{"status", stored}});
  } else if (!editor_->pending().empty()) {
    metrics_.commit_seconds.Observe(
        absl::ToDoubleSeconds(clock_.MonoNow() - start));
    metrics_.commits.Increment(CommitResult::kStored);
    Publish(editor_->pending().changes, now);
    editor_->Commit();
  }
  if (std::exchange(unpublished_, false) && options_.on_published) {
    options_.on_published();
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    metrics_.writes.Increment(stored.ok() ? results[i] : WriteResult::kRefused);
    batch[i].answer(stored);
  }
}

void PlanWriter::TakeOver() {
  absl::StatusOr<StoredUpdate> others = store_.Refresh();
  const absl::Status status = others.ok() ? Adopt(*others) : others.status();
  if (!status.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "cannot see what other replicas store",
                          {{"status", status}});
  }
  if (std::exchange(unpublished_, false) && options_.on_published) {
    options_.on_published();
  }
}

absl::Status PlanWriter::Adopt(const StoredUpdate& others) {
  if (others.empty()) return absl::OkStatus();
  for (const RememberedRequest& request : others.requests) {
    editor_->Load(request);
  }
  if (others.version == 0) return absl::OkStatus();
  if (others.whole) return AdoptAll(others);
  std::map<std::string, RecordPtr> records;
  for (const StoredResource& resource : others.resources) {
    SP_ASSIGN_OR_RETURN(records[resource.name], options_.decode(resource));
  }
  std::vector<PlanChange> changes;
  changes.reserve(others.changes.size());
  for (const auto& [version, name] : others.changes) {
    // Of a name that changed more than once, the last state is that of all.
    const auto it = records.find(name);
    changes.push_back(
        {version, name, nullptr, it == records.end() ? nullptr : it->second});
  }
  editor_->Adopt(changes);
  metrics_.adopted.Add(static_cast<double>(changes.size()));
  Publish(changes, others.version_time);
  return absl::OkStatus();
}

absl::Status PlanWriter::AdoptAll(const StoredUpdate& others) {
  std::vector<RecordPtr> records;
  records.reserve(others.resources.size());
  for (const StoredResource& resource : others.resources) {
    SP_ASSIGN_OR_RETURN(RecordPtr record, options_.decode(resource));
    records.push_back(std::move(record));
  }
  editor_->Clear();
  for (RecordPtr& record : records) editor_->Load(std::move(record));
  editor_->LoadVersion(others.version);
  metrics_.adopted.Add(static_cast<double>(others.changes.size()));
  board_.Start(editor_->plan(), others.version, others.version_time,
               others.changes);
  metrics_.version.Set(static_cast<double>(others.version));
  unpublished_ = true;
  return absl::OkStatus();
}

void PlanWriter::Publish(const std::vector<PlanChange>& changes,
                         absl::Time time) {
  if (changes.empty()) return;
  board_.Publish(changes, time);
  metrics_.version.Set(static_cast<double>(changes.back().version));
  unpublished_ = true;
}

void PlanWriter::PruneAudit() {
  if (options_.audit_retention == absl::InfiniteDuration() ||
      clock_.MonoNow() < next_prune_) {
    return;
  }
  const absl::StatusOr<bool> more =
      store_.PruneAudit(clock_.Now() - options_.audit_retention);
  if (!more.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "cannot remove old audit records",
                          {{"status", more.status()}});
  }
  const bool again = more.ok() && *more;
  next_prune_ = clock_.MonoNow() + (again ? absl::Seconds(1) : kPrunePeriod);
}

}  // namespace sallyport::dialplan
