// Rules of what a pattern leads to, and of who may dial it.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_ROUTE_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_ROUTE_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckRouteList(const RuleContext& c, const RouteListEntry& list);
void CheckServerGroup(const RuleContext& c, const ServerGroupEntry& group);
void CheckRestriction(const RuleContext& c,
                      const DiallingRestrictionEntry& restriction);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_ROUTE_RULES_H_
