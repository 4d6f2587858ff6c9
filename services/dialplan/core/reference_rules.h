// How resources hang together: what they name, what only one may hold, and
// what may go.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_REFERENCE_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_REFERENCE_RULES_H_

#include <string>

#include "absl/status/status.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Every reference is to something that exists, of the right kind, of the same
// tenant; and so is the tenant. Pure.
void CheckReferences(const RuleContext& c, const PlanRecord& record);

// What only one resource may hold is held by no other (Plan::KeysOf). Pure.
void CheckKeys(const RuleContext& c, const std::string& name);

// Whether `record`, which is or was in `plan`, may be out of it:
// FAILED_PRECONDITION,
// reason RESOURCE_IN_USE, names those that refer to it or belong to it
// (CUC-55). Pure.
absl::Status CheckRemovable(const Plan& plan, const PlanRecord& record);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_REFERENCE_RULES_H_
