// Steps of the procedures that switch FIPS mode (IMP-69, IMP-72).

#ifndef SALLYPORT_SERVICES_CAPF_IO_FIPS_STEPS_H_
#define SALLYPORT_SERVICES_CAPF_IO_FIPS_STEPS_H_

#include "absl/status/statusor.h"
#include "services/capf/core/procedure.h"
#include "services/capf/io/fips_mode.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/procedure_outcome.h"

namespace sallyport::capf {

// Thread-compatible.
class FipsSteps {
 public:
  // Both must outlive this object.
  FipsSteps(Ledger& ledger, const FipsMode& fips)
      : ledger_(ledger), fips_(fips) {}

  // kRunSelfTests, kCheckAllowed, kStoreMode and kAwaitMode.
  absl::StatusOr<StepOutcome> Perform(const Procedure& procedure,
                                      ProcedureAction action);

 private:
  absl::StatusOr<StepOutcome> CheckAllowed();

  Ledger& ledger_;
  const FipsMode& fips_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_FIPS_STEPS_H_
