// Work with durable changes in between, that keeps no thread while it waits.

#ifndef SALLYPORT_SERVICES_CAPF_IO_LEDGER_STEP_H_
#define SALLYPORT_SERVICES_CAPF_IO_LEDGER_STEP_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/work_pool.h"

namespace sallyport::capf {

// A change, and what follows on it. A value.
struct LedgerStep {
  // Null: nothing is left to do.
  std::shared_ptr<StoreChange> change;
  // Called once, with what became of the change, as Ledger::Apply() has it.
  std::function<LedgerStep(const absl::Status&)> then;
};

// What follows on an answer.
template <typename Answer>
using Then = std::function<LedgerStep(Answer)>;

inline LedgerStep Commit(StoreChange change,
                         std::function<LedgerStep(const absl::Status&)> then) {
  return {std::make_shared<StoreChange>(std::move(change)), std::move(then)};
}

// Keeps the answer of the last step for who takes them all.
template <typename Answer>
Then<Answer> Into(Answer& out) {
  return [&out](Answer answer) {
    out = std::move(answer);
    return LedgerStep();
  };
}

// Takes all steps on this thread, which waits for each change.
void TakeSteps(Ledger& ledger, LedgerStep step);

// Takes the rest of the steps on threads of `pool`, none of which waits. The
// pool's Stop() waits for the last step; the pool must outlive the ledger's
// thread, and the ledger the steps.
void TakeStepsOn(WorkPool& pool, Ledger& ledger, LedgerStep step);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_LEDGER_STEP_H_
