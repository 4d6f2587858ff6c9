#include "services/dialplan/core/cover_rules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/unique_keys.h"

namespace sallyport::dialplan {
namespace {

using State = CoverAnswer::State;

constexpr int kRankOfUsers = 5;
constexpr size_t kNamed = 4;
// What looking at another pattern costs, in steps of a search.
constexpr size_t kLookSteps = 200;
constexpr size_t kCountSteps = 20;

// All that competes with one pattern in some spaces. Thread-compatible.
class Rivals final : public CoverSource {
 public:
  Rivals(const Plan& plan, const PlanRecord& subject,
         const EntryPattern& pattern, const CoverQuery& query)
      : plan_(plan),
        name_(subject.name()),
        pattern_(pattern),
        query_(query),
        tenant_(TenantOf(subject.name())) {
    const std::string_view own = SpaceOf(pattern, name_);
    own_place_ = static_cast<size_t>(
        std::find(query.spaces.begin(), query.spaces.end(), own) -
        query.spaces.begin());
  }

  bool AnyBelow(std::string_view digits) const override {
    for (const std::string& space : query_.spaces) {
      if (plan_.HasWildcardsUnder(
              WildcardPlace(pattern_.table, space, digits)) ||
          plan_.HasHoldersUnder(
              PatternKeyPrefix(pattern_.table, space, digits)) ||
          (SeesUsersOf(space) &&
           plan_.HasHoldersUnder(NumberKey(tenant_, digits)))) {
        return true;
      }
    }
    return false;
  }

  void ForEachAt(std::string_view digits, Visit visit) const override {
    for (size_t place = 0; place < query_.spaces.size(); ++place) {
      for (const PlanRecord* record : plan_.WildcardsAt(
               WildcardPlace(pattern_.table, query_.spaces[place], digits))) {
        const auto other = Competing(*record);
        if (!other.has_value()) continue;
        const auto& patterns = plan_.PatternsOf(*record);
        if (patterns.empty()) continue;
        const bool wins = WinsTies(place, other->rank, record->name());
        const auto id = static_cast<uint32_t>(names_.size());
        names_.push_back(record->name());
        for (const DialPattern& pattern : patterns) visit(pattern, wins, id);
      }
    }
  }

  Exact ExactAt(std::string_view number, uint32_t* id) const override {
    Exact out = Exact::kNone;
    const auto take = [&](size_t place, int rank, const std::string& name) {
      const bool wins = WinsTies(place, rank, name);
      if (out == Exact::kWinsTies || (out != Exact::kNone && !wins)) return;
      out = wins ? Exact::kWinsTies : Exact::kLosesTies;
      *id = static_cast<uint32_t>(names_.size());
      names_.push_back(name);
    };
    for (size_t place = 0; place < query_.spaces.size(); ++place) {
      const std::string& space = query_.spaces[place];
      for (const std::string& name :
           plan_.HoldersOf(ExactPatternKey(pattern_.table, space, number))) {
        const RecordPtr record = plan_.Find(name);
        if (record == nullptr) continue;
        const auto other = Competing(*record);
        if (other.has_value()) take(place, other->rank, name);
      }
      if (!SeesUsersOf(space)) continue;
      for (const std::string& name :
           plan_.HoldersOf(NumberKey(tenant_, number))) {
        if (plan_.Get<UserEntry>(name) != nullptr) {
          take(place, kRankOfUsers, name);
        }
      }
    }
    return out;
  }

  const std::string& NameOf(uint32_t id) const { return names_[id]; }

 private:
  bool SeesUsersOf(std::string_view space) const {
    return query_.with_numbers && space == tenant_ &&
           pattern_.table == EntryPattern::Table::kCalls;
  }

  std::optional<EntryPattern> Competing(const PlanRecord& record) const {
    if (record.name() == name_ || record.name() == query_.without) {
      return std::nullopt;
    }
    auto other = PatternOf(record.entry);
    if (!other.has_value() || other->disabled ||
        (other->is_number && !query_.with_numbers)) {
      return std::nullopt;
    }
    return other;
  }

