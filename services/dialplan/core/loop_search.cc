#include "services/dialplan/core/loop_search.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/digit_analysis/transform.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/unique_keys.h"

namespace sallyport::dialplan {
namespace {

using Repeat = PatternElement::Repeat;
using Table = EntryPattern::Table;

constexpr SymbolSet kPlus = SymbolSet{1} << 12;
constexpr SymbolSet kPound = SymbolSet{1} << 11;
// A call is given up after so many lookups (Resolver::kMaxLookups).
constexpr size_t kMaxDepth = 17;
// How an open pattern may be laid out over one length, at most.
constexpr size_t kMaxLayouts = 32;
// Numbers of a set that are tried.
constexpr size_t kMaxTries = 6;
constexpr size_t kLookSteps = 200;

// A set of symbols for each place: numbers of one length.
using Box = std::vector<SymbolSet>;

// One way in which a pattern matches numbers of one length.
struct Layout {
  Box box;
  size_t pre_dot = 0;  // places before '.'
};

void LayOut(const DialPattern& pattern, size_t dot, size_t element, size_t left,
            Layout& at, std::vector<Layout>& out) {
  if (out.size() == kMaxLayouts) return;
  const auto& elements = pattern.elements();
  if (element == dot) at.pre_dot = at.box.size();
  if (element == elements.size()) {
    if (left == 0) out.push_back(at);
    return;
  }
  const PatternElement& e = elements[element];
  const size_t least = e.repeat == Repeat::kNoneOrMore ? 0 : 1;
  const size_t most = e.repeat == Repeat::kOnce ? 1 : left;
  for (size_t times = least; times <= most && times <= left; ++times) {
    const size_t before = at.box.size();
    at.box.resize(before + times, e.symbols);
    LayOut(pattern, dot, element + 1, left - times, at, out);
    at.box.resize(before);
  }
}

// All, but for those beyond kMaxLayouts.
std::vector<Layout> LayoutsOf(const DialPattern& pattern, size_t length) {
  std::vector<Layout> out;
  if (length < pattern.min_length() ||
      (length > pattern.min_length() && !pattern.open_ended())) {
    return out;
  }
  // The dot is where a number of this pattern has its access code's end.
  size_t dot = pattern.elements().size() + 1;
  if (pattern.has_dot()) {
    // Elements before the dot are those of the text before it.
    const auto before =
        DialPattern::Parse(pattern.text().substr(0, pattern.text().find('.')));
    dot = before.ok() ? before->elements().size() : 0;
  }
  Layout at;
  LayOut(pattern, dot, 0, length, at, out);
  return out;
}

// A number on its way: each place is one of the first number, or fixed.
struct Cell {
  int from = -1;  // a place of the first number; -1: fixed
  SymbolSet symbol = 0;

  bool operator==(const Cell&) const = default;
};
using Cells = std::vector<Cell>;

struct Visit {
  const PlanRecord* record;
  Cells cells;
};

SymbolSet SetOf(const Box& first, const Cell& cell) {
  return cell.from < 0 ? cell.symbol : first[static_cast<size_t>(cell.from)];
}

// Keeps of `first` only what makes the number one of `box`; false: nothing.
bool Restrict(Box& first, const Cells& cells, const Box& box) {
  for (size_t i = 0; i < cells.size(); ++i) {
    const SymbolSet both = SetOf(first, cells[i]) & box[i];
    if (both == 0) return false;
    if (cells[i].from >= 0) first[static_cast<size_t>(cells[i].from)] = both;
  }
  return true;
}

SymbolSet SymbolOf(char c) { return SymbolSet{1} << DialSymbolOf(c); }

std::string NumberIn(const Box& box, size_t variant) {
  std::string out;
  for (size_t i = 0; i < box.size(); ++i) {
    std::vector<int> symbols;
    for (int s = 0; s < kDialSymbols; ++s) {
      if (box[i] >> s & 1) symbols.push_back(s);
    }
    // The lowest, the highest, and some between.
    const size_t n = symbols.size();
    const size_t at = variant == 0   ? 0
                      : variant == 1 ? n - 1
                                     : (i * 7 + variant * 5) % n;
    out.push_back(DialCharOf(symbols[at]));
  }
  return out;
}

// A pattern that numbers of a set may meet.
struct Candidate {
  const PlanRecord* record;
  DialPattern pattern;
  size_t order;  // of its space
  int rank;
  bool moves;  // sends the call on
};

// Thread-compatible.
class Searcher {
 public:
  Searcher(const Plan& plan, const PlanRecord& start,
           const std::string& caller_space, CoverBudget& budget)
      : plan_(plan),
        start_(start),
        caller_space_(caller_space),
        tenant_(TenantOf(start.name())),
        budget_(budget) {}

