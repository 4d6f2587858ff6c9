// The compiled matcher against an independent reading of the rules, over
// generated plans and numbers: 1 200 000 pairs of a pattern and a number in the
// ordinary run. SALLYPORT_MATCHER_ROUNDS=100 in the environment does a hundred
// times as many, from other seeds.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/reference_matcher.h"
#include "services/common/digit_analysis/route_table.h"

namespace sallyport {
namespace {

unsigned Rounds() {
  const char* text = std::getenv("SALLYPORT_MATCHER_ROUNDS");
  const int rounds = text == nullptr ? 1 : std::atoi(text);
  return rounds < 1 ? 1 : static_cast<unsigned>(rounds);
}

// Counts what was compared, and that the generator makes them meet.
struct Tally {
  size_t pairs = 0;
  size_t matched = 0;
  size_t chosen = 0;
};

// One plan of 40 patterns in three spaces, with 50 numbers of up to three
// symbols: the reference writes down every string that a pattern matches.
void ComparePlan(PatternMaker& make, Tally& tally) {
  constexpr size_t kPatterns = 40;
  constexpr size_t kNumbers = 50;
  struct Row {
    uint32_t space;
    DialPattern pattern;
    ReferencePattern reference;
    std::map<size_t, std::set<std::string>> strings;  // by length
  };
  std::vector<Row> rows;
  RouteTable::Builder builder;
  while (rows.size() < kPatterns) {
    const std::string text = make.Pattern(4, 2);
    const auto pattern = DialPattern::Parse(text);
    // The reference knows no numbers, so it takes a '+' anywhere.
    if (!pattern.ok()) continue;
    const auto space = static_cast<uint32_t>(make.Below(3));
    ASSERT_EQ(builder.Add(space, *pattern), rows.size());
    rows.push_back({space, *pattern, ReferencePattern(text), {}});
  }
  const RouteTable table = std::move(builder).Build();
  for (size_t n = 0; n < kNumbers; ++n) {
    const std::string number = make.Number(1 + make.Below(3));
    const std::vector<uint32_t> spaces = make.Below(2) == 0
                                             ? std::vector<uint32_t>{0, 1, 2}
                                             : std::vector<uint32_t>{2, 0};
    using Choice = std::tuple<size_t, size_t, size_t>;  // count, rank, row
    std::optional<Choice> want;
    std::set<uint32_t> want_matches;
    bool longer = false;
    for (size_t i = 0; i < rows.size(); ++i) {
      Row& row = rows[i];
      ++tally.pairs;
      auto it = row.strings.find(number.size());
      if (it == row.strings.end()) {
        it = row.strings
                 .emplace(number.size(), row.reference.Strings(number.size()))
                 .first;
        ASSERT_EQ(row.pattern.CountStrings(number.size()),
                  MatchCount(it->second.size()))
            << row.pattern.text() << " " << number.size();
      }
      const bool matches = it->second.count(number) != 0;
      ASSERT_EQ(row.reference.Matches(number), matches);
      ASSERT_EQ(row.pattern.Matches(number), matches)
          << row.pattern.text() << " " << number;
      for (size_t rank = 0; rank < spaces.size(); ++rank) {
        if (spaces[rank] != row.space) continue;
        longer = longer || row.reference.MatchesLonger(number);
        if (!matches) continue;
        ++tally.matched;
        want_matches.insert(static_cast<uint32_t>(i));
        const Choice choice(it->second.size(), rank, i);
        if (!want.has_value() || choice < *want) want = choice;
      }
    }
    const auto got = table.Find(spaces, number);
    ASSERT_EQ(got.has_value(), want.has_value()) << number;
    if (got.has_value()) {
      ++tally.chosen;
      ASSERT_EQ(got->row, std::get<2>(*want)) << number;
      ASSERT_EQ(got->rank, std::get<1>(*want)) << number;
      ASSERT_EQ(got->count, MatchCount(std::get<0>(*want))) << number;
    }
    std::set<uint32_t> got_matches;
    for (const uint32_t space : spaces) {
      table.ForEachMatch(space, number, [&](uint32_t row) {
        EXPECT_TRUE(got_matches.insert(row).second) << "visited twice";
      });
    }
    ASSERT_EQ(got_matches, want_matches) << number;
    ASSERT_EQ(table.LongerPossible(spaces, number), longer) << number;
  }
}

class AgreementTest : public testing::TestWithParam<unsigned> {};

TEST_P(AgreementTest, ChoosesAsTheReference) {
  constexpr int kPlans = 75;
  for (unsigned round = 0; round < Rounds(); ++round) {
    PatternMaker make(20261121 + GetParam() + 1000 * round);
    Tally tally;
    for (int plan = 0; plan < kPlans; ++plan) {
      ComparePlan(make, tally);
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(tally.pairs, 150'000u);
    EXPECT_GT(tally.matched, 5'000u);
    EXPECT_GT(tally.chosen, 1'500u);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AgreementTest, testing::Range(0u, 8u));

// Long patterns and numbers, where strings cannot be written down: matching
// only, by backtracking.
TEST(MatcherAgreementTest, MatchesLongNumbersAsBacktracking) {
  size_t matched = 0;
  for (unsigned round = 0; round < Rounds(); ++round) {
    PatternMaker make(7 + round);
    for (int i = 0; i < 20'000; ++i) {
      const std::string text = make.Pattern(12, 4);
      const auto pattern = DialPattern::Parse(text);
      if (!pattern.ok()) continue;
      const ReferencePattern reference(text);
      RouteTable::Builder builder;
      builder.Add(0, *pattern);
      const RouteTable table = std::move(builder).Build();
      for (int n = 0; n < 5; ++n) {
        const std::string number = make.Number(1 + make.Below(16));
        const bool want = reference.Matches(number);
        matched += want ? 1 : 0;
        ASSERT_EQ(pattern->Matches(number), want) << text << " " << number;
        ASSERT_EQ(table.Find({0}, number).has_value(), want)
            << text << " " << number;
        const bool longer = reference.MatchesLonger(number);
        ASSERT_EQ(table.LongerPossible({0}, number), longer)
            << text << " " << number;
        ASSERT_EQ(pattern->MatchedPrefix(number) == number.size(),
                  want || longer)
            << text << " " << number;
      }
    }
  }
  EXPECT_GT(matched, 500u);
}

// Plans with '@' among others: the reference reads the North American plan
// from its rules in words (reference_matcher.h), not from its data.
TEST(MatcherAgreementTest, ReadsTheNumberingPlanAsTheReference) {
  const std::vector<std::string> texts = {
      "9.@",        "9.!", "9.1[2-9]XX[2-9]XXXXXX", "9.011!", "9.011[1-9]!",
      "9.911",      "911", "9.[2-9]XXXXXX",         "9.0",    "9.1900XXXXXXX",
      "9.101XXXX!", "9.@"};
  const std::vector<uint32_t> space_of = {0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1};
  RouteTable::Builder builder;
  std::vector<size_t> text_of_row;
  std::vector<ReferencePattern> references;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto patterns = ParsePatterns(texts[i], "");
    ASSERT_TRUE(patterns.ok()) << patterns.status();
    references.emplace_back(texts[i]);
    for (const DialPattern& pattern : *patterns) {
      ASSERT_EQ(builder.Add(space_of[i], pattern), text_of_row.size());
      text_of_row.push_back(i);
    }
  }
  const RouteTable table = std::move(builder).Build();
  std::map<size_t, size_t> won;
  for (unsigned round = 0; round < Rounds(); ++round) {
    PatternMaker make(11 + round);
    for (int n = 0; n < 60'000; ++n) {
      const std::string number = make.NanpNumber();
      if (number.empty()) continue;
      const std::vector<uint32_t> spaces = make.Below(2) == 0
                                               ? std::vector<uint32_t>{0, 1}
                                               : std::vector<uint32_t>{1, 0};
      using Choice = std::tuple<double, size_t, size_t>;  // count, rank, text
      std::optional<Choice> want;
      for (size_t i = 0; i < texts.size(); ++i) {
        const size_t rank = spaces[0] == space_of[i] ? 0 : 1;
        std::vector<double> counts;
        if (texts[i] == "9.@") {
          if (number[0] == '9') {
            counts = ReferenceNanp::Readings(number.substr(1));
          }
        } else if (references[i].Matches(number)) {
          counts = {references[i].Count(number.size())};
        }
        for (const double count : counts) {
          const Choice choice(count, rank, i);
          if (!want.has_value() || choice < *want) want = choice;
        }
      }
      const auto got = table.Find(spaces, number);
      ASSERT_EQ(got.has_value(), want.has_value()) << number;
      if (!got.has_value()) continue;
      ASSERT_EQ(text_of_row[got->row], std::get<2>(*want)) << number;
      ASSERT_EQ(got->rank, std::get<1>(*want)) << number;
      ++won[std::get<2>(*want)];
    }
  }
  EXPECT_GT(won[0], 1000u);  // '@' itself is often the closest
  EXPECT_GT(won[1], 100u);
}

}  // namespace
}  // namespace sallyport
