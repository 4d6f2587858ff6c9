// Rules of calling search spaces and of patterns.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PATTERN_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PATTERN_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckSearchSpace(const RuleContext& c, const CallingSearchSpaceEntry& css);
void CheckRoutePattern(const RuleContext& c, const RoutePatternEntry& entry);
void CheckTranslation(const RuleContext& c,
                      const TranslationPatternEntry& entry);
void CheckCalledTransformation(const RuleContext& c,
                               const CalledPartyTransformationEntry& entry);
void CheckCallingTransformation(const RuleContext& c,
                                const CallingPartyTransformationEntry& entry);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PATTERN_RULES_H_
