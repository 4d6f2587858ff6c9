#include "services/dialplan/core/hunt_rules.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/dialplan/core/number_rules.h"

namespace sallyport::dialplan {
namespace {

bool HuntsInOrder(HuntAlgorithm algorithm) {
  return algorithm == HuntAlgorithm::kTopDown ||
         algorithm == HuntAlgorithm::kCircular;
}

}  // namespace

std::vector<std::string> PhonesOfLine(const Plan& plan,
                                      const std::string& line) {
  std::vector<std::string> out;
  for (const std::string& referrer : plan.ReferrersOf(line)) {
    if (plan.Get<PhoneEntry>(referrer) != nullptr) out.push_back(referrer);
  }
  return out;
}

void CheckLineGroup(const RuleContext& c, const LineGroupEntry& group) {
  CheckDistinct(c, "line_group.lines", group.lines);
  if (group.algorithm == HuntAlgorithm::kBroadcast) {
    for (size_t i = 0; i < group.lines.size(); ++i) {
      if (PhonesOfLine(c.plan, group.lines[i]).size() > 1) {
        c.Add(ItemPath("line_group.lines", i), "LINE_SHARED",
              "several phones have it: a shared line cannot be broadcast to");
      }
    }
  }
  // "For voicemail ports use Top Down or Circular."
  if (HuntsInOrder(group.algorithm)) return;
  for (const std::string& referrer : c.plan.ReferrersOf(group.name)) {
    const HuntListEntry* list = c.plan.Get<HuntListEntry>(referrer);
    if (c.plan.Get<VoicemailPortGroupEntry>(referrer) != nullptr ||
        (list != nullptr && list->for_voicemail)) {
      c.Add("line_group.algorithm", "VOICEMAIL_HUNT_ALGORITHM",
            absl::StrCat(referrer,
                         " hunts voicemail ports by it: TOP_DOWN or CIRCULAR"));
    }
  }
}

void CheckHuntList(const RuleContext& c, const HuntListEntry& list) {
  CheckDistinct(c, "hunt_list.line_groups", list.line_groups);
  if (!list.for_voicemail) return;
  for (size_t i = 0; i < list.line_groups.size(); ++i) {
    const LineGroupEntry* group =
        c.plan.Get<LineGroupEntry>(list.line_groups[i]);
    if (group != nullptr && !HuntsInOrder(group->algorithm)) {
      c.Add(ItemPath("hunt_list.line_groups", i), "VOICEMAIL_HUNT_ALGORITHM",
            "voicemail ports are hunted TOP_DOWN or CIRCULAR");
    }
  }
}

void CheckHuntPilot(const RuleContext& c, const HuntPilotEntry& pilot) {
  const std::optional<DialPattern> pattern =
      CheckPattern(c, "hunt_pilot.pattern", pilot.pattern, "");
  CheckCalledChange(c, "hunt_pilot.called_party", pilot.transformation,
                    pattern.has_value() ? &*pattern : nullptr);
  CheckCallingChange(c, "hunt_pilot.calling_party", pilot.transformation);
  if (pilot.hunt_list.empty()) {
    c.Add("hunt_pilot.hunt_list", "VALUE_REQUIRED", "name a hunt list");
  }
  CheckForward(c, "hunt_pilot.forward_busy", pilot.forward_busy, pilot.name,
               "");
  CheckForward(c, "hunt_pilot.forward_no_answer", pilot.forward_no_answer,
               pilot.name, "");
}

}  // namespace sallyport::dialplan