  LoopAnswer Run() {
    const auto* entry = std::get_if<TranslationPatternEntry>(&start_.entry);
    if (entry == nullptr || entry->disabled ||
        entry->action == PatternAction::kBlock) {
      return std::move(answer_);
    }
    for (const DialPattern& pattern : plan_.PatternsOf(start_)) {
      if (pattern.form() != nullptr) {
        for (const std::string& number : ExamplesOf(pattern)) {
          if (Try(number)) return std::move(answer_);
        }
        continue;
      }
      const size_t least = std::max<size_t>(1, pattern.min_length());
      const size_t most = pattern.open_ended() ? kMaxNumberLength : least;
      for (size_t length = least; length <= most; ++length) {
        for (const Layout& layout : LayoutsOf(pattern, length)) {
          Box first = layout.box;
          Cells cells(length);
          for (size_t i = 0; i < length; ++i) {
            cells[i].from = static_cast<int>(i);
          }
          if (!Tidy(first, cells)) continue;
          visits_ = {{&start_, cells}};
          if (Translate(*entry, layout, first, cells, caller_space_)) {
            return std::move(answer_);
          }
        }
      }
    }
    answer_.complete = budget_.left != 0;
    return std::move(answer_);
  }

 private:
  // What is a number at all; false: nothing of it.
  static bool Tidy(Box& first, const Cells& cells) {
    if (cells.empty() || cells.size() > kMaxNumberLength) return false;
    for (size_t i = 1; i < cells.size(); ++i) {
      const SymbolSet left = SetOf(first, cells[i]) & ~kPlus;
      if (left == 0) return false;
      if (cells[i].from >= 0) first[static_cast<size_t>(cells[i].from)] = left;
    }
    return true;
  }

  bool Try(const std::string& number) {
    NumberWalk walk = WalkTranslation(plan_, start_, caller_space_, number);
    if (walk.end != NumberWalk::End::kLoop || !GoesRound(plan_, walk)) {
      return false;
    }
    answer_.loop = std::move(walk);
    return true;
  }

  // Some numbers of a set of which all should go round.
  bool TryAll(const Box& first) {
    std::set<std::string> tried;
    for (size_t variant = 0; variant < kMaxTries; ++variant) {
      const std::string number = NumberIn(first, variant);
      if (!tried.insert(number).second) continue;
      budget_.Spend(kLookSteps * 20);
      if (Number::Parse(number).ok() && Try(number)) return true;
    }
    return false;
  }

  // What a translation, which has taken them by `layout`, makes of the numbers.
  // True: a loop was found.
  bool Translate(const TranslationPatternEntry& entry, const Layout& layout,
                 const Box& first, const Cells& cells,
                 const std::string& caller_space) {
    const Transformation& change = entry.transformation;
    const DiscardRule rule = RuleOf(change.discard);
    if (rule.needs_at()) return false;
    size_t begin =
        rule.front == DiscardRule::Front::kBeforeDot ? layout.pre_dot : 0;
    const std::string& space = entry.use_originator_search_space
                                   ? caller_space
                                   : entry.calling_search_space;
    const auto go = [&](const Box& box, size_t end) {
      Cells kept(cells.begin() + static_cast<std::ptrdiff_t>(begin),
                 cells.begin() + static_cast<std::ptrdiff_t>(end));
      return GoOn(box, Changed(kept, change), space);
    };
    const size_t size = cells.size();
    if (!rule.trailing_pound || size <= begin) return go(first, size);
    // Those with a pound sign at the end, and those without.
    const Cell last = cells.back();
    const SymbolSet symbols = SetOf(first, last);
    Box part = first;
    if (symbols & kPound) {
      if (last.from >= 0) part[static_cast<size_t>(last.from)] = kPound;
      if (go(part, size - 1)) return true;
    }
    if ((symbols & ~kPound) == 0) return false;
    part = first;
    if (last.from >= 0) {
      part[static_cast<size_t>(last.from)] = symbols & ~kPound;
    }
    return go(part, size);
  }

  // Under the mask, behind the prefix.
  static Cells Changed(const Cells& cells, const Transformation& change) {
    Cells out;
    for (const char c : change.called_prefix) out.push_back({-1, SymbolOf(c)});
    const std::string& mask = change.called_mask;
    if (mask.empty()) {
      out.insert(out.end(), cells.begin(), cells.end());
      return out;
    }
    for (size_t i = 0; i < mask.size(); ++i) {
      const size_t from_right = mask.size() - i;
      if (mask[i] != 'X') {
        out.push_back({-1, SymbolOf(mask[i])});
      } else if (from_right <= cells.size()) {
        out.push_back(cells[cells.size() - from_right]);
      }
    }
    return out;
  }

