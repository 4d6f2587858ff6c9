// Many patterns compiled for closest match.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_TABLE_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

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
// same digits, never with how many there are. Immutable.
class RouteTable {
 public:
  struct Row {
    uint32_t space;  // dense, from 0
    DialPattern pattern;
  };
  struct Match {
    uint32_t row;      // index into the rows given
    size_t rank;       // index into the spaces asked for
    MatchCount count;  // strings of this length that the pattern matches
  };

  RouteTable() = default;
  explicit RouteTable(std::vector<Row> rows);

  const std::vector<Row>& rows() const { return rows_; }

  // The closest match of `number` in `spaces`, or nothing.
  std::optional<Match> Find(absl::Span<const uint32_t> spaces,
                            std::string_view number) const;

  // All rows of a space that match, in no order.
  void ForEachMatch(uint32_t space, std::string_view number,
                    absl::FunctionRef<void(uint32_t row)> visit) const;

  // Whether more symbols behind `number` could still give a match: while it
  // is true, overlap dialling waits for its interdigit timer.
  bool LongerPossible(absl::Span<const uint32_t> spaces,
                      std::string_view number) const;

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
  using Active = absl::InlinedVector<uint32_t, 64>;

  static constexpr uint32_t kNoNode = UINT32_MAX;

  void Enter(uint32_t node, Active& active) const;
  // The nodes reached by all of `number`; empty if none.
  Active Walk(uint32_t space, std::string_view number) const;

  std::vector<Row> rows_;
  std::vector<uint32_t> roots_;  // by space; kNoNode = the space is empty
  std::vector<Node> nodes_;
  std::vector<uint32_t> row_order_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_TABLE_H_
