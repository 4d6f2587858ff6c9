#include "services/common/digit_analysis/cover_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/reference_matcher.h"

namespace sallyport {
namespace {

using State = CoverAnswer::State;

// A list of patterns, each with whether it wins ties.
class ListSource final : public CoverSource {
 public:
  void Add(const std::string& text, bool wins_ties) {
    const auto pattern = DialPattern::Parse(text);
    ASSERT_TRUE(pattern.ok()) << text << ": " << pattern.status();
    std::string digits;
    bool exact = true;
    for (const PatternElement& element : pattern->elements()) {
      if (element.repeat != PatternElement::Repeat::kOnce ||
          (element.symbols & (element.symbols - 1)) != 0) {
        exact = false;
        break;
      }
      int symbol = 0;
      while ((element.symbols >> symbol & 1) == 0) ++symbol;
      digits.push_back(DialCharOf(symbol));
    }
    rows_.push_back({digits, exact, *pattern, wins_ties});
  }

  bool AnyBelow(std::string_view digits) const override {
    return std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
      return row.digits.compare(0, digits.size(), digits) == 0;
    });
  }
  void ForEachAt(std::string_view digits, Visit visit) const override {
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].exact || rows_[i].digits != digits) continue;
      visit(rows_[i].pattern, rows_[i].wins_ties, static_cast<uint32_t>(i));
    }
  }
  Exact ExactAt(std::string_view number, uint32_t* id) const override {
    Exact out = Exact::kNone;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (!rows_[i].exact || rows_[i].digits != number) continue;
      *id = static_cast<uint32_t>(i);
      if (rows_[i].wins_ties) return Exact::kWinsTies;
      out = Exact::kLosesTies;
    }
    return out;
  }

 private:
  struct Row {
    std::string digits;
    bool exact;
    DialPattern pattern;
    bool wins_ties;
  };
  std::vector<Row> rows_;
};

CoverAnswer Search(const std::string& text, const ListSource& others,
                   size_t steps = 1000000) {
  CoverBudget budget{steps};
  return SearchUncovered(*DialPattern::Parse(text), others, budget);
}

// `wins` take ties, `loses` do not.
State StateOf(const std::string& text, const std::vector<std::string>& wins,
              const std::vector<std::string>& loses = {}) {
  ListSource source;
  for (const std::string& other : wins) source.Add(other, true);
  for (const std::string& other : loses) source.Add(other, false);
  return Search(text, source).state;
}

TEST(CoverSearch, NothingElseLeavesItAll) {
  EXPECT_EQ(StateOf("9.!", {}), State::kOpen);
  EXPECT_EQ(StateOf("1234", {}), State::kOpen);
}

TEST(CoverSearch, OthersTogetherLeaveNothing) {
  EXPECT_EQ(StateOf("1XXX", {}, {"1[0-4]XX", "1[5-9]XX"}), State::kCovered);
  EXPECT_EQ(StateOf("1XXX", {}, {"1[0-4]XX", "1[6-9]XX"}), State::kOpen);
  EXPECT_EQ(StateOf("[2-4]X", {}, {"2X", "3X", "4[^0]", "40"}),
            State::kCovered);
  EXPECT_EQ(StateOf("[2-4]X", {}, {"2X", "3X", "4[^0]"}), State::kOpen);
  // Ten extensions leave nothing to a pattern of ten numbers.
  ListSource source;
  for (int i = 0; i < 10; ++i) source.Add(absl::StrCat("50", i), false);
  EXPECT_EQ(Search("50X", source).state, State::kCovered);
  EXPECT_EQ(Search("5XX", source).state, State::kOpen);
}

TEST(CoverSearch, SaysWhoLeavesNothing) {
  ListSource source;
  for (const char* text : {"7XX", "20", "2[1-9]", "[23]X", "2!"}) {
    source.Add(text, false);
  }
  CoverAnswer answer = Search("2X", source);
  EXPECT_EQ(answer.state, State::kCovered);
  EXPECT_THAT(answer.winners, testing::UnorderedElementsAre(1, 2));
}

TEST(CoverSearch, TiesAreTakenByOneOfThem) {
  EXPECT_EQ(StateOf("9011XXX", {"9011!"}), State::kCovered);
  EXPECT_EQ(StateOf("9011XXX", {}, {"9011!"}), State::kOpen);
  EXPECT_EQ(StateOf("[12]X", {"[21]X"}), State::kCovered);
  // One string of each length: as close as the number itself.
  EXPECT_EQ(StateOf("11", {"1+"}), State::kCovered);
  EXPECT_EQ(StateOf("11", {}, {"1+"}), State::kOpen);
}