  // Looks the numbers up.
  bool GoOn(Box first, const Cells& cells, const std::string& space) {
    if (!budget_.Spend(cells.size() + 1) || !Tidy(first, cells)) return false;
    if (visits_.size() >= kMaxDepth) return TryAll(first);
    const std::vector<Candidate> candidates = MetBy(first, cells, space);
    for (const Candidate& one : candidates) {
      if (!one.moves) continue;
      for (const Layout& layout : LayoutsOf(one.pattern, cells.size())) {
        Box part = first;
        if (!Restrict(part, cells, layout.box)) continue;
        if (Take(one, layout, candidates, 0, std::move(part), cells, space)) {
          return true;
        }
        if (budget_.left == 0) return false;
      }
    }
    return false;
  }

  // Cuts out of `first` what candidates from `next` on take from `one`, then
  // lets it take the rest.
  bool Take(const Candidate& one, const Layout& layout,
            const std::vector<Candidate>& candidates, size_t next, Box first,
            const Cells& cells, const std::string& space) {
    if (!budget_.Spend(kLookSteps)) return false;
    for (; next < candidates.size(); ++next) {
      const Candidate& other = candidates[next];
      if (other.record == one.record || !Wins(other, one, cells.size())) {
        continue;
      }
      for (const Layout& taken : LayoutsOf(other.pattern, cells.size())) {
        Box both = first;
        if (!Restrict(both, cells, taken.box)) continue;
        // The rest in parts that have nothing in common: outside in one place,
        // inside in those before it.
        Box inside = first;
        for (size_t i = 0; i < cells.size(); ++i) {
          const SymbolSet symbols = SetOf(inside, cells[i]);
          const SymbolSet outside = symbols & ~taken.box[i];
          if (outside != 0 && cells[i].from >= 0) {
            Box part = inside;
            part[static_cast<size_t>(cells[i].from)] = outside;
            if (Take(one, layout, candidates, next, std::move(part), cells,
                     space)) {
              return true;
            }
            if (budget_.left == 0) return false;
          }
          if (cells[i].from >= 0) {
            inside[static_cast<size_t>(cells[i].from)] = symbols & taken.box[i];
          }
        }
        return false;
      }
    }
    return Move(one, layout, first, cells, space);
  }

  // A translation or line takes the numbers and sends them on.
  bool Move(const Candidate& one, const Layout& layout, const Box& first,
            const Cells& cells, const std::string& space) {
    for (const Visit& visit : visits_) {
      // The same number again, whichever it is.
      if (visit.record == one.record && visit.cells == cells) {
        return TryAll(first);
      }
    }
    visits_.push_back({one.record, cells});
    bool found = false;
    if (const auto* t =
            std::get_if<TranslationPatternEntry>(&one.record->entry)) {
      found = one.pattern.form() != nullptr
                  ? TryAll(first)
                  : Translate(*t, layout, first, cells, space);
    } else {
      // From here it is one number, whatever came in.
      found = TryAll(first);
    }
    visits_.pop_back();
    return found;
  }

  static bool Wins(const Candidate& a, const Candidate& b, size_t length) {
    const MatchCount of_a = a.pattern.CountStrings(length);
    const MatchCount of_b = b.pattern.CountStrings(length);
    if (of_a == MatchCount()) return false;
    if (!(of_a == of_b)) return of_a < of_b;
    if (a.order != b.order) return a.order < b.order;
    if (a.rank != b.rank) return a.rank < b.rank;
    return a.record->name() < b.record->name();
  }

  // The patterns that some of the numbers match, but for numbers that end
  // there.
  std::vector<Candidate> MetBy(const Box& first, const Cells& cells,
                               const std::string& space) {
    std::string digits;
    for (const Cell& cell : cells) {
      const SymbolSet symbols = SetOf(first, cell);
      if ((symbols & (symbols - 1)) != 0) break;
      int symbol = 0;
      while ((symbols >> symbol & 1) == 0) ++symbol;
      digits.push_back(DialCharOf(symbol));
    }
    std::vector<std::string> spaces;
    if (const auto* css = plan_.Get<CallingSearchSpaceEntry>(space)) {
      for (const std::string& partition : css->partitions) {
        const auto* entry = plan_.Get<PartitionEntry>(partition);
        if (entry != nullptr && !entry->disabled) spaces.push_back(partition);
      }
    }
    spaces.emplace_back(tenant_);
    std::vector<Candidate> out;
    for (size_t order = 0; order < spaces.size(); ++order) {
      const auto add = [&](const PlanRecord& record) {
        Offer(record, order, cells.size(), out);
        return budget_.Spend(kLookSteps);
      };
      for (size_t length = 0; length < digits.size(); ++length) {
        for (const PlanRecord* record : plan_.WildcardsAt(WildcardPlace(
                 Table::kCalls, spaces[order], digits.substr(0, length)))) {
          add(*record);
        }
      }
      plan_.ForEachWildcardUnder(
          WildcardPlace(Table::kCalls, spaces[order], digits), add);
      plan_.ForEachExactUnder(
          WildcardPlace(Table::kCalls, spaces[order], digits), add);
    }
    return out;
  }

