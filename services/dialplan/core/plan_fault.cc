#include "services/dialplan/core/plan_fault.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport::dialplan {

absl::Status ToStatus(const PlanFaults& faults) {
  if (faults.empty()) return absl::OkStatus();
  std::vector<FieldViolation> violations;
  for (const PlanFault& fault : faults) {
    violations.push_back(
        {fault.field, absl::StrCat(fault.reason, ": ", fault.description)});
  }
  const std::string message =
      faults.size() == 1
          ? absl::StrCat(faults[0].field, ": ", faults[0].description)
          : absl::StrCat(faults.size(), " faults, the first at ",
                         faults[0].field, ": ", faults[0].description);
  return MakeError(absl::StatusCode::kInvalidArgument,
                   faults.size() == 1 ? std::string_view(faults[0].reason)
                                      : std::string_view("PLAN_INVALID"),
                   message, violations);
}

}  // namespace sallyport::dialplan
