#include "services/common/digit_analysis/route_table.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/number.h"

namespace sallyport {
namespace {

using Repeat = PatternElement::Repeat;

// An edge of the tree while it is built, in the order of a node's children:
// literals, other consuming edges, free edges.
struct Edge {
  int order;
  PatternElement element;

  explicit Edge(const PatternElement& e)
      : order(e.repeat == Repeat::kNoneOrMore ? 2
              : e.repeat == Repeat::kOnce && std::has_single_bit(e.symbols)
                  ? 0
                  : 1),
        element(e) {}

  bool operator<(const Edge& other) const {
    return std::tie(order, element.symbols, element.repeat) <
           std::tie(other.order, other.element.symbols, other.element.repeat);
  }
};

struct Draft {
  std::map<Edge, uint32_t> children;  // into the drafts
  std::vector<uint32_t> rows;
};

}  // namespace

RouteTable::RouteTable(std::vector<Row> rows) : rows_(std::move(rows)) {
  std::vector<Draft> drafts;
  std::vector<uint32_t> draft_roots;
  for (uint32_t r = 0; r < rows_.size(); ++r) {
    const uint32_t space = rows_[r].space;
    if (space >= draft_roots.size()) draft_roots.resize(space + 1, kNoNode);
    if (draft_roots[space] == kNoNode) {
      draft_roots[space] = static_cast<uint32_t>(drafts.size());
      drafts.emplace_back();
    }
    uint32_t at = draft_roots[space];
    for (const PatternElement& element : rows_[r].pattern.elements()) {
      const auto [it, added] = drafts[at].children.try_emplace(
          Edge(element), static_cast<uint32_t>(drafts.size()));
      at = it->second;
      if (added) drafts.emplace_back();
    }
    drafts[at].rows.push_back(r);
  }

  // Breadth first, so that the children of a node get consecutive places.
  nodes_.reserve(drafts.size());
  row_order_.reserve(rows_.size());
  std::vector<uint32_t> draft_of;
  draft_of.reserve(drafts.size());
  roots_.assign(draft_roots.size(), kNoNode);
  for (size_t space = 0; space < draft_roots.size(); ++space) {
    if (draft_roots[space] == kNoNode) continue;
    roots_[space] = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
    draft_of.push_back(draft_roots[space]);
  }
  for (uint32_t n = 0; n < nodes_.size(); ++n) {
    const Draft& draft = drafts[draft_of[n]];
    nodes_[n].first_row = static_cast<uint32_t>(row_order_.size());
    nodes_[n].row_count = static_cast<uint32_t>(draft.rows.size());
    row_order_.insert(row_order_.end(), draft.rows.begin(), draft.rows.end());
    nodes_[n].first_child = static_cast<uint32_t>(nodes_.size());
    for (const auto& [edge, child] : draft.children) {
      Node node;
      node.enter = edge.element.symbols;
      if (edge.element.repeat != Repeat::kOnce) node.loop = node.enter;
      if (edge.order == 0) nodes_[n].literals |= node.enter;
      if (edge.order == 1) ++nodes_[n].consuming;
      if (edge.order == 2) ++nodes_[n].free;
      nodes_.push_back(node);
      draft_of.push_back(child);
    }
  }
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

RouteTable::Active RouteTable::Walk(uint32_t space,
                                    std::string_view number) const {
  Active active;
  if (space >= roots_.size() || roots_[space] == kNoNode) return active;
  Enter(roots_[space], active);
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
      for (uint32_t i = 0; i < node.consuming; ++i, ++child) {
        if (nodes_[child].enter & bit) Enter(child, next);
      }
    }
    // A node has one parent, so only a loop can reach it twice.
    if (looped && next.size() > 1) {
      std::sort(next.begin(), next.end());
      next.erase(std::unique(next.begin(), next.end()), next.end());
    }
    active.swap(next);
    if (active.empty()) break;
  }
  return active;
}

void RouteTable::ForEachMatch(
    uint32_t space, std::string_view number,
    absl::FunctionRef<void(uint32_t row)> visit) const {
  for (const uint32_t at : Walk(space, number)) {
    const Node& node = nodes_[at];
    for (uint32_t i = 0; i < node.row_count; ++i) {
      visit(row_order_[node.first_row + i]);
    }
  }
}

std::optional<RouteTable::Match> RouteTable::Find(
    absl::Span<const uint32_t> spaces, std::string_view number) const {
  std::optional<Match> best;
  for (size_t rank = 0; rank < spaces.size(); ++rank) {
    ForEachMatch(spaces[rank], number, [&](uint32_t row) {
      const MatchCount count = rows_[row].pattern.CountStrings(number.size());
      if (best.has_value() && std::tie(best->count, best->rank, best->row) <=
                                  std::tie(count, rank, row)) {
        return;
      }
      best = Match{row, rank, count};
    });
  }
  return best;
}

bool RouteTable::LongerPossible(absl::Span<const uint32_t> spaces,
                                std::string_view number) const {
  for (const uint32_t space : spaces) {
    for (const uint32_t at : Walk(space, number)) {
      const Node& node = nodes_[at];
      if (node.loop != 0 || node.literals != 0 || node.consuming != 0) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace sallyport
