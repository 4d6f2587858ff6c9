// Rules of tenants and dial plans.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_TENANT_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_TENANT_RULES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure. A tenant or dial plan is blamed for those whom its change would strand.
void CheckTenant(const RuleContext& c, const TenantEntry& tenant);
void CheckDialPlan(const RuleContext& c, const DialPlanEntry& plan);

// What a tenant has of what TenantLimits bounds. Pure.
size_t CountPeers(const Plan& plan, std::string_view tenant);
size_t CountPatterns(const Plan& plan, std::string_view tenant);

// Of one more peer or pattern: whether its tenant may have it. Pure.
void CheckLimitsOfTenant(const RuleContext& c, const std::string& name);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_TENANT_RULES_H_
