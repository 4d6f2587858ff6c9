#include "services/dialplan/core/number_walk.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/transform.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/unique_keys.h"

namespace sallyport::dialplan {
namespace {

// More than any sound plan needs, and than a call is given.
constexpr size_t kMaxSteps = 32;

// The resource that takes a number; null if none does.
class Search {
 public:
  Search(const Plan& plan, std::string_view number)
      : plan_(plan), number_(number) {}

  void LookIn(std::string_view space) {
    for (const std::string& name :
         plan_.HoldersOf(ExactPatternKey(space, number_))) {
      const RecordPtr record = plan_.Find(name);
      if (record != nullptr) Offer(*record, MatchCount(1));
    }
    for (size_t length = 0; length <= number_.size(); ++length) {
      for (const PlanRecord* record :
           plan_.WildcardsAt(WildcardPlace(EntryPattern::Table::kCalls, space,
                                           number_.substr(0, length)))) {
        OfferWildcard(*record);
      }
    }
    ++order_;
  }
  void LookAmongUsers(std::string_view tenant) {
    for (const std::string& name :
         plan_.HoldersOf(NumberKey(tenant, number_))) {
      const RecordPtr record = plan_.Find(name);
      if (record != nullptr &&
          std::holds_alternative<UserEntry>(record->entry)) {
        Offer(*record, MatchCount(1));
      }
    }
  }

  const PlanRecord* best() const { return best_; }
  const std::vector<const PlanRecord*>& all() const { return all_; }

 private:
  void OfferWildcard(const PlanRecord& record) {
    const auto written = PatternOf(record.entry);
    if (!written.has_value() || written->disabled) return;
    for (const DialPattern& pattern : plan_.PatternsOf(record)) {
      if (pattern.Matches(number_)) {
        Offer(record, pattern.CountStrings(number_.size()));
      }
    }
  }

  void Offer(const PlanRecord& record, const MatchCount& count) {
    const auto written = PatternOf(record.entry);
    if (written.has_value() && written->disabled) return;
    // Users come after all that has a pattern.
    const int rank = written.has_value() ? written->rank : 5;
    all_.push_back(&record);
    if (best_ != nullptr) {
      if (best_count_ < count) return;
      if (!(count < best_count_) &&
          std::tie(best_order_, best_rank_, best_->name()) <=
              std::tie(order_, rank, record.name())) {
        return;
      }
    }
    best_ = &record;
    best_count_ = count;
    best_order_ = order_;
    best_rank_ = rank;
  }

  const Plan& plan_;
  const std::string_view number_;
  int order_ = 0;
  std::vector<const PlanRecord*> all_;
  const PlanRecord* best_ = nullptr;
  MatchCount best_count_;
  int best_order_ = 0;
  int best_rank_ = 0;
};

Search SearchFor(const Plan& plan, std::string_view tenant,
                 const std::string& search_space, std::string_view number) {
  Search search(plan, number);
  const auto* css = plan.Get<CallingSearchSpaceEntry>(search_space);
  if (css != nullptr) {
    for (const std::string& partition : css->partitions) {
      const auto* entry = plan.Get<PartitionEntry>(partition);
      if (entry != nullptr && !entry->disabled) search.LookIn(partition);
    }
  }
  search.LookIn(tenant);
  search.LookAmongUsers(tenant);
  return search;
}

// A number to be looked up.
struct Dialled {
  std::string search_space;
  std::string number;
};

// Where a forwarded call goes; an empty number if nowhere.
Dialled ForwardedTo(const Plan& plan, std::string_view tenant,
                    const CallForward& forward, const std::string& owner_space,
                    const std::string& owner_profile) {
  if (!forward.voicemail) {
    return {forward.calling_search_space.empty() ? owner_space
                                                 : forward.calling_search_space,
            forward.number};
  }
  const auto* profile = plan.Get<VoicemailProfileEntry>(owner_profile);
  if (profile == nullptr) {
    const auto& defaults =
        plan.HoldersOf(absl::StrCat("default-profile/", AbslView(tenant)));
    if (defaults.empty()) return {};
    profile = plan.Get<VoicemailProfileEntry>(*defaults.begin());
  }
  const auto* pilot =
      profile == nullptr
          ? nullptr
          : plan.Get<VoicemailPilotEntry>(profile->voicemail_pilot);
  if (pilot == nullptr) return {};
  return {pilot->calling_search_space, pilot->number};
}

// Where `record`, which took `number`, sends the call on; false: it ends here.
bool GoesOn(const Plan& plan, const PlanRecord& record,
            const std::string& number, Dialled& dialled) {
  if (const auto* t = std::get_if<TranslationPatternEntry>(&record.entry)) {
    if (t->action == PatternAction::kBlock) return false;
    std::string made;  // `number` may be dialled.number
    for (const DialPattern& pattern : plan.PatternsOf(record)) {
      if (!pattern.Matches(number)) continue;
      made = Translated(*t, pattern, number);
      break;
    }
    dialled.number = std::move(made);
    if (!t->use_originator_search_space) {
      dialled.search_space = t->calling_search_space;
    }
    return true;
  }
  const auto* line = std::get_if<LineEntry>(&record.entry);
  if (line == nullptr || !line->forward_all.IsSet()) return false;
  dialled = ForwardedTo(plan, TenantOf(line->name), line->forward_all,
                        line->calling_search_space, line->voicemail_profile);
  return true;
}

NumberWalk Follow(const Plan& plan, std::string_view tenant, Dialled dialled,
                  NumberWalk walk) {
  for (;;) {
    if (!Number::Parse(dialled.number).ok()) return walk;
    const PlanRecord* record =
        SearchFor(plan, tenant, dialled.search_space, dialled.number).best();
    if (record == nullptr) return walk;
    const bool seen = std::any_of(
        walk.steps.begin(), walk.steps.end(), [&](const auto& step) {
          return step.record == record && step.number == dialled.number;
        });
    walk.steps.push_back({record, dialled.number, dialled.search_space});
    if (seen || walk.steps.size() > kMaxSteps) {
      walk.end = NumberWalk::End::kLoop;
      return walk;
    }
    if (!GoesOn(plan, *record, dialled.number, dialled)) {
      walk.end = NumberWalk::End::kDestination;
      return walk;
    }
  }
}

}  // namespace

bool NumberWalk::Meets(std::string_view name) const {
  return std::any_of(steps.begin(), steps.end(), [name](const Step& step) {
    return step.record->name() == name;
  });
}

std::string NumberWalk::ToString() const {
  constexpr size_t kShown = 6;
  std::string out;
  for (size_t i = 0; i < steps.size() && i < kShown; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ", ", steps[i].number, " at ",
                    steps[i].record->name());
  }
  if (steps.size() > kShown) absl::StrAppend(&out, " and so on");
  return out;
}

