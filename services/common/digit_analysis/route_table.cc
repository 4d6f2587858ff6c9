#include "services/common/digit_analysis/route_table.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/number.h"

namespace sallyport {
namespace {

using Repeat = PatternElement::Repeat;

// An edge of a trie as a number: its place among a node's children first
// (literals, other consuming edges, free edges), then its symbols and repeat.
constexpr uint32_t kOrderShift = 30;
constexpr uint32_t kSymbolsShift = 4;

uint32_t OrderOf(const PatternElement& e) {
  if (e.repeat == Repeat::kNoneOrMore) return 2;
  return e.repeat == Repeat::kOnce && std::has_single_bit(e.symbols) ? 0 : 1;
}

uint32_t KeyOf(const PatternElement& e) {
  return OrderOf(e) << kOrderShift | e.symbols << kSymbolsShift |
         static_cast<uint32_t>(e.repeat);
}

SymbolSet SymbolsOf(uint32_t key) {
  return key >> kSymbolsShift & ((SymbolSet{1} << kDialSymbols) - 1);
}

// Most often there are few, and sorting them would cost more than the walk.
template <typename Nodes>
void RemoveRepeated(Nodes& nodes) {
  constexpr size_t kFew = 8;
  if (nodes.size() > kFew) {
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return;
  }
  size_t kept = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto end = nodes.begin() + static_cast<std::ptrdiff_t>(kept);
    if (std::find(nodes.begin(), end, nodes[i]) == end) {
      nodes[kept++] = nodes[i];
    }
  }
  nodes.resize(kept);
}

bool Repeats(uint32_t key) {
  return (key & ((1u << kSymbolsShift) - 1)) !=
         static_cast<uint32_t>(Repeat::kOnce);
}

}  // namespace

// ------------------------------------------------------------------- making

RouteTable::Builder::Builder() {
  // The way in which one number counts.
  rules_.push_back(*StringCount::Of({}));
}

uint32_t RouteTable::Builder::AddRow(uint32_t rule) {
  rule_of_row_.push_back(rule);
  return static_cast<uint32_t>(rule_of_row_.size() - 1);
}

uint32_t RouteTable::Builder::Add(uint32_t space, const DialPattern& pattern) {
  space_count_ = std::max(space_count_, space + 1);
  const std::vector<PatternElement>& elements = pattern.elements();
  if (std::all_of(elements.begin(), elements.end(),
                  [](const auto& e) { return OrderOf(e) == 0; })) {
    std::string number;
    for (const PatternElement& element : elements) {
      number.push_back(DialCharOf(std::countr_zero(element.symbols)));
    }
    return AddNumber(space, number);
  }
  const auto [it, added] = rule_ids_.try_emplace(
      pattern.count(), static_cast<uint32_t>(rules_.size()));
  if (added) rules_.push_back(pattern.count());
  const uint32_t row = AddRow(it->second);
  AddDraft(space, elements, row);
  return row;
}

uint32_t RouteTable::Builder::AddNumber(uint32_t space,
                                        std::string_view number) {
  space_count_ = std::max(space_count_, space + 1);
  const uint32_t row = AddRow(0);
  if (const std::optional<Packed> packed = Pack(number)) {
    literals_.push_back({space, {*packed, row}});
    return row;
  }
  std::vector<PatternElement> elements;
  for (const char c : number) {
    elements.push_back({SymbolSet{1} << DialSymbolOf(c), Repeat::kOnce});
  }
  AddDraft(space, elements, row);
  return row;
}

void RouteTable::Builder::AddDraft(uint32_t space,
                                   absl::Span<const PatternElement> elements,
                                   uint32_t row) {
  drafts_.push_back({space, row, static_cast<uint32_t>(keys_.size()),
                     static_cast<uint32_t>(elements.size())});
  for (const PatternElement& element : elements) {
    keys_.push_back(KeyOf(element));
  }
}

RouteTable RouteTable::Builder::Build() && {
  RouteTable table;
  table.spaces_.resize(space_count_);
  BuildTries(table);
  BuildLiterals(table);
  table.rules_ = std::move(rules_);
  table.rule_of_row_ = std::move(rule_of_row_);
  table.rule_of_row_.shrink_to_fit();
  return table;
}

