#include "services/common/digit_analysis/cover_search.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/pattern_automaton.h"

namespace sallyport {
namespace {

using States = PatternAutomaton::States;
using State = CoverAnswer::State;

constexpr int kPlusSymbol = 12;  // of number.h
// What reading a pattern, and asking for what begins somewhere, cost in steps.
constexpr size_t kReadSteps = 200;
constexpr size_t kAskSteps = 50;

// Another pattern.
struct Rival {
  Rival(const DialPattern& pattern, bool wins_ties, uint32_t id)
      : automaton(pattern.elements()),
        count(pattern.count()),
        wins_ties(wins_ties),
        id(id) {}

  PatternAutomaton automaton;
  StringCount count;
  bool wins_ties;
  uint32_t id;
};

// A rival that still matches what was read. Rivals are kept by address.
struct Active {
  const Rival* rival;
  States states;

  bool operator==(const Active&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Active& a) {
    return H::combine(std::move(h), a.rival, a.states);
  }
};

// What tells how a search goes on from where nothing new can begin.
struct Place {
  size_t depth;
  States states;
  std::vector<Active> active;

  bool operator==(const Place&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Place& p) {
    return H::combine(std::move(h), p.depth, p.states, p.active);
  }
};

// Thread-compatible.
class Searcher {
 public:
  Searcher(const DialPattern& pattern, const CoverSource& others,
           CoverBudget& budget)
      : pattern_(pattern),
        automaton_(pattern.elements()),
        others_(others),
        budget_(budget) {}

  CoverAnswer Run() {
    // Long ones first: only what is open ended can take those.
    const size_t least = std::max<size_t>(1, pattern_.min_length());
    const size_t longest = pattern_.open_ended() ? kMaxNumberLength : least;
    for (size_t length = longest; length >= least; --length) {
      length_ = length;
      count_ = pattern_.CountStrings(length);
      hopeless_.clear();
      number_.clear();
      if (Dig(automaton_.Start(), {}, others_.AnyBelow(""))) {
        return {State::kOpen, number_, {}};
      }
      if (budget_.left == 0) return {State::kUnknown, "", {}};
    }
    return {State::kCovered, "", {winners_.begin(), winners_.end()}};
  }

 private:
  struct Branch {
    char symbol;
    bool begins;  // a rival may begin with this number
    States states;
    std::vector<Active> active;
  };

  bool Beats(const MatchCount& count, bool wins_ties) const {
    if (count == MatchCount()) return false;
    return count < count_ || (wins_ties && count == count_);
  }

  // The rivals that begin with number_, read once for all lengths.
  const std::vector<std::unique_ptr<Rival>>& RivalsHere() {
    const auto found = rivals_.find(number_);
    if (found != rivals_.end()) return found->second;
    std::vector<std::unique_ptr<Rival>>& here = rivals_[number_];
    budget_.Spend(kAskSteps);
    others_.ForEachAt(
        number_, [&](const DialPattern& pattern, bool wins_ties, uint32_t id) {
          budget_.Spend(kReadSteps);
          here.push_back(std::make_unique<Rival>(pattern, wins_ties, id));
        });
    return here;
  }

  bool IsTaken() {
    budget_.Spend(kAskSteps);
    uint32_t id = 0;
    const CoverSource::Exact exact = others_.ExactAt(number_, &id);
    const bool taken =
        exact != CoverSource::Exact::kNone &&
        Beats(MatchCount(1), exact == CoverSource::Exact::kWinsTies);
    if (taken) winners_.insert(id);
    return taken;
  }

  // Whether number_ can be continued to one that no rival takes; it is that
  // number then. `begins`: rivals may begin here.
  bool Dig(States states, std::vector<Active> active, bool begins) {
    if (!budget_.Spend(1 + active.size())) return false;
    const size_t left = length_ - number_.size();
    if (begins) {
      for (const auto& rival : RivalsHere()) {
        const States here = rival->automaton.After(number_.size()) &
                            rival->automaton.ReachableWith(left);
        if (here != 0 && Beats(rival->count.At(length_), rival->wins_ties)) {
          active.push_back({rival.get(), here});
        }
      }
    }
    // Who is still there at the end has matched.
    if (left == 0) {
      if (!active.empty()) winners_.insert(active[0].rival->id);
      return active.empty() && number_ != "+" && !(begins && IsTaken());
    }
    Place place{number_.size(), states, {}};
    if (!begins) {
      place.active = active;
      if (hopeless_.contains(place)) return false;
    }
    for (Branch& branch : BranchesOf(states, active, begins)) {
      number_.push_back(branch.symbol);
      if (Dig(branch.states, std::move(branch.active), branch.begins)) {
        return true;
      }
      number_.pop_back();
      if (budget_.left == 0) return false;
    }
    if (!begins) hopeless_.insert(std::move(place));
    return false;
  }

  // One for each set of symbols after which all is the same, the least
  // contested first.
  std::vector<Branch> BranchesOf(States states,
                                 const std::vector<Active>& active,
                                 bool begins) {
    const size_t left = length_ - number_.size() - 1;
    std::vector<Branch> out;
    for (int symbol = 0; symbol < kDialSymbols; ++symbol) {
      if (symbol == kPlusSymbol && !number_.empty()) continue;
      Branch branch{
          DialCharOf(symbol),
          false,
          automaton_.Step(states, symbol) & automaton_.ReachableWith(left),
          {}};
      if (branch.states == 0) continue;
      if (!budget_.Spend(1 + active.size())) return {};
      for (const Active& one : active) {
        const States next = one.rival->automaton.Step(one.states, symbol) &
                            one.rival->automaton.ReachableWith(left);
        if (next != 0) branch.active.push_back({one.rival, next});
      }
      if (begins) {
        budget_.Spend(kAskSteps);
        number_.push_back(branch.symbol);
        branch.begins = others_.AnyBelow(number_);
        number_.pop_back();
      }
      const bool known =
          !branch.begins &&
          std::any_of(out.begin(), out.end(), [&](const Branch& other) {
            return !other.begins && other.states == branch.states &&
                   other.active == branch.active;
          });
      if (!known) out.push_back(std::move(branch));
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const Branch& a, const Branch& b) {
                       return a.active.size() + (a.begins ? 1 : 0) <
                              b.active.size() + (b.begins ? 1 : 0);
                     });
    return out;
  }

  const DialPattern& pattern_;
  const PatternAutomaton automaton_;
  const CoverSource& others_;
  CoverBudget& budget_;
  std::map<std::string, std::vector<std::unique_ptr<Rival>>> rivals_;
  std::set<uint32_t> winners_;
  // Of the length that is looked at.
  size_t length_ = 0;
  MatchCount count_;
  absl::flat_hash_set<Place> hopeless_;
  std::string number_;
};

}  // namespace

CoverAnswer SearchUncovered(const DialPattern& pattern,
                            const CoverSource& others, CoverBudget& budget) {
  return Searcher(pattern, others, budget).Run();
}

}  // namespace sallyport
