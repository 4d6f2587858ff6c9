#include "services/capf/io/ledger_step.h"

#include <utility>

namespace sallyport::capf {

void TakeSteps(Ledger& ledger, LedgerStep step) {
  while (step.change != nullptr) {
    const absl::Status status = ledger.Apply(*step.change);
    step = step.then(status);
  }
}

void TakeStepsOn(WorkPool& pool, Ledger& ledger, LedgerStep step) {
  if (step.change == nullptr) return;
  pool.Expect();
  ledger.ApplyAsync(std::move(step.change),
                    [&pool, &ledger,
                     then = std::move(step.then)](const absl::Status& status) {
                      // Not on the ledger's thread: what follows may take long.
                      pool.Continue([&pool, &ledger, then, status] {
                        TakeStepsOn(pool, ledger, then(status));
                      });
                    });
}

}  // namespace sallyport::capf
