// Many patterns compiled for closest match.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_TABLE_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_TABLE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"

namespace sallyport {

// Finds the pattern that matches a number most closely (protocols.md section
// 11.2): of all that match it in the given spaces, the one that matches the
// fewest strings of the number's length; the order of the spaces breaks ties,
// and the order of the rows breaks what ties remain.
//
// A space is a partition. Each has its own trie, whose edges are pattern
// elements, so that a search walks only what still matches: its cost grows
// with the number's length and with how many different patterns match the
// same digits, never with how many there are. A pattern of nothing but single
// symbols, such as a directory number, is no path in the trie but 24 octets in
// a sorted row. Immutable.
class RouteTable {
 public:
  class Builder;

  struct Match {
    uint32_t row;      // as Builder::Add returned it
    size_t rank;       // index into the spaces asked for
    MatchCount count;  // strings of this length that the pattern matches
  };

  RouteTable() = default;

  // The closest match of `number` in `spaces`, or nothing. `steps`, if given,
  // grows by the nodes of tries that were looked at.
  std::optional<Match> Find(absl::Span<const uint32_t> spaces,
                            std::string_view number,
                            size_t* steps = nullptr) const;

  // All rows of a space that match, in no order.
  void ForEachMatch(uint32_t space, std::string_view number,
                    absl::FunctionRef<void(uint32_t row)> visit) const;

  // Whether more symbols behind `number` could still give a match: while it
  // is true, overlap dialling waits for its interdigit timer.
  bool LongerPossible(absl::Span<const uint32_t> spaces,
                      std::string_view number) const;

  // How many strings of `length` symbols a row's pattern matches.
  MatchCount CountOf(uint32_t row, size_t length) const;

  size_t row_count() const { return rule_of_row_.size(); }
  // Octets of memory held.
  size_t memory() const;

 private:
  // Children stand in a row, from `first_child`: those entered by exactly one
  // symbol once, in symbol order; then the other consuming ones; then those
  // entered by consuming nothing.
  struct Node {
    SymbolSet literals = 0;  // which single symbols have a child
    SymbolSet enter = 0;     // what an edge into this node consumes
    SymbolSet loop = 0;      // what it goes on consuming
    uint32_t first_child = 0;
    uint32_t consuming = 0;  // how many consuming children are no literals
    uint32_t free = 0;       // how many children are entered for nothing
    uint32_t first_row = 0;  // in row_order_
    uint32_t row_count = 0;  // patterns that end here
  };
  // Up to kPackedSymbols symbols, five bits each, from the left; 0 is the end.
  struct Packed {
    uint64_t high = 0;
    uint64_t low = 0;
    auto operator<=>(const Packed&) const = default;
  };
  struct Literal {
    Packed number;
    uint32_t row;
  };
  struct Space {
    uint32_t root = kNoNode;  // kNoNode: there is no pattern
    uint32_t first_literal = 0;
    uint32_t literals = 0;
  };
  using Active = absl::InlinedVector<uint32_t, 64>;

  static constexpr uint32_t kNoNode = UINT32_MAX;
  static constexpr size_t kPackedSymbols = 24;

  // Nothing if `number` is longer than that or holds what is no symbol.
  static std::optional<Packed> Pack(std::string_view number);
  static void SetSymbol(Packed& packed, size_t place, uint64_t value);

  void Enter(uint32_t node, Active& active) const;
  // The nodes reached by all of `number`; empty if none.
  Active Walk(uint32_t space, std::string_view number, size_t* steps) const;
  // The rows of a space whose number is exactly this.
  absl::Span<const Literal> LiteralsOf(uint32_t space,
                                       const Packed& number) const;

  std::vector<Space> spaces_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> row_order_;
  std::vector<Literal> literals_;  // by space, number and row
  // How patterns count, each way once; the first is that of one number.
  std::vector<StringCount> rules_;
  std::vector<uint32_t> rule_of_row_;
};

// Takes patterns, then makes the table. Thread-compatible.
class RouteTable::Builder {
 public:
  Builder();

  // Adds a pattern to a space, 0 or more and dense; returns its row, counted
  // from 0.
  uint32_t Add(uint32_t space, const DialPattern& pattern);
  // Adds a pattern that is one number, symbols all and at most
  // kMaxNumberLength.
  uint32_t AddNumber(uint32_t space, std::string_view number);

  RouteTable Build() &&;

 private:
  struct Draft {
    uint32_t space;
    uint32_t row;
    uint32_t first_key;
    uint32_t keys;
  };

  uint32_t AddRow(uint32_t rule);
  void AddDraft(uint32_t space, absl::Span<const PatternElement> elements,
                uint32_t row);
  void BuildTries(RouteTable& table);
  void BuildLiterals(RouteTable& table);

  uint32_t space_count_ = 0;
  std::vector<Draft> drafts_;
  std::vector<uint32_t> keys_;  // of all drafts, an element each
  std::vector<std::pair<uint32_t, Literal>> literals_;  // with their space
  std::vector<StringCount> rules_;
  absl::flat_hash_map<StringCount, uint32_t> rule_ids_;
  std::vector<uint32_t> rule_of_row_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_TABLE_H_
