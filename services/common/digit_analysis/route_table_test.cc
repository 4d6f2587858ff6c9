#include "services/common/digit_analysis/route_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

struct Row {
  Row(uint32_t in_space, const std::string& text) : space(in_space) {
    absl::StatusOr<DialPattern> read = DialPattern::Parse(text);
    EXPECT_TRUE(read.ok()) << text << ": " << read.status();
    pattern = *std::move(read);
  }
  uint32_t space;
  std::optional<DialPattern> pattern;
};

RouteTable Table(const std::vector<Row>& rows) {
  RouteTable::Builder builder;
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(builder.Add(rows[i].space, *rows[i].pattern), i);
  }
  return std::move(builder).Build();
}

std::string Closest(const std::vector<Row>& rows,
                    const std::vector<uint32_t>& spaces,
                    const std::string& number) {
  const auto match = Table(rows).Find(spaces, number);
  return match.has_value() ? rows[match->row].pattern->text() : "none";
}

// protocols.md section 11.2, its own example.
TEST(RouteTableTest, FewestStringsOfThisLength) {
  const std::vector<Row> table = {Row(0, "13!"), Row(0, "1[3-4]XX")};
  EXPECT_EQ(Closest(table, {0}, "1320"), "13!");
  EXPECT_EQ(Closest(table, {0}, "1420"), "1[3-4]XX");
  EXPECT_EQ(Closest(table, {0}, "13200"), "13!");
  EXPECT_EQ(Closest(table, {0}, "142"), "none");
  EXPECT_EQ(Closest(table, {0}, ""), "none");
}

// "Partition order breaks ties only; specificity wins first."
TEST(RouteTableTest, PartitionOrderBreaksTiesOnly) {
  const RouteTable table =
      Table({Row(0, "1XXX"), Row(1, "12XX"), Row(2, "1XXX")});
  EXPECT_EQ(table.Find({0, 1}, "1234")->row, 1u);
  EXPECT_EQ(table.Find({1, 0}, "1234")->row, 1u);
  EXPECT_EQ(table.Find({2, 0}, "1234")->row, 2u);
  EXPECT_EQ(table.Find({0, 2}, "1234")->row, 0u);
  EXPECT_EQ(table.Find({0, 2}, "1234")->rank, 0u);
  EXPECT_FALSE(table.Find({}, "1234").has_value());
  EXPECT_FALSE(table.Find({7}, "1234").has_value());
}

TEST(RouteTableTest, RowOrderBreaksWhatTiesRemain) {
  EXPECT_EQ(
      Closest({Row(0, "[12]X"), Row(0, "[23]X"), Row(0, "2X")}, {0}, "25"),
      "2X");
  const RouteTable tied = Table({Row(0, "[12]X"), Row(0, "[23]X")});
  EXPECT_EQ(tied.Find({0}, "25")->row, 0u);
}

TEST(RouteTableTest, AllMatches) {
  const RouteTable table = Table({Row(0, "X!"), Row(0, "12?3"), Row(0, "1X?"),
                                  Row(0, "99"), Row(1, "123")});
  std::vector<uint32_t> rows;
  table.ForEachMatch(0, "123", [&](uint32_t row) { rows.push_back(row); });
  EXPECT_THAT(rows, testing::UnorderedElementsAre(0, 1, 2));
}

// What overlap dialling asks (protocols.md section 11.2, T302).
TEST(RouteTableTest, LongerPossible) {
  const RouteTable table =
      Table({Row(0, "911"), Row(0, "9.1XX#"), Row(1, "8!")});
  EXPECT_TRUE(table.LongerPossible({0}, "91"));
  EXPECT_TRUE(table.LongerPossible({0}, "911"));  // 9.1XX#
  EXPECT_TRUE(table.LongerPossible({0}, "9112"));
  EXPECT_FALSE(table.LongerPossible({0}, "9112#"));
  EXPECT_FALSE(table.LongerPossible({0}, "92"));
  EXPECT_TRUE(table.LongerPossible({0, 1}, "81"));
}

