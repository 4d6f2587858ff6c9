// The one thread that writes.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_WRITER_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_WRITER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/metrics/metrics.h"
#include "services/common/sql/group_commit.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/metrics_table.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/io/plan_store.h"

namespace sallyport::dialplan {

// Takes writes from any thread, applies those that wait in one go, makes them
// durable with one sync of the disk, publishes them, and only then answers
// each: so a write is acknowledged when it is durable and visible. If the
// store fails, all writes of the batch fail and nothing has changed, or, with
// STORE_OUTCOME_UNKNOWN, what has is seen with the next update. What other
// replicas store is taken over and published on the same thread. Thread-safe.
class PlanWriter {
 public:
  using Done = std::function<void(absl::StatusOr<EditAnswer>)>;
  using BatchDone = std::function<void(absl::StatusOr<BatchAnswer>)>;
  struct Options {
    size_t max_queue = 1024;  // writes that may wait
    size_t max_batch = 128;   // writes of one transaction
    // Called on the writer's thread after something was published.
    std::function<void()> on_published;
    // The record of what another replica has stored; needed if one may.
    std::function<absl::StatusOr<RecordPtr>(const StoredResource&)> decode;
    // What is known of the edges now, for the rules; may be null.
    std::function<EdgeSurvey()> edge_survey;
    // How long audit records are kept.
    absl::Duration audit_retention = absl::InfiniteDuration();
    MetricsRegistry* metrics = nullptr;  // has kDialplanMetrics; may be null
  };

  // `store`, `board` and `clock` must outlive this object; the store is used
  // by its thread alone.
  PlanWriter(std::unique_ptr<PlanEditor> editor, PlanStore& store,
             PlanBoard& board, const Clock& clock, Options options);
  // Finishes what waits.
  ~PlanWriter() = default;
  PlanWriter(const PlanWriter&) = delete;
  PlanWriter& operator=(const PlanWriter&) = delete;

  // `done` is called once, on the writer's thread; or at once, with
  // RESOURCE_EXHAUSTED, reason WRITE_QUEUE_FULL, if too many wait.
  void Submit(PlanEdit edit, Done done);
  // The same of writes that hold together or not at all.
  void Submit(PlanBatch batch, BatchDone done);

  // Another replica may have stored something: looks, soon.
  void Refresh() { queue_.Wake(); }

 private:
  struct Job {
    std::function<WriteResult(PlanEditor&, absl::Time now)> apply;
    // The second half, once it is known whether the store has it.
    std::function<void(const absl::Status& stored)> answer;
  };

  struct Metrics {
    explicit Metrics(MetricsRegistry* registry);

    CounterFamily commits;
    CounterFamily writes;
    CounterFamily adopted;
    HistogramFamily commit_seconds;
    GaugeFamily version;
  };

  void Enqueue(Job job);
  void Turn(std::vector<Job> batch);
  void Write(std::vector<Job> batch);
  void TakeOver();
  absl::Status Adopt(const StoredUpdate& others);
  absl::Status AdoptAll(const StoredUpdate& others);
  void Publish(const std::vector<PlanChange>& changes, absl::Time time);
  void PruneAudit();

  const std::unique_ptr<PlanEditor> editor_;
  PlanStore& store_;
  PlanBoard& board_;
  const Clock& clock_;
  const Options options_;
  const Metrics metrics_;
  bool unpublished_ = false;  // published, and nobody told
  MonoTime next_prune_ = MonoTime::InfinitePast();
  GroupCommit<Job> queue_;  // last: its thread uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_WRITER_H_
