// No number goes round for ever.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_RULES_H_

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// ROUTING_LOOP, with a number that goes round and the way it takes. A loop is
// found for certain where a number of few examples of the patterns takes part
// in it; what is told is a loop for certain. Forwards on busy or no answer
// count where they come back to their own line or pilot: two lines that
// forward to each other when busy are no loop, as one of them rings. All pure.
void CheckTranslationLoop(const RuleContext& c,
                          const TranslationPatternEntry& entry);
void CheckLineLoops(const RuleContext& c, const LineEntry& line);
void CheckHuntPilotLoops(const RuleContext& c, const HuntPilotEntry& pilot);

// A number that nothing takes is none of its faults: what takes it may have
// lines that use the pilot, so it comes later.
void CheckPilotLoop(const RuleContext& c, const VoicemailPilotEntry& pilot);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_RULES_H_
