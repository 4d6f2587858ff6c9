// Rules of TLS contexts (IMP-40 to IMP-43).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_TLS_CONTEXT_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_TLS_CONTEXT_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// A context, as it is configured. A peer is selected in one at most, be it
// configured or in force. Pure.
void CheckTlsContext(const RuleContext& c, const TlsContextEntry& context);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_TLS_CONTEXT_RULES_H_
