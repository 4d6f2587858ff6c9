#include "services/capf/io/fips_steps.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/capf/io/fips_keys.h"
#include "services/common/fips/fips_self_test.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::StatusOr<StepOutcome> FipsSteps::Perform(const Procedure& procedure,
                                               ProcedureAction action) {
  using Action = ProcedureAction;
  switch (action) {
    case Action::kRunSelfTests: {
      const std::vector<SelfTest> tests = RunSelfTests();
      const std::string failed = FailedTests(tests);
      StepOutcome out;
      if (!failed.empty()) out.blocked = "SELF_TEST_FAILED: " + failed;
      out.detail = absl::StrCat(tests.size(), " tests passed; ", ModuleName());
      return out;
    }
    case Action::kCheckAllowed:
      return CheckAllowed();
    case Action::kStoreMode: {
      const bool on = procedure.kind == ProcedureKind::kEnableFipsMode;
      if (on) {
        // Somebody may have set something meanwhile.
        SP_ASSIGN_OR_RETURN(StepOutcome still, CheckAllowed());
        if (!still.blocked.empty()) return still;
      }
      StepOutcome out;
      out.change.set_fips_mode = on ? FipsModeValue(ledger_.clock().Now()) : 0;
      out.restart = true;
      out.detail = "the service ends, to be started again";
      return out;
    }
    case Action::kAwaitMode: {
      const bool on = procedure.kind == ProcedureKind::kEnableFipsMode;
      StepOutcome out;
      if (fips_.on != on) {
        out.blocked =
            "RESTART_REQUIRED: this process runs in the mode of "
            "before";
      } else if (on && !fips_.self_tests_passed) {
        out.blocked = "SELF_TEST_FAILED";
      } else {
        out.detail = absl::StrCat("FIPS mode is ", on ? "on" : "off", "; ",
                                  ModuleName());
        // What was made until now may have been made outside of it.
        if (on) {
          out.change.set_fips_mode = FipsModeValue(ledger_.clock().Now());
        }
      }
      return out;
    }
    default:
      return absl::InternalError("no step of FIPS mode");
  }
}

absl::StatusOr<StepOutcome> FipsSteps::CheckAllowed() {
  std::vector<std::string> found = fips_.forbidden_settings;
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> stored,
                      ForbiddenInStore(ledger_.store()));
  found.insert(found.end(), stored.begin(), stored.end());
  StepOutcome out;
  if (!found.empty()) {
    out.blocked = "NOT_ALLOWED_IN_FIPS_MODE: " + absl::StrJoin(found, "; ");
  }
  out.detail = "nothing forbidden is in use";
  return out;
}

}  // namespace sallyport::capf