  bool WinsTies(size_t place, int rank, const std::string& name) const {
    return std::tie(place, rank, name) <
           std::tie(own_place_, pattern_.rank, name_);
  }

  const Plan& plan_;
  const std::string& name_;
  const EntryPattern& pattern_;
  const CoverQuery& query_;
  const std::string_view tenant_;
  size_t own_place_;
  mutable std::vector<std::string> names_;  // by id
};

CoverQuery OwnPartition(const EntryPattern& pattern, const std::string& name) {
  CoverQuery out;
  out.spaces.emplace_back(SpaceOf(pattern, name));
  return out;
}

// Whether `other` can win over one of `patterns` for some length.
bool MayTakeFrom(const std::vector<DialPattern>& other,
                 const std::vector<DialPattern>& patterns,
                 CoverBudget& budget) {
  for (const DialPattern& p : patterns) {
    for (const DialPattern& o : other) {
      for (size_t length =
               std::max<size_t>({1, p.min_length(), o.min_length()});
           length <= kMaxNumberLength && budget.Spend(kCountSteps); ++length) {
        const MatchCount count = p.CountStrings(length);
        if (count == MatchCount()) break;
        const MatchCount less = o.CountStrings(length);
        if (less == MatchCount()) break;
        if (!(count < less)) return true;
      }
    }
  }
  return false;
}

class CoverCheck {
 public:
  CoverCheck(const RuleContext& c, const PlanRecord& record,
             const EntryPattern& pattern, CoverBudget& budget)
      : c_(c), record_(record), pattern_(pattern), budget_(budget) {}

  void CheckOwn() {
    const Cover cover = CoverOf(
        c_.plan, record_, OwnPartition(pattern_, record_.name()), budget_);
    if (cover.state == State::kUnknown) return Unchecked();
    if (cover.state == State::kOpen) return;
    c_.Add(
        std::string(pattern_.field), "PATTERN_NEVER_CHOSEN",
        absl::StrCat("no call would ever take it: ", NamesText(cover.winners),
                     " of the same partition match every number that it "
                     "matches, more closely or as closely and first"));
  }

  // What is written may be all that another one lacks to be left nothing.
  void CheckOthers() {
    own_ = &c_.plan.PatternsOf(record_);
    if (own_->empty()) return;
    const std::string_view space = SpaceOf(pattern_, record_.name());
    const auto place = WildcardPlace(record_.entry);
    std::string digits;
    if (place.has_value()) {
      digits = place->substr(place->find('\n') + 1);
      c_.plan.ForEachWildcardUnder(
          *place, [this](const PlanRecord& other) { return CheckOne(other); });
    } else {
      // One number, which can take the last of another pattern.
      for (const PatternElement& element : own_->front().elements()) {
        int symbol = 0;
        while ((element.symbols >> symbol & 1) == 0) ++symbol;
        digits.push_back(DialCharOf(symbol));
      }
    }
    for (size_t length = 0; length < digits.size(); ++length) {
      for (const PlanRecord* other : c_.plan.WildcardsAt(WildcardPlace(
               pattern_.table, space, digits.substr(0, length)))) {
        if (!CheckOne(*other)) return;
      }
    }
    if (!place.has_value() || !IsOneOfEachLength()) return;
    // It is as close as a number itself is.
    c_.plan.ForEachHolderUnder(PatternKeyPrefix(pattern_.table, space, digits),
                               [this](const std::string& name) {
                                 const RecordPtr other = c_.plan.Find(name);
                                 return other == nullptr || CheckOne(*other);
                               });
  }

 private:
  bool IsOneOfEachLength() const {
    for (const DialPattern& pattern : *own_) {
      const auto& elements = pattern.elements();
      if (std::all_of(elements.begin(), elements.end(), [](const auto& e) {
            return (e.symbols & (e.symbols - 1)) == 0;
          })) {
        return true;
      }
    }
    return false;
  }

