#include "services/dialplan/core/loop_rules.h"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/number_walk.h"

namespace sallyport::dialplan {
namespace {

// What is looked at of a tenant's translations and search spaces, so that a
// write costs the same in a plan of any size.
constexpr size_t kMaxOthers = 256;
constexpr size_t kMaxSpaces = 8;

// Numbers that `pattern` takes and that other translations make.
void AddNumbersOfOthers(const Plan& plan, const TranslationPatternEntry& entry,
                        const DialPattern& pattern,
                        std::vector<std::string>& out) {
  const std::string prefix =
      std::string(TenantOf(entry.name)) + "/translationPatterns/";
  size_t seen = 0;
  for (auto it = plan.records().lower_bound(prefix);
       it != plan.records().end() && seen < kMaxOthers &&
       it->first.compare(0, prefix.size(), prefix) == 0;
       ++it, ++seen) {
    const auto* other =
        std::get_if<TranslationPatternEntry>(&it->second->entry);
    if (other == nullptr || other->disabled) continue;
    const absl::StatusOr<DialPattern> parsed =
        DialPattern::Parse(other->pattern);
    if (!parsed.ok()) continue;
    for (const std::string& example : ExamplesOf(*parsed)) {
      std::string made = Translated(*other, *parsed, example);
      if (!made.empty() && pattern.Matches(made)) out.push_back(made);
    }
  }
}

// As whom a translation that looks up as its caller is reached.
std::vector<std::string> CallerSpaces(const Plan& plan,
                                      const TranslationPatternEntry& entry) {
  std::vector<std::string> out;
  if (!entry.use_originator_search_space || entry.partition.empty()) {
    out.push_back("");
  }
  for (const std::string& referrer : plan.ReferrersOf(entry.partition)) {
    if (!entry.use_originator_search_space || out.size() == kMaxSpaces) break;
    if (plan.Get<CallingSearchSpaceEntry>(referrer) != nullptr) {
      out.push_back(referrer);
    }
  }
  return out;
}

void CheckForwardLoop(const RuleContext& c, const std::string& path,
                      const CallForward& forward, const std::string& owner,
                      const std::string& space, const std::string& profile) {
  if (!forward.IsSet()) return;
  const NumberWalk walk =
      WalkForward(c.plan, TenantOf(owner), forward, space, profile);
  if (walk.end == NumberWalk::End::kLoop || walk.Meets(owner)) {
    c.Add(path + (forward.voicemail ? ".voicemail" : ".number"), "ROUTING_LOOP",
          absl::StrCat("the call would go round: ", walk.ToString()));
  }
}

}  // namespace

void CheckTranslationLoop(const RuleContext& c,
                          const TranslationPatternEntry& entry) {
  const RecordPtr record = c.plan.Find(entry.name);
  const absl::StatusOr<DialPattern> pattern = DialPattern::Parse(entry.pattern);
  if (record == nullptr || !pattern.ok() || entry.disabled) return;
  std::vector<std::string> numbers = ExamplesOf(*pattern);
  AddNumbersOfOthers(c.plan, entry, *pattern, numbers);
  for (const std::string& space : CallerSpaces(c.plan, entry)) {
    for (const std::string& number : numbers) {
      const NumberWalk walk = WalkTranslation(c.plan, *record, space, number);
      if (walk.end != NumberWalk::End::kLoop) continue;
      c.Add("translation_pattern.called_party", "ROUTING_LOOP",
            absl::StrCat("the call would go round: ", walk.ToString()));
      return;
    }
  }
}

void CheckLineLoops(const RuleContext& c, const LineEntry& line) {
  const auto check = [&](const char* path, const CallForward& forward) {
    CheckForwardLoop(c, path, forward, line.name, line.calling_search_space,
                     line.voicemail_profile);
  };
  check("line.forward_all", line.forward_all);
  check("line.forward_busy", line.forward_busy);
  check("line.forward_no_answer", line.forward_no_answer);
  check("line.forward_unregistered", line.forward_unregistered);
}

void CheckHuntPilotLoops(const RuleContext& c, const HuntPilotEntry& pilot) {
  CheckForwardLoop(c, "hunt_pilot.forward_busy", pilot.forward_busy, pilot.name,
                   "", "");
  CheckForwardLoop(c, "hunt_pilot.forward_no_answer", pilot.forward_no_answer,
                   pilot.name, "", "");
}

void CheckPilotLoop(const RuleContext& c, const VoicemailPilotEntry& pilot) {
  const NumberWalk walk = WalkNumber(c.plan, TenantOf(pilot.name),
                                     pilot.calling_search_space, pilot.number);
  if (walk.end != NumberWalk::End::kLoop) return;
  c.Add("voicemail_pilot.number", "ROUTING_LOOP",
        absl::StrCat("the call would go round: ", walk.ToString()));
}

}  // namespace sallyport::dialplan