TEST(CoverSearch, WhatMatchesMoreTakesNothing) {
  EXPECT_EQ(StateOf("1[3-4]XX", {"!"}), State::kOpen);
  // protocols.md section 11.2: 13! is closer on 1320 than 1[3-4]XX.
  EXPECT_EQ(StateOf("1[3-4]XX", {}, {"13!"}), State::kOpen);
  EXPECT_EQ(StateOf("1[3-4]XX", {}, {"13!", "14!"}), State::kCovered);
}

TEST(CoverSearch, EachLengthIsLookedAt) {
  // The others end: what is longer is left.
  EXPECT_EQ(StateOf("9!", {"9X", "9XX", "9XXX"}), State::kOpen);
  EXPECT_EQ(StateOf("9!", {"9X", "9X!"}), State::kCovered);
  EXPECT_EQ(StateOf("9[0-3]?", {"9", "9[0-3]", "9[0-3][0-3]+"}),
            State::kCovered);
  EXPECT_EQ(StateOf("9[0-3]?", {"9[0-3]", "9[0-3][0-3]+"}), State::kOpen);
}

TEST(CoverSearch, APlusIsOnlyEverInFront) {
  EXPECT_EQ(StateOf("1[2+]", {"12"}), State::kCovered);
  EXPECT_EQ(StateOf("[2+]", {"2"}), State::kCovered);
  EXPECT_EQ(StateOf("[2+]X", {"2X"}), State::kOpen);
}

// What it decides can encode any formula, here clauses of three of 30 bits:
// it says that it cannot tell, in time.
TEST(CoverSearch, CostIsBounded) {
  constexpr size_t kPlaces = 30;
  PatternMaker make(7);
  ListSource source;
  for (int clause = 0; clause < 140; ++clause) {
    std::vector<std::string> places(kPlaces, "[01]");
    for (int i = 0; i < 3; ++i) {
      places[make.Below(kPlaces)] = make.Below(2) == 0 ? "0" : "1";
    }
    source.Add(absl::StrJoin(places, ""), false);
  }
  const std::string subject =
      absl::StrJoin(std::vector<std::string>(kPlaces, "[01]"), "");
  CoverBudget budget{40000};
  EXPECT_EQ(SearchUncovered(*DialPattern::Parse(subject), source, budget).state,
            State::kUnknown);
  EXPECT_EQ(budget.left, 0u);
}

// Every plan of a few patterns against every string written down.
TEST(CoverSearch, AgreesWithWhatEveryStringSays) {
  size_t covered = 0;
  size_t open = 0;
  PatternMaker make(20261122);
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::string> texts;
    while (texts.size() < 7) {
      std::string text = make.Pattern(3, 1);
      if (DialPattern::Parse(text).ok()) texts.push_back(std::move(text));
    }
    // Half of the time something that others may well leave nothing to.
    if (round % 2 == 0) texts[0] = round % 4 == 0 ? "1[0-1]" : "[01]?";
    const auto subject = DialPattern::Parse(texts[0]);
    if (!subject.ok()) continue;
    const ReferencePattern reference(texts[0]);
    ListSource source;
    std::vector<std::pair<ReferencePattern, bool>> others;
    for (size_t i = 1; i < texts.size(); ++i) {
      const bool wins = make.Below(2) == 0;
      source.Add(texts[i], wins);
      others.emplace_back(ReferencePattern(texts[i]), wins);
    }
    CoverBudget budget{1000000};
    const CoverAnswer answer = SearchUncovered(*subject, source, budget);
    ASSERT_NE(answer.state, State::kUnknown);
    const auto left_to_it = [&](const std::string& number) {
      const double own = reference.Count(number.size());
      return std::none_of(others.begin(), others.end(), [&](const auto& other) {
        if (!other.first.Matches(number)) return false;
        const double count = other.first.Count(number.size());
        return count < own || (count == own && other.second);
      });
    };
    if (answer.state == State::kOpen) {
      ++open;
      EXPECT_TRUE(Number::Parse(answer.number).ok()) << answer.number;
      EXPECT_TRUE(reference.Matches(answer.number))
          << texts[0] << " " << answer.number;
      EXPECT_TRUE(left_to_it(answer.number))
          << absl::StrCat(texts[0], " beside ", texts[1], " ", texts[2], " ",
                          texts[3], "... takes ", answer.number);
      continue;
    }
    ++covered;
    for (size_t length = 1; length <= 4; ++length) {
      for (const std::string& number : reference.Strings(length)) {
        if (!Number::Parse(number).ok()) continue;
        ASSERT_FALSE(left_to_it(number)) << texts[0] << " takes " << number;
      }
    }
  }
  EXPECT_GT(covered, 80u);
  EXPECT_GT(open, 1000u);
}

}  // namespace
}  // namespace sallyport
