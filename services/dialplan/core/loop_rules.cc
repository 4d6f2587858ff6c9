#include "services/dialplan/core/loop_rules.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/loop_search.h"
#include "services/dialplan/core/number_walk.h"
#include "services/dialplan/core/unique_keys.h"

namespace sallyport::dialplan {
namespace {

// Search spaces that a translation is looked at in, so that a write costs the
// same in a plan of any size.
constexpr size_t kMaxSpaces = 8;

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

namespace {

// Looks for loops through translations, as far as the effort suffices.
// Thread-compatible.
class TranslationLoops {
 public:
  TranslationLoops(const RuleContext& c, std::string resource,
                   std::string field)
      : c_(c),
        resource_(std::move(resource)),
        field_(std::move(field)),
        effort_(c.effort == nullptr ? own_ : *c.effort),
        budget_(effort_.Take()) {}
  ~TranslationLoops() {
    effort_.GiveBack(budget_);
    if (complete_ || c_.effort == nullptr) return;
    c_.effort->unchecked.push_back(
        {resource_,
         {field_, "ROUTING_LOOP_NOT_CHECKED",
          "whether numbers go round was not found out: there are too many "
          "patterns on their way"}});
  }
  TranslationLoops(const TranslationLoops&) = delete;
  TranslationLoops& operator=(const TranslationLoops&) = delete;

  // False: a loop was told. `through`: only one that comes by a number of this
  // pattern counts.
  bool Check(const PlanRecord& translation, const std::string& space,
             const EntryPattern* through = nullptr) {
    if (budget_.left == 0) {
      complete_ = false;
      return true;
    }
    const LoopAnswer answer = FindLoop(c_.plan, translation, space, budget_);
    complete_ = complete_ && answer.complete;
    if (!answer.loop.has_value() ||
        (through != nullptr && !ComesBy(*answer.loop, *through))) {
      return true;
    }
    c_.Add(field_, "ROUTING_LOOP",
           absl::StrCat("the call would go round: ", answer.loop->ToString()));
    return false;
  }

  // The translations of a partition, as one who has `space` reaches them.
  bool CheckAllIn(std::string_view partition, const std::string& space,
                  const EntryPattern* through = nullptr) {
    bool good = true;
    const auto check = [&](const PlanRecord& record) {
      if (!std::holds_alternative<TranslationPatternEntry>(record.entry)) {
        return budget_.Spend(kLookSteps);
      }
      good = Check(record, space, through);
      return good && complete_;
    };
    c_.plan.ForEachWildcardUnder(
        WildcardPlace(EntryPattern::Table::kCalls, partition, ""), check);
    if (!good || !complete_) return good;
    c_.plan.ForEachExactUnder(
        WildcardPlace(EntryPattern::Table::kCalls, partition, ""), check);
    if (budget_.left == 0) complete_ = false;
    return good;
  }

 private:
  static constexpr size_t kLookSteps = 20;

  static bool ComesBy(const NumberWalk& walk, const EntryPattern& pattern) {
    const auto patterns = ParsePatterns(pattern.text, pattern.numbering_plan);
    return patterns.ok() &&
           std::any_of(walk.steps.begin(), walk.steps.end(),
                       [&](const NumberWalk::Step& step) {
                         return std::any_of(patterns->begin(), patterns->end(),
                                            [&](const DialPattern& one) {
                                              return one.Matches(step.number);
                                            });
                       });
  }

