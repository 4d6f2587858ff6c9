// EvaluateChange: what a change would do, without doing it.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_CHANGE_EVALUATOR_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_CHANGE_EVALUATOR_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/evaluate_change.pb.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/edge_records.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/io/plan_writer.h"
#include "services/dialplan/rpc/job_thread.h"

namespace sallyport::dialplan {

// Asks the writer whether the rules would take the changes, all together; if
// so, routes each attempt by the plan as it is and as it would be. Both are
// one tenant, compiled apart; they share their records, so that nothing is
// copied but pointers. One evaluation runs at a time, on a thread of its own.
// Thread-safe.
class ChangeEvaluator {
 public:
  using Done = std::function<void(const absl::Status&)>;
  struct Options {
    size_t max_waiting = 16;
    // For all edges together.
    absl::Duration edge_patience = absl::Seconds(3);
    size_t max_answer_bytes = 3 << 20;
  };

  // All must outlive this object. `edges` may be null: there are none.
  ChangeEvaluator(const PlanBoard& board, PlanWriter& writer,
                  const EdgeRecords* edges, Options options);
  ChangeEvaluator(const ChangeEvaluator&) = delete;
  ChangeEvaluator& operator=(const ChangeEvaluator&) = delete;

  // `request` and `response` live until `done`. INVALID_ARGUMENT for what is
  // no change or no attempt of the tenant; FAILED_PRECONDITION, reason
  // EDGES_NOT_CONFIGURED, for recorded attempts where no edge is configured;
  // RESOURCE_EXHAUSTED, reason EVALUATIONS_WAITING, if too many wait.
  void Evaluate(const ::sallyport::dialplan::v1::EvaluateChangeRequest& request,
                ::sallyport::dialplan::v1::EvaluateChangeResponse& response,
                Done done);

 private:
  // What the changes make of resources: null where one is deleted.
  using Made = std::vector<std::pair<std::string, RecordPtr>>;
  struct Job {
    const ::sallyport::dialplan::v1::EvaluateChangeRequest* request = nullptr;
    ::sallyport::dialplan::v1::EvaluateChangeResponse* response = nullptr;
    Made made;
  };

  absl::Status Compare(const Job& job) const;

  const PlanBoard& board_;
  PlanWriter& writer_;
  const EdgeRecords* const edges_;
  const Options options_;
  JobThread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_CHANGE_EVALUATOR_H_