// Sorted, all patterns below a node stand together.
void RouteTable::Builder::BuildTries(RouteTable& table) {
  const auto keys_of = [this](const Draft& draft) {
    return absl::MakeConstSpan(keys_).subspan(draft.first_key, draft.keys);
  };
  std::sort(drafts_.begin(), drafts_.end(),
            [&](const Draft& a, const Draft& b) {
              if (a.space != b.space) return a.space < b.space;
              const auto x = keys_of(a);
              const auto y = keys_of(b);
              const auto order = std::lexicographical_compare_three_way(
                  x.begin(), x.end(), y.begin(), y.end());
              return order != 0 ? order < 0 : a.row < b.row;
            });
  struct Range {
    uint32_t begin;
    uint32_t end;
    uint32_t depth;
  };
  std::vector<Range> ranges;  // of each node's drafts
  for (uint32_t i = 0; i < drafts_.size();) {
    uint32_t end = i;
    while (end < drafts_.size() && drafts_[end].space == drafts_[i].space) {
      ++end;
    }
    table.spaces_[drafts_[i].space].root =
        static_cast<uint32_t>(table.nodes_.size());
    table.nodes_.emplace_back();
    ranges.push_back({i, end, 0});
    i = end;
  }
  table.row_order_.reserve(drafts_.size());
  // Breadth first, so that the children of a node get consecutive places.
  for (uint32_t n = 0; n < table.nodes_.size(); ++n) {
    auto [at, end, depth] = ranges[n];
    Node node = table.nodes_[n];
    node.first_row = static_cast<uint32_t>(table.row_order_.size());
    // A shorter one sorts before those that it begins.
    for (; at < end && drafts_[at].keys == depth; ++at) {
      table.row_order_.push_back(drafts_[at].row);
      ++node.row_count;
    }
    node.first_child = static_cast<uint32_t>(table.nodes_.size());
    while (at < end) {
      const uint32_t key = keys_[drafts_[at].first_key + depth];
      const uint32_t begin = at;
      while (at < end && keys_[drafts_[at].first_key + depth] == key) ++at;
      Node child;
      child.enter = SymbolsOf(key);
      if (Repeats(key)) child.loop = child.enter;
      const uint32_t order = key >> kOrderShift;
      if (order == 0) node.literals |= child.enter;
      if (order == 1) ++node.consuming;
      if (order == 2) ++node.free;
      table.nodes_.push_back(child);
      ranges.push_back({begin, at, depth + 1});
    }
    table.nodes_[n] = node;
  }
  table.nodes_.shrink_to_fit();
}

void RouteTable::Builder::BuildLiterals(RouteTable& table) {
  std::sort(literals_.begin(), literals_.end(),
            [](const auto& a, const auto& b) {
              return std::tie(a.first, a.second.number, a.second.row) <
                     std::tie(b.first, b.second.number, b.second.row);
            });
  table.literals_.reserve(literals_.size());
  for (const auto& [space, literal] : literals_) {
    Space& of = table.spaces_[space];
    if (of.literals == 0) {
      of.first_literal = static_cast<uint32_t>(table.literals_.size());
    }
    ++of.literals;
    table.literals_.push_back(literal);
  }
}

// ------------------------------------------------------------------ finding

void RouteTable::SetSymbol(Packed& packed, size_t place, uint64_t value) {
  constexpr size_t kHalf = kPackedSymbols / 2;
  uint64_t& half = place < kHalf ? packed.high : packed.low;
  half |= value << (5 * (kHalf - 1 - place % kHalf));
}

std::optional<RouteTable::Packed> RouteTable::Pack(std::string_view number) {
  if (number.size() > kPackedSymbols) return std::nullopt;
  Packed packed;
  for (size_t i = 0; i < number.size(); ++i) {
    const int symbol = DialSymbolOf(number[i]);
    if (symbol < 0) return std::nullopt;
    SetSymbol(packed, i, static_cast<uint64_t>(symbol) + 1);
  }
  return packed;
}

void RouteTable::Enter(uint32_t node, Active& active) const {
  active.push_back(node);
  // Depth is bounded by kMaxPatternElements.
  const Node& n = nodes_[node];
  const uint32_t free = n.first_child +
                        static_cast<uint32_t>(std::popcount(n.literals)) +
                        n.consuming;
  for (uint32_t i = 0; i < n.free; ++i) Enter(free + i, active);
}

RouteTable::Active RouteTable::Walk(uint32_t space, std::string_view number,
                                    size_t* steps) const {
  Active active;
  if (space >= spaces_.size() || spaces_[space].root == kNoNode) return active;
  Enter(spaces_[space].root, active);
  Active next;
  for (const char c : number) {
    const int symbol = DialSymbolOf(c);
    if (symbol < 0) return {};
    const SymbolSet bit = SymbolSet{1} << symbol;
    next.clear();
    bool looped = false;
    for (const uint32_t at : active) {
      const Node& node = nodes_[at];
      if (node.loop & bit) {
        Enter(at, next);
        looped = true;
      }
      uint32_t child = node.first_child;
      if (node.literals & bit) {
        Enter(child + static_cast<uint32_t>(
                          std::popcount(node.literals & (bit - 1))),
              next);
      }
      child += static_cast<uint32_t>(std::popcount(node.literals));
      if (steps != nullptr) *steps += 1 + node.consuming;
      for (uint32_t i = 0; i < node.consuming; ++i, ++child) {
        if (nodes_[child].enter & bit) Enter(child, next);
      }
    }
    // A node has one parent, so only a loop can reach it twice.
    if (looped) RemoveRepeated(next);
    active.swap(next);
    if (active.empty()) break;
  }
  return active;
}