  // False: it is enough.
  bool CheckOne(const PlanRecord& other) {
    if (!budget_.Spend(kLookSteps)) {
      Unchecked();
      return false;
    }
    if (&other == &record_ || other.name() == record_.name()) return true;
    const auto pattern = PatternOf(other.entry);
    if (!pattern.has_value() || pattern->disabled || pattern->is_number) {
      return true;
    }
    // That is looked at by itself.
    if (c_.effort != nullptr && c_.effort->together.count(other.name()) != 0) {
      return true;
    }
    const auto& patterns = c_.plan.PatternsOf(other);
    if (patterns.empty() || !MayTakeFrom(*own_, patterns, budget_)) return true;
    CoverQuery query = OwnPartition(*pattern, other.name());
    const Cover cover = CoverOf(c_.plan, other, query, budget_);
    if (cover.state == State::kCovered) {
      // Was it so without this one, it is not to be blamed.
      query.without = record_.name();
      if (CoverOf(c_.plan, other, query, budget_).state == State::kOpen) {
        c_.Add(std::string(pattern_.field), "PATTERN_NEVER_CHOSEN",
               absl::StrCat("with it no call would ever take ", other.name(),
                            ", whose numbers ", NamesText(cover.winners),
                            " match more closely, or as closely and first"));
        return false;
      }
    }
    if (budget_.left == 0) {
      Unchecked();
      return false;
    }
    return true;
  }

  void Unchecked() {
    if (c_.effort == nullptr || told_) return;
    told_ = true;
    c_.effort->unchecked.push_back(
        {record_.name(),
         {std::string(pattern_.field), "PATTERN_NOT_CHECKED",
          "whether the patterns of its partition leave each other a number "
          "was not found out: there are too many of them"}});
  }

  const RuleContext& c_;
  const PlanRecord& record_;
  const EntryPattern& pattern_;
  CoverBudget& budget_;
  const std::vector<DialPattern>* own_ = nullptr;
  bool told_ = false;
};

}  // namespace

void CheckCover(const RuleContext& c, const PlanRecord& record) {
  const auto pattern = PatternOf(record.entry);
  if (!pattern.has_value() || pattern->disabled || pattern->is_number ||
      TakesTheSame(c.before == nullptr ? nullptr : &c.before->entry,
                   record.entry)) {
    return;
  }
  // What cannot be read, or is the same as another, is told already.
  if (std::any_of(c.faults.begin(), c.faults.end(), [&](const PlanFault& f) {
        return f.field == pattern->field;
      })) {
    return;
  }
  RuleEffort own;
  RuleEffort& effort = c.effort == nullptr ? own : *c.effort;
  CoverBudget budget = effort.Take();
  CoverCheck check(c, record, *pattern, budget);
  check.CheckOwn();
  check.CheckOthers();
  effort.GiveBack(budget);
}

Cover CoverOf(const Plan& plan, const PlanRecord& record,
              const CoverQuery& query, CoverBudget& budget) {
  Cover out;
  const auto pattern = PatternOf(record.entry);
  if (!pattern.has_value()) return out;
  // '@' stands for several, and one that is left a number is enough.
  const auto& patterns = plan.PatternsOf(record);
  if (patterns.empty()) return out;
  const Rivals rivals(plan, record, *pattern, query);
  std::set<std::string> winners;
  out.state = State::kCovered;
  for (const DialPattern& one : patterns) {
    CoverAnswer answer = SearchUncovered(one, rivals, budget);
    if (answer.state == State::kOpen) {
      return {State::kOpen, std::move(answer.number), {}};
    }
    if (answer.state == State::kUnknown) {
      out.state = State::kUnknown;
      return out;
    }
    for (const uint32_t id : answer.winners) winners.insert(rivals.NameOf(id));
  }
  out.winners.assign(winners.begin(), winners.end());
  return out;
}

std::string NamesText(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < kNamed; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ", ", names[i]);
  }
  if (names.size() > kNamed) {
    absl::StrAppend(&out, " and ", names.size() - kNamed, " more");
  }
  return out;
}

}  // namespace sallyport::dialplan
