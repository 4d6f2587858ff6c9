// Rules of numbers, masks and patterns, wherever they stand.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_RULES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// A pattern that can be read; nothing and a fault otherwise. Pure, as the rest.
std::optional<DialPattern> CheckPattern(const RuleContext& c,
                                        const std::string& field,
                                        const std::string& pattern,
                                        const std::string& numbering_plan);

// The changes of the called side below `path` ("route_pattern.called_party"),
// and those of the calling side. `pattern` is the one that a call matched,
// which PreDot and the like work on; null if it is not known here.
void CheckCalledChange(const RuleContext& c, const std::string& path,
                       const Transformation& change,
                       const DialPattern* pattern);
void CheckCallingChange(const RuleContext& c, const std::string& path,
                        const Transformation& change);

// A number as dialled, without separators.
void CheckNumber(const RuleContext& c, const std::string& field,
                 const std::string& number);

// Where a call is forwarded. `owner` is the line or hunt pilot, `profile` the
// voicemail profile that it names, if any.
void CheckForward(const RuleContext& c, const std::string& path,
                  const CallForward& forward, std::string_view owner,
                  const std::string& profile);

// No item of a list is given twice.
void CheckDistinct(const RuleContext& c, const char* field,
                   const std::vector<std::string>& items);

// A peer that calls can be sent to; told where it is chosen, as it may be
// disabled afterwards, at once.
void CheckChosenPeer(const RuleContext& c, const std::string& field,
                     const std::string& name);

// The tenant's default voicemail profile; null if there is none.
const VoicemailProfileEntry* DefaultVoicemailProfile(const Plan& plan,
                                                     std::string_view tenant);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_RULES_H_