  void Offer(const PlanRecord& record, size_t order, size_t length,
             std::vector<Candidate>& out) {
    const auto written = PatternOf(record.entry);
    if (!written.has_value() || written->disabled) return;
    bool moves = false;
    if (const auto* t = std::get_if<TranslationPatternEntry>(&record.entry)) {
      moves = t->action != PatternAction::kBlock;
    } else if (const auto* line = std::get_if<LineEntry>(&record.entry)) {
      moves = line->forward_all.IsSet();
      if (!moves) return;
    } else if (written->is_number) {
      return;
    }
    const auto offer = [&](const DialPattern& pattern) {
      if (pattern.CountStrings(length) == MatchCount()) return;
      out.push_back({&record, pattern, order, written->rank, moves});
    };
    for (const DialPattern& one : plan_.PatternsOf(record)) offer(one);
    if (!written->is_number) return;
    const auto number = DialPattern::Parse(written->text);
    if (number.ok()) offer(*number);
  }

  const Plan& plan_;
  const PlanRecord& start_;
  const std::string caller_space_;
  const std::string_view tenant_;
  CoverBudget& budget_;
  std::vector<Visit> visits_;
  LoopAnswer answer_;
};

}  // namespace

LoopAnswer FindLoop(const Plan& plan, const PlanRecord& translation,
                    const std::string& caller_space, CoverBudget& budget) {
  return Searcher(plan, translation, caller_space, budget).Run();
}

bool GoesRound(const Plan& plan, const NumberWalk& walk) {
  if (walk.steps.empty()) return false;
  const std::string tenant(TenantOf(walk.steps[0].record->name()));
  // What the numbers meet, and what that refers to.
  std::set<std::string> names = {tenant};
  const auto add = [&](const std::string& name) {
    if (!name.empty() && plan.Find(name) != nullptr) names.insert(name);
  };
  for (const auto* profile :
       plan.Under<VoicemailProfileEntry>(tenant + "/voicemailProfiles/")) {
    names.insert(profile->name);
  }
  for (const auto* pilot :
       plan.Under<VoicemailPilotEntry>(tenant + "/voicemailPilots/")) {
    names.insert(pilot->name);
    add(pilot->calling_search_space);
  }
  for (const NumberWalk::Step& step : walk.steps) {
    names.insert(step.record->name());
    add(step.search_space);
    for (const Reference& reference : step.record->references) {
      if (reference.collection == "callingSearchSpaces") add(reference.target);
    }
    for (const PlanRecord* record :
         MatchesOf(plan, tenant, step.search_space, step.number)) {
      names.insert(record->name());
    }
  }
  const std::set<std::string> found = names;
  auto snapshot = std::make_shared<PlanSnapshot>();
  for (const std::string& name : found) {
    if (const auto* css = plan.Get<CallingSearchSpaceEntry>(name)) {
      names.insert(css->partitions.begin(), css->partitions.end());
    }
    const RecordPtr record = plan.Find(name);
    if (const auto pattern = PatternOf(record->entry)) {
      add(std::string(pattern->partition));
    }
  }
  for (const std::string& name : names) {
    if (const RecordPtr record = plan.Find(name)) {
      AddTo(*snapshot, record->entry);
    }
  }
  ResolveDefaults(*snapshot);
  const auto resolver = Resolver::Create(std::move(snapshot));
  if (!resolver.ok()) return false;
  // The first step may be one that no search space by itself leads to.
  for (size_t i = 0; i < walk.steps.size() && i < 2; ++i) {
    RouteQuery query;
    query.tenant = tenant;
    query.search_space = walk.steps[i].search_space;
    query.called = walk.steps[i].number;
    const Resolution resolution = (*resolver)->Resolve(query);
    if (resolution.reason == "TRANSLATION_LOOP" ||
        resolution.reason == "FORWARD_LOOP") {
      return true;
    }
  }
  return false;
}

}  // namespace sallyport::dialplan
