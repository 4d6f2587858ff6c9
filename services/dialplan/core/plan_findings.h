// What is no fault, and most likely not meant.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FINDINGS_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FINDINGS_H_

#include <set>
#include <string>
#include <vector>

#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/rule_effort.h"

namespace sallyport::dialplan {

// What there is to say of one resource, in the words of apply_changes.proto:
// partitions that no search space shows or that are disabled, patterns that
// another one always wins over wherever they are shown, search spaces that
// nothing uses, pilots whose number nothing takes, and what an older release
// took and this one would refuse. A plan on its way to something good may have
// them, which is why they are no faults. Pure.
std::vector<NamedFault> FindingsOf(const Plan& plan, const PlanRecord& record,
                                   RuleEffort& effort);

// One resource before and after a change; either may be null.
struct PlanDifference {
  RecordPtr before;
  RecordPtr after;
};

// The resources whose findings the changes may have altered, by name; at most
// `limit`. Pure.
std::set<std::string> TouchedBy(const Plan& plan,
                                const std::vector<PlanDifference>& changes,
                                size_t limit);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FINDINGS_H_
