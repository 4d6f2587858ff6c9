#include "services/common/digit_analysis/route_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/reference_matcher.h"

namespace sallyport {
namespace {

RouteTable::Row Row(uint32_t space, const std::string& text) {
  absl::StatusOr<DialPattern> pattern = DialPattern::Parse(text);
  EXPECT_TRUE(pattern.ok()) << text << ": " << pattern.status();
  return {space, *std::move(pattern)};
}

std::string Closest(const RouteTable& table,
                    const std::vector<uint32_t>& spaces,
                    const std::string& number) {
  const auto match = table.Find(spaces, number);
  return match.has_value() ? table.rows()[match->row].pattern.text() : "none";
}

// protocols.md section 11.2, its own example.
TEST(RouteTableTest, FewestStringsOfThisLength) {
  const RouteTable table({Row(0, "13!"), Row(0, "1[3-4]XX")});
  EXPECT_EQ(Closest(table, {0}, "1320"), "13!");
  EXPECT_EQ(Closest(table, {0}, "1420"), "1[3-4]XX");
  EXPECT_EQ(Closest(table, {0}, "13200"), "13!");
  EXPECT_EQ(Closest(table, {0}, "142"), "none");
  EXPECT_EQ(Closest(table, {0}, ""), "none");
}

// "Partition order breaks ties only; specificity wins first."
TEST(RouteTableTest, PartitionOrderBreaksTiesOnly) {
  const RouteTable table({Row(0, "1XXX"), Row(1, "12XX"), Row(2, "1XXX")});
  EXPECT_EQ(table.Find({0, 1}, "1234")->row, 1u);
  EXPECT_EQ(table.Find({1, 0}, "1234")->row, 1u);
  EXPECT_EQ(table.Find({2, 0}, "1234")->row, 2u);
  EXPECT_EQ(table.Find({0, 2}, "1234")->row, 0u);
  EXPECT_EQ(table.Find({0, 2}, "1234")->rank, 0u);
  EXPECT_FALSE(table.Find({}, "1234").has_value());
  EXPECT_FALSE(table.Find({7}, "1234").has_value());
}

TEST(RouteTableTest, RowOrderBreaksWhatTiesRemain) {
  const RouteTable table({Row(0, "[12]X"), Row(0, "[23]X"), Row(0, "2X")});
  EXPECT_EQ(Closest(table, {0}, "25"), "2X");
  const RouteTable tied({Row(0, "[12]X"), Row(0, "[23]X")});
  EXPECT_EQ(tied.Find({0}, "25")->row, 0u);
}

TEST(RouteTableTest, AllMatches) {
  const RouteTable table({Row(0, "X!"), Row(0, "12?3"), Row(0, "1X?"),
                          Row(0, "99"), Row(1, "123")});
  std::vector<uint32_t> rows;
  table.ForEachMatch(0, "123", [&](uint32_t row) { rows.push_back(row); });
  EXPECT_THAT(rows, testing::UnorderedElementsAre(0, 1, 2));
}

// What overlap dialling asks (protocols.md section 11.2, T302).
TEST(RouteTableTest, LongerPossible) {
  const RouteTable table({Row(0, "911"), Row(0, "9.1XX#"), Row(1, "8!")});
  EXPECT_TRUE(table.LongerPossible({0}, "91"));
  EXPECT_TRUE(table.LongerPossible({0}, "911"));  // 9.1XX#
  EXPECT_TRUE(table.LongerPossible({0}, "9112"));
  EXPECT_FALSE(table.LongerPossible({0}, "9112#"));
  EXPECT_FALSE(table.LongerPossible({0}, "92"));
  EXPECT_TRUE(table.LongerPossible({0, 1}, "81"));
}

// Whole plans, small numbers: the reference writes down every string that a
// pattern matches, and the compiled table must choose as it does. 2000 plans
// of 10 patterns with 12 numbers each: 240 000 pairs.
TEST(RouteTableTest, AgreesWithBruteForce) {
  PatternMaker make(20261121);
  size_t pairs = 0;
  size_t matched = 0;
  for (int plan = 0; plan < 2000; ++plan) {
    std::vector<RouteTable::Row> rows;
    std::vector<ReferencePattern> references;
    for (int i = 0; i < 10; ++i) {
      std::string text = make.Pattern(4, 2);
      // The reference knows no numbers, so it takes a '+' anywhere.
      if (!DialPattern::Parse(text).ok()) text = "12XX";
      rows.push_back(Row(static_cast<uint32_t>(make.Below(3)), text));
      references.emplace_back(text);
    }
    const RouteTable table(rows);
    // Counted when first needed, by pattern and length.
    std::vector<std::vector<std::optional<size_t>>> counts(
        10, std::vector<std::optional<size_t>>(4));
    for (int n = 0; n < 12; ++n) {
      const std::string number = make.Number(1 + make.Below(3));
      const std::vector<uint32_t> spaces = make.Below(2) == 0
                                               ? std::vector<uint32_t>{0, 1, 2}
                                               : std::vector<uint32_t>{2, 0};
      using Choice = std::tuple<size_t, size_t, size_t>;  // count, rank, row
      std::optional<Choice> want;
      std::set<uint32_t> want_matches;
      for (size_t i = 0; i < rows.size(); ++i) {
        ++pairs;
        const bool matches = references[i].Matches(number);
        EXPECT_EQ(rows[i].pattern.Matches(number), matches)
            << rows[i].pattern.text() << " " << number;
        if (!matches) continue;
        ++matched;
        auto& count = counts[i][number.size()];
        if (!count.has_value()) {
          count = references[i].Strings(number.size()).size();
        }
        EXPECT_EQ(rows[i].pattern.CountStrings(number.size()),
                  MatchCount(*count))
            << rows[i].pattern.text() << " " << number.size();
        for (size_t rank = 0; rank < spaces.size(); ++rank) {
          if (spaces[rank] != rows[i].space) continue;
          want_matches.insert(static_cast<uint32_t>(i));
          const Choice choice(*count, rank, i);
          if (!want.has_value() || choice < *want) want = choice;
        }
      }
      const auto got = table.Find(spaces, number);
      ASSERT_EQ(got.has_value(), want.has_value()) << number;
      if (got.has_value()) {
        EXPECT_EQ(got->row, std::get<2>(*want)) << number;
        EXPECT_EQ(got->rank, std::get<1>(*want)) << number;
      }
      std::set<uint32_t> got_matches;
      for (const uint32_t space : spaces) {
        table.ForEachMatch(space, number, [&](uint32_t row) {
          EXPECT_TRUE(got_matches.insert(row).second) << "visited twice";
        });
      }
      EXPECT_EQ(got_matches, want_matches) << number;
    }
  }
  EXPECT_GE(pairs, 200'000u);
  EXPECT_GT(matched, 10'000u);  // the generator makes them meet
}

// Long patterns and numbers, where strings cannot be written down: matching
// only, by backtracking.
TEST(RouteTableTest, AgreesWithBacktrackingOnLongNumbers) {
  PatternMaker make(7);
  size_t matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = make.Pattern(12, 4);
    const absl::StatusOr<DialPattern> pattern = DialPattern::Parse(text);
    if (!pattern.ok()) continue;
    const ReferencePattern reference(text);
    const RouteTable table({{0, *pattern}});
    for (int n = 0; n < 5; ++n) {
      const std::string number = make.Number(1 + make.Below(16));
      const bool want = reference.Matches(number);
      matched += want ? 1 : 0;
      EXPECT_EQ(pattern->Matches(number), want) << text << " " << number;
      EXPECT_EQ(table.Find({0}, number).has_value(), want)
          << text << " " << number;
      EXPECT_EQ(pattern->MatchedPrefix(number) == number.size() &&
                    (want || table.LongerPossible({0}, number)),
                pattern->MatchedPrefix(number) == number.size())
          << text << " " << number;
    }
  }
  EXPECT_GT(matched, 500u);
}

// Hostile plans cost no more than their size: every node is visited once a
// symbol, however many ways lead to it.
TEST(RouteTableTest, ManyOverlappingLoops) {
  std::vector<RouteTable::Row> rows;
  for (int i = 1; i <= 40; ++i) {
    std::string text;
    for (int j = 0; j < i; ++j) text += "X?";
    rows.push_back(Row(0, text + "#"));
  }
  const RouteTable table(std::move(rows));
  const std::string number = std::string(47, '5') + "#";
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(table.Find({0}, number).has_value());
  }
  EXPECT_EQ(table.Find({0}, number)->row, 0u);
}

}  // namespace
}  // namespace sallyport
