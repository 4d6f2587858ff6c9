#include "services/dialplan/io/plan_writer.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/mono_time.h"
#include "services/dialplan/io/metrics_table.h"

namespace sallyport::dialplan {
namespace {

// What is answered when the store has failed, or nothing was ever applied.
template <typename Answer>
void Settle(const absl::Status& stored,
            std::optional<absl::StatusOr<Answer>>& answer) {
  if (!answer.has_value() || (answer->ok() && !stored.ok())) answer = stored;
}

}  // namespace

PlanWriter::PlanWriter(std::unique_ptr<PlanEditor> editor, PlanStore& store,
                       PlanBoard& board, const Clock& clock, Options options)
    : editor_(std::move(editor)),
      store_(store),
      board_(board),
      clock_(clock),
      options_(std::move(options)) {
  if (options_.metrics != nullptr) {
    commits_ = options_.metrics->Counter(kCommitsTotal);
    writes_ = options_.metrics->Counter(kWritesTotal);
    commit_seconds_ = options_.metrics->Histogram(kCommitSeconds);
    version_ = options_.metrics->Gauge(kPlanVersion);
    version_.Set(static_cast<double>(editor_->version()));
  }
  thread_ = std::thread([this] { Run(); });
}

PlanWriter::~PlanWriter() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
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
  {
    absl::MutexLock lock(&mutex_);
    if (queue_.size() < options_.max_queue && !stopping_) {
      queue_.push_back(std::move(job));
      return;
    }
  }
  writes_.Increment(WriteResult::kQueueFull);
  job.answer(MakeError(absl::StatusCode::kResourceExhausted, "WRITE_QUEUE_FULL",
                       "too many writes wait: try again later"));
}

void PlanWriter::Run() {
  for (;;) {
    std::vector<Job> batch;
    {
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !queue_.empty() || stopping_;
      };
      absl::MutexLock lock(&mutex_, absl::Condition(&ready));
      if (queue_.empty()) return;
      while (!queue_.empty() && batch.size() < options_.max_batch) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    Write(std::move(batch));
  }
}

void PlanWriter::Write(std::vector<Job> batch) {
  // Stores keep microseconds: an answer reads the same after a restart.
  const absl::Time now = absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()));
  std::vector<WriteResult> results;
  results.reserve(batch.size());
  for (const Job& job : batch) results.push_back(job.apply(*editor_, now));

  absl::Status stored;
  bool published = false;
  if (!editor_->pending().empty()) {
    const MonoTime start = clock_.MonoNow();
    stored = store_.Commit(editor_->pending(), now);
    commit_seconds_.Observe(absl::ToDoubleSeconds(clock_.MonoNow() - start));
    commits_.Increment(stored.ok() ? CommitResult::kStored
                                   : CommitResult::kFailed);
    if (stored.ok()) {
      published = !editor_->pending().changes.empty();
      board_.Publish(editor_->pending().changes, now);
      editor_->Commit();
      version_.Set(static_cast<double>(editor_->version()));
    } else {
      editor_->Rollback();
      SALLYPORT_LOG_LIMITED(kError, "the store refused a commit",
                            {{"status", stored}});
    }
  }
  if (published && options_.on_published) options_.on_published();
  for (size_t i = 0; i < batch.size(); ++i) {
    writes_.Increment(stored.ok() ? results[i] : WriteResult::kRefused);
    batch[i].answer(stored);
  }
}

}  // namespace sallyport::dialplan