NumberWalk WalkNumber(const Plan& plan, std::string_view tenant,
                      const std::string& search_space,
                      const std::string& number) {
  return Follow(plan, tenant, {search_space, number}, {});
}

NumberWalk WalkTranslation(const Plan& plan, const PlanRecord& translation,
                           const std::string& caller_space,
                           const std::string& number) {
  NumberWalk walk;
  walk.steps.push_back({&translation, number, caller_space});
  Dialled dialled{caller_space, ""};
  if (!GoesOn(plan, translation, number, dialled)) {
    walk.end = NumberWalk::End::kDestination;
    return walk;
  }
  return Follow(plan, TenantOf(translation.name()), std::move(dialled),
                std::move(walk));
}

NumberWalk WalkForward(const Plan& plan, std::string_view tenant,
                       const CallForward& forward,
                       const std::string& owner_space,
                       const std::string& owner_profile) {
  return Follow(plan, tenant,
                ForwardedTo(plan, tenant, forward, owner_space, owner_profile),
                {});
}

std::vector<const PlanRecord*> MatchesOf(const Plan& plan,
                                         std::string_view tenant,
                                         const std::string& search_space,
                                         const std::string& number) {
  return SearchFor(plan, tenant, search_space, number).all();
}

std::string Translated(const TranslationPatternEntry& entry,
                       const DialPattern& pattern, const std::string& number) {
  const Transformation& change = entry.transformation;
  const std::string out =
      absl::StrCat(change.called_prefix,
                   ApplyMask(change.called_mask,
                             ApplyDiscard(change.discard, pattern, number)));
  const absl::StatusOr<Number> parsed = Number::Parse(out);
  return parsed.ok() ? parsed->text() : "";
}

std::vector<std::string> ExamplesOf(const DialPattern& pattern) {
  const auto example = [&](bool highest, size_t repeats) {
    std::string out;
    for (const PatternElement& element : pattern.elements()) {
      int symbol = -1;
      for (int i = 0; i < kDialSymbols; ++i) {
        if ((element.symbols >> i & 1) == 0) continue;
        symbol = i;
        if (!highest) break;
      }
      size_t times = 1;
      if (element.repeat == PatternElement::Repeat::kOneOrMore) {
        times = repeats;
      } else if (element.repeat == PatternElement::Repeat::kNoneOrMore) {
        times = repeats - 1;
      }
      out.append(times, DialCharOf(symbol));
    }
    return out;
  };
  std::vector<std::string> out;
  for (const bool highest : {false, true}) {
    for (const size_t repeats : {1, 3, 4, 7, 10}) {
      std::string number = example(highest, repeats);
      if (Number::Parse(number).ok() && pattern.Matches(number) &&
          std::find(out.begin(), out.end(), number) == out.end()) {
        out.push_back(std::move(number));
      }
      if (!pattern.open_ended()) break;
    }
  }
  return out;
}

}  // namespace sallyport::dialplan