// A directory number is no path in a trie, but is found as one.
TEST(RouteTableTest, Numbers) {
  RouteTable::Builder builder;
  EXPECT_EQ(builder.AddNumber(1, "4001"), 0u);
  EXPECT_EQ(builder.AddNumber(0, "4001"), 1u);
  EXPECT_EQ(builder.AddNumber(0, "4001"), 2u);
  EXPECT_EQ(builder.AddNumber(0, "+12015550123"), 3u);
  const std::string longest(kMaxNumberLength, '7');
  EXPECT_EQ(builder.AddNumber(0, longest), 4u);
  const std::string packed(24, '8');
  EXPECT_EQ(builder.AddNumber(0, packed), 5u);
  EXPECT_EQ(builder.Add(0, *Row(0, "400X").pattern), 6u);
  EXPECT_EQ(builder.Add(0, *Row(0, "4.001").pattern), 7u);
  const RouteTable table = std::move(builder).Build();
  EXPECT_EQ(table.row_count(), 8u);
  EXPECT_EQ(table.Find({0, 1}, "4001")->row, 1u);
  EXPECT_EQ(table.Find({1, 0}, "4001")->row, 0u);
  EXPECT_EQ(table.Find({0}, "4001")->count, MatchCount(1));
  EXPECT_EQ(table.Find({0}, "4002")->row, 6u);
  EXPECT_EQ(table.Find({0}, "+12015550123")->row, 3u);
  EXPECT_EQ(table.Find({0}, longest)->row, 4u);
  EXPECT_EQ(table.Find({0}, packed)->row, 5u);
  EXPECT_FALSE(table.Find({0}, packed + "8").has_value());
  EXPECT_FALSE(table.Find({0}, "+1201555012").has_value());
  std::vector<uint32_t> rows;
  table.ForEachMatch(0, "4001", [&](uint32_t row) { rows.push_back(row); });
  EXPECT_THAT(rows, testing::UnorderedElementsAre(1, 2, 6, 7));
  EXPECT_TRUE(table.LongerPossible({1}, "400"));
  EXPECT_FALSE(table.LongerPossible({1}, "4001"));
  EXPECT_FALSE(table.LongerPossible({1}, "3"));
  EXPECT_FALSE(table.LongerPossible({1}, "5"));
  EXPECT_TRUE(table.LongerPossible({0}, "+1201"));
  EXPECT_TRUE(table.LongerPossible({0}, std::string(24, '7')));
  EXPECT_TRUE(table.LongerPossible({0}, std::string(23, '8')));
  EXPECT_FALSE(table.LongerPossible({0}, packed));
}

// Hostile plans cost no more than their size: every node is visited at most
// once a symbol, however many ways lead to it. Steps are counted, not time.
TEST(RouteTableTest, CatastrophicPatternsCostTheirLength) {
  const auto repeat = [](const std::string& part, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += part;
    return out;
  };
  // What backtracking needs 2^n steps for.
  const std::vector<std::string> hostile = {
      repeat("X?", 40) + "#",
      repeat("X+", 40) + "#",
      repeat("!", 40) + "#",
      repeat("[0-9]?", 16) + repeat("5?", 8) + "#",
      repeat("5?X?", 20) + "#",
      repeat("!X?", 12) + "#",
      repeat("[1-5]+[5-9]+", 8) + "#"};
  for (const std::string& text : hostile) {
    const absl::StatusOr<DialPattern> pattern = DialPattern::Parse(text);
    if (!pattern.ok()) {
      // Then nothing can be stored that would cost more.
      EXPECT_EQ(ReasonOf(pattern.status()), "PATTERN_TOO_COMPLEX") << text;
      continue;
    }
    RouteTable::Builder builder;
    builder.Add(0, *pattern);
    const RouteTable table = std::move(builder).Build();
    for (const std::string& end : {std::string("#"), std::string("*")}) {
      const std::string number = std::string(47, '5') + end;
      size_t steps = 0;
      EXPECT_EQ(table.Find({0}, number, &steps).has_value(), end == "#")
          << text;
      // An element and its one successor, for each symbol.
      EXPECT_LE(steps, 2 * (pattern->elements().size() + 1) * number.size())
          << text;
      EXPECT_GT(steps, 0u);
    }
  }
}

// The same of a whole plan: never more than all of its nodes for each symbol.
TEST(RouteTableTest, ManyOverlappingLoops) {
  std::vector<Row> rows;
  size_t elements = 0;
  for (int i = 1; i <= 40; ++i) {
    std::string text;
    for (int j = 0; j < i; ++j) text += "X?";
    rows.push_back(Row(0, text + "#"));
    elements += rows.back().pattern->elements().size();
  }
  const RouteTable table = Table(rows);
  const std::string number = std::string(47, '5') + "#";
  size_t steps = 0;
  EXPECT_EQ(table.Find({0}, number, &steps)->row, 0u);
  EXPECT_LE(steps, 2 * elements * number.size());
}

}  // namespace
}  // namespace sallyport
