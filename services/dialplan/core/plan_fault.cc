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
  violations.reserve(faults.size());
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

PlanFaults FaultsOf(const absl::Status& status) {
  PlanFaults out;
  if (status.ok()) return out;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    const size_t colon = violation.description.find(": ");
    const std::string head = violation.description.substr(0, colon);
    const bool has_reason =
        colon != std::string::npos &&
        head.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
            std::string::npos;
    out.push_back({violation.field, has_reason ? head : ReasonOf(status),
                   has_reason ? violation.description.substr(colon + 2)
                              : violation.description});
  }
  if (out.empty()) {
    out.push_back(
        {"", ReasonOf(status),
         std::string(status.message().data(), status.message().size())});
  }
  return out;
}

}  // namespace sallyport::dialplan
