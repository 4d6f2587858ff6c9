// No number goes round for ever.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_RULES_H_

#include <string>

#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// ROUTING_LOOP, with a number that goes round and the way it takes: a loop for
// certain. Loops of translations are looked for among sets of numbers
// (loop_search.h), as far as `c.effort` suffices: what was not looked at is
// told there as ROUTING_LOOP_NOT_CHECKED. Forwards on busy or no answer count
// where they come back to their own line or pilot: two lines that forward to
// each other when busy are no loop, as one of them rings. All pure.
void CheckTranslationLoop(const RuleContext& c,
                          const TranslationPatternEntry& entry);
void CheckLineLoops(const RuleContext& c, const LineEntry& line);
void CheckHuntPilotLoops(const RuleContext& c, const HuntPilotEntry& pilot);

// A number that nothing takes is none of its faults: what takes it may have
// lines that use the pilot, so it comes later.
void CheckPilotLoop(const RuleContext& c, const VoicemailPilotEntry& pilot);

// What a search space shows from now on.
void CheckSearchSpaceLoops(const RuleContext& c,
                           const CallingSearchSpaceEntry& css);
// A partition that was disabled is seen again.
void CheckPartitionLoops(const RuleContext& c, const PartitionEntry& partition);

// What `before` took, which is gone or takes less now, goes on to others.
// `field` is where that is told.
void CheckLoopsWithout(const RuleContext& c, const PlanEntry& before,
                       const std::string& field);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_LOOP_RULES_H_