absl::Span<const RouteTable::Literal> RouteTable::LiteralsOf(
    uint32_t space, const Packed& number) const {
  if (space >= spaces_.size()) return {};
  const Space& of = spaces_[space];
  const auto begin = literals_.begin() + of.first_literal;
  const auto end = begin + of.literals;
  const auto first = std::lower_bound(
      begin, end, number,
      [](const Literal& l, const Packed& n) { return l.number < n; });
  auto last = first;
  while (last != end && last->number == number) ++last;
  return absl::MakeConstSpan(literals_).subspan(
      static_cast<size_t>(first - literals_.begin()),
      static_cast<size_t>(last - first));
}

void RouteTable::ForEachMatch(
    uint32_t space, std::string_view number,
    absl::FunctionRef<void(uint32_t row)> visit) const {
  if (const std::optional<Packed> packed = Pack(number)) {
    for (const Literal& literal : LiteralsOf(space, *packed)) {
      visit(literal.row);
    }
  }
  for (const uint32_t at : Walk(space, number, nullptr)) {
    const Node& node = nodes_[at];
    for (uint32_t i = 0; i < node.row_count; ++i) {
      visit(row_order_[node.first_row + i]);
    }
  }
}

std::optional<RouteTable::Match> RouteTable::Find(
    absl::Span<const uint32_t> spaces, std::string_view number,
    size_t* steps) const {
  std::optional<Match> best;
  const auto consider = [&](uint32_t row, size_t rank,
                            const MatchCount& count) {
    if (best.has_value() && std::tie(best->count, best->rank, best->row) <=
                                std::tie(count, rank, row)) {
      return;
    }
    best = Match{row, rank, count};
  };
  const std::optional<Packed> packed = Pack(number);
  for (size_t rank = 0; packed.has_value() && rank < spaces.size(); ++rank) {
    const auto literals = LiteralsOf(spaces[rank], *packed);
    // They stand in the order of their rows.
    if (!literals.empty()) {
      consider(literals.front().row, rank, MatchCount(1));
      break;
    }
  }
  for (size_t rank = 0; rank < spaces.size(); ++rank) {
    for (const uint32_t at : Walk(spaces[rank], number, steps)) {
      const Node& node = nodes_[at];
      // The rows of a node have the same elements, so the first is the best.
      if (node.row_count == 0) continue;
      const uint32_t row = row_order_[node.first_row];
      consider(row, rank, CountOf(row, number.size()));
    }
  }
  return best;
}

bool RouteTable::LongerPossible(absl::Span<const uint32_t> spaces,
                                std::string_view number) const {
  const std::optional<Packed> packed = Pack(number);
  for (const uint32_t space : spaces) {
    for (const uint32_t at : Walk(space, number, nullptr)) {
      const Node& node = nodes_[at];
      if (node.loop != 0 || node.literals != 0 || node.consuming != 0) {
        return true;
      }
    }
    if (!packed.has_value() || number.size() == kPackedSymbols ||
        space >= spaces_.size()) {
      continue;
    }
    // The least number that begins with this one and is longer.
    Packed longer = *packed;
    SetSymbol(longer, number.size(), 1);
    const auto begin = literals_.begin() + spaces_[space].first_literal;
    const auto end = begin + spaces_[space].literals;
    const auto next = std::lower_bound(
        begin, end, longer,
        [](const Literal& l, const Packed& n) { return l.number < n; });
    if (next == end) continue;
    Packed last = *packed;
    for (size_t i = number.size(); i < kPackedSymbols; ++i) {
      SetSymbol(last, i, 31);
    }
    if (next->number <= last) return true;
  }
  return false;
}

MatchCount RouteTable::CountOf(uint32_t row, size_t length) const {
  const uint32_t rule = rule_of_row_[row];
  return rule == 0 ? MatchCount(1) : rules_[rule].At(length);
}

size_t RouteTable::memory() const {
  return spaces_.capacity() * sizeof(Space) + nodes_.capacity() * sizeof(Node) +
         row_order_.capacity() * sizeof(uint32_t) +
         literals_.capacity() * sizeof(Literal) +
         rules_.capacity() * sizeof(StringCount) +
         rule_of_row_.capacity() * sizeof(uint32_t);
}

}  // namespace sallyport
