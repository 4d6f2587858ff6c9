// The rules of a plan, checked when it is written.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_CHECKER_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_CHECKER_H_

#include <string>

#include "absl/status/status.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/rule_effort.h"

namespace sallyport::dialplan {

// Everything that is wrong with `name`, which has just been put into `plan` in
// the place of `before` (null: it is new), and with what depends on it: a dial
// plan is blamed for the peers that its new mode would strand. Faults of its
// shape come first. `effort` is shared by writes that are made together; null:
// it is the only one. Pure.
PlanFaults CheckWritten(const Plan& plan, const std::string& name,
                        const PlanRecord* before, RuleEffort* effort = nullptr);

// Whether `record`, which is out of `plan` now, may be: CheckRemovable, and
// FAILED_PRECONDITION, reason ROUTING_LOOP, where it ended a loop. Pure.
absl::Status CheckRemoved(const Plan& plan, const PlanRecord& record,
                          RuleEffort* effort = nullptr);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_CHECKER_H_