  const RuleContext& c_;
  const std::string resource_;
  const std::string field_;
  RuleEffort own_;
  RuleEffort& effort_;
  CoverBudget budget_;
  bool complete_ = true;
};

bool HasTranslations(const Plan& plan, std::string_view tenant) {
  constexpr size_t kTranslation = 12;
  static_assert(
      std::is_same_v<std::variant_alternative_t<kTranslation, PlanEntry>,
                     TranslationPatternEntry>);
  return plan.CountOf(tenant, kTranslation) != 0;
}

// The search spaces that show a partition, at most kMaxSpaces.
std::vector<const CallingSearchSpaceEntry*> SpacesWith(
    const Plan& plan, const std::string& partition) {
  std::vector<const CallingSearchSpaceEntry*> out;
  const std::string prefix =
      std::string(TenantOf(partition)) + "/callingSearchSpaces/";
  const auto& all = plan.ReferrersOf(partition);
  for (auto it = all.lower_bound(prefix);
       it != all.end() && it->compare(0, prefix.size(), prefix) == 0 &&
       out.size() < kMaxSpaces;
       ++it) {
    if (const auto* css = plan.Get<CallingSearchSpaceEntry>(*it)) {
      out.push_back(css);
    }
  }
  return out;
}

// In which search spaces numbers meet a pattern; "" is the null partition
// alone, which all of them see.
std::vector<std::string> SpacesThatSee(const Plan& plan,
                                       const EntryPattern& pattern,
                                       std::string_view tenant) {
  std::vector<std::string> out;
  if (!pattern.partition.empty()) {
    for (const auto* css : SpacesWith(plan, std::string(pattern.partition))) {
      out.push_back(css->name);
    }
    return out;
  }
  out.emplace_back();
  const std::string prefix = std::string(tenant) + "/callingSearchSpaces/";
  for (auto it = plan.records().lower_bound(prefix);
       it != plan.records().end() && out.size() <= kMaxSpaces &&
       it->first.compare(0, prefix.size(), prefix) == 0;
       ++it) {
    out.push_back(it->first);
  }
  return out;
}

}  // namespace

void CheckTranslationLoop(const RuleContext& c,
                          const TranslationPatternEntry& entry) {
  const RecordPtr record = c.plan.Find(entry.name);
  if (record == nullptr || entry.disabled) return;
  TranslationLoops loops(c, entry.name, "translation_pattern.called_party");
  for (const std::string& space : CallerSpaces(c.plan, entry)) {
    if (!loops.Check(*record, space)) return;
  }
}

void CheckSearchSpaceLoops(const RuleContext& c,
                           const CallingSearchSpaceEntry& css) {
  const auto* old = c.Before<CallingSearchSpaceEntry>();
  if (old == nullptr || old->partitions == css.partitions ||
      !HasTranslations(c.plan, TenantOf(css.name))) {
    return;  // nothing has called by a new one yet
  }
  TranslationLoops loops(c, css.name, "calling_search_space.partitions");
  for (const std::string& partition : css.partitions) {
    if (!loops.CheckAllIn(partition, css.name)) return;
  }
  loops.CheckAllIn(TenantOf(css.name), css.name);
}

void CheckPartitionLoops(const RuleContext& c,
                         const PartitionEntry& partition) {
  const auto* old = c.Before<PartitionEntry>();
  if (old == nullptr || old->disabled == partition.disabled ||
      !HasTranslations(c.plan, TenantOf(partition.name))) {
    return;
  }
  TranslationLoops loops(c, partition.name, "partition.disabled");
  for (const auto* css : SpacesWith(c.plan, partition.name)) {
    // Shown again it sends calls on; disabled, it no longer takes what others
    // send on.
    for (const std::string& shown : css->partitions) {
      if ((partition.disabled || shown == partition.name) &&
          !loops.CheckAllIn(shown, css->name)) {
        return;
      }
    }
  }
}

void CheckLoopsWithout(const RuleContext& c, const PlanEntry& before,
                       const std::string& field) {
  const auto pattern = PatternOf(before);
  const std::string& name = NameOf(before);
  if (!pattern.has_value() || pattern->disabled ||
      pattern->table != EntryPattern::Table::kCalls ||
      !HasTranslations(c.plan, TenantOf(name))) {
    return;
  }
  const std::vector<std::string> spaces =
      SpacesThatSee(c.plan, *pattern, TenantOf(name));
  // Of one number it is enough to see where that goes now.
  const std::string number = NumberOfDirectory(pattern->text);
  if (!number.empty()) {
    for (const std::string& space : spaces) {
      const NumberWalk walk = WalkNumber(c.plan, TenantOf(name), space, number);
      if (walk.end == NumberWalk::End::kLoop && GoesRound(c.plan, walk)) {
        c.Add(field, "ROUTING_LOOP",
              absl::StrCat("the call would go round: ", walk.ToString()));
        return;
      }
    }
    return;
  }
  TranslationLoops loops(c, name, field);
  for (const std::string& space : spaces) {
    const auto* css = c.plan.Get<CallingSearchSpaceEntry>(space);
    if (css != nullptr) {
      for (const std::string& partition : css->partitions) {
        if (!loops.CheckAllIn(partition, space, &*pattern)) return;
      }
    }
    if (!loops.CheckAllIn(TenantOf(name), space, &*pattern)) return;
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
