#include "services/common/digit_analysis/dial_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

DialPattern Must(const char* text) {
  absl::StatusOr<DialPattern> pattern = DialPattern::Parse(text);
  EXPECT_TRUE(pattern.ok()) << text << ": " << pattern.status();
  return *std::move(pattern);
}

struct MatchCase {
  const char* name;
  const char* pattern;
  const char* number;
  bool matches;
};

class MatchTest : public testing::TestWithParam<MatchCase> {};

TEST_P(MatchTest, MatchesOrNot) {
  EXPECT_EQ(Must(GetParam().pattern).Matches(GetParam().number),
            GetParam().matches);
}

// protocols.md section 11.1, one row of its table after the other.
INSTANTIATE_TEST_SUITE_P(
    Characters, MatchTest,
    testing::Values(MatchCase{"XIsADigit", "1X", "19", true},
                    MatchCase{"XIsNoStar", "1X", "1*", false},
                    MatchCase{"BangOne", "9!", "91", true},
                    MatchCase{"BangMany", "9!", "9123456789", true},
                    MatchCase{"BangNotNone", "9!", "9", false},
                    MatchCase{"BangNoPound", "9!", "91#", false},
                    MatchCase{"BangThenPound", "9!#", "91#", true},
                    MatchCase{"QuestionNone", "12?3", "13", true},
                    MatchCase{"QuestionMany", "12?3", "12223", true},
                    MatchCase{"QuestionOther", "12?3", "143", false},
                    MatchCase{"QuestionAtEndNone", "12?", "1", true},
                    MatchCase{"PlusOne", "12+3", "123", true},
                    MatchCase{"PlusMany", "12+3", "12223", true},
                    MatchCase{"PlusNotNone", "12+3", "13", false},
                    MatchCase{"PlusOfClass", "[12]+", "1212", true},
                    MatchCase{"PlusOfClassOther", "[12]+", "123", false},
                    MatchCase{"QuestionOfX", "1X?#", "1#", true},
                    MatchCase{"EscapedPlus", "\\+1X", "+15", true},
                    MatchCase{"EscapedPlusMissing", "\\+1X", "15", false},
                    MatchCase{"Range", "[2-4]", "3", true},
                    MatchCase{"RangeEdge", "[2-4]", "4", true},
                    MatchCase{"RangeOutside", "[2-4]", "5", false},
                    MatchCase{"ClassMixed", "[1-35*]", "*", true},
                    MatchCase{"ClassMixedOutside", "[1-35*]", "4", false},
                    MatchCase{"Negated", "1[^3-5]", "12", true},
                    MatchCase{"NegatedInside", "1[^3-5]", "14", false},
                    MatchCase{"NegatedIsOverDigits", "1[^3-5]", "1*", false},
                    MatchCase{"DotConsumesNothing", "9.1X", "912", true},
                    MatchCase{"DotIsNoDigit", "9.1X", "9.12", false},
                    MatchCase{"StarPound", "*9#", "*9#", true},
                    MatchCase{"Dtmf", "A1D", "A1D", true},
                    MatchCase{"TooShort", "1XXX", "132", false},
                    MatchCase{"TooLong", "1XXX", "13200", false},
                    MatchCase{"NoSymbol", "X!", "12a", false}),
    [](const auto& info) { return std::string(info.param.name); });

struct ErrorCase {
  const char* name;
  const char* pattern;
  const char* reason;
  const char* message;
};

class ParseErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(ParseErrorTest, IsPrecise) {
  const absl::Status status = DialPattern::Parse(GetParam().pattern).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ReasonOf(status), GetParam().reason);
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, ParseErrorTest,
    testing::Values(
        ErrorCase{"Empty", "", "PATTERN_EMPTY", "empty"},
        ErrorCase{"OnlyDot", ".", "PATTERN_EMPTY", "nothing to match"},
        ErrorCase{"Letter", "12Z", "PATTERN_BAD_CHARACTER", "character 3"},
        ErrorCase{"SmallX", "9x", "PATTERN_BAD_CHARACTER", "write 'X'"},
        ErrorCase{"Space", "1 2", "PATTERN_BAD_CHARACTER", "character 2"},
        ErrorCase{"Dash", "1-2", "PATTERN_BAD_CHARACTER", "character 2"},
        ErrorCase{"Backslash", "1\\2", "PATTERN_BAD_CHARACTER", "character 2"},
        ErrorCase{"BackslashAtEnd", "1\\", "PATTERN_BAD_CHARACTER", "2"},
        ErrorCase{"At", "9.@", "PATTERN_NUMBERING_PLAN_UNAVAILABLE",
                  "character 3"},
        ErrorCase{"OpenClass", "1[23", "PATTERN_BAD_CLASS", "character 2"},
        ErrorCase{"CloseAlone", "12]", "PATTERN_BAD_CLASS", "character 3"},
        ErrorCase{"EmptyClass", "1[]", "PATTERN_BAD_CLASS", "empty class"},
        ErrorCase{"Backwards", "[4-2]", "PATTERN_BAD_CLASS", "backwards"},
        ErrorCase{"OpenRange", "[4-]", "PATTERN_BAD_CLASS", "character 3"},
        ErrorCase{"LeadingDash", "[-4]", "PATTERN_BAD_CLASS", "character 2"},
        ErrorCase{"RangeOfStars", "[*-#]", "PATTERN_BAD_CLASS", "character 3"},
        ErrorCase{"CaretInside", "[1^2]", "PATTERN_BAD_CLASS", "first"},
        ErrorCase{"SecondNegation", "[^1][^2]", "PATTERN_BAD_CLASS", "second"},
        ErrorCase{"ExcludesAll", "[^0-9]", "PATTERN_BAD_CLASS",
                  "matches nothing"},
        ErrorCase{"NegatedNothing", "[^]", "PATTERN_BAD_CLASS", "empty class"},
        ErrorCase{"NestedClass", "[[1]]", "PATTERN_BAD_CLASS", "character 2"},
        ErrorCase{"PlusFirst", "+1", "PATTERN_BAD_REPEAT", "character 1"},
        ErrorCase{"QuestionFirst", "?1", "PATTERN_BAD_REPEAT", "character 1"},
        ErrorCase{"RepeatOfBang", "1!?", "PATTERN_BAD_REPEAT", "character 3"},
        ErrorCase{"RepeatTwice", "1X+?", "PATTERN_BAD_REPEAT", "character 4"},
        ErrorCase{"RepeatOfDot", "9.+", "PATTERN_BAD_REPEAT", "character 3"},
        ErrorCase{"TwoDots", "9.1.X", "PATTERN_TWO_DOTS", "character 4"},
        ErrorCase{"PlusInside", "9\\+1", "PATTERN_NEVER_MATCHES", "plus"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(DialPatternTest, LengthsAreCapped) {
  EXPECT_TRUE(DialPattern::Parse(std::string(kMaxPatternElements, 'X')).ok());
  EXPECT_EQ(
      ReasonOf(DialPattern::Parse(std::string(kMaxPatternElements + 1, 'X'))
                   .status()),
      "PATTERN_TOO_LONG");
  EXPECT_EQ(
      ReasonOf(
          DialPattern::Parse(std::string(kMaxPatternLength + 1, 'X')).status()),
      "PATTERN_TOO_LONG");
}

// A pattern that would need 2^k states to count is refused, and quickly.
TEST(DialPatternTest, CatastrophicPatternsAreRefused) {
  std::string text = "[01]?1";
  for (int i = 0; i < 20; ++i) text += "[01]";
  text += "X?";
  EXPECT_EQ(ReasonOf(DialPattern::Parse(text).status()), "PATTERN_TOO_COMPLEX");
  // With one open element the count is a product: no states are needed.
  std::string one = "[01]?1";
  for (int i = 0; i < 20; ++i) one += "[01]";
  EXPECT_TRUE(DialPattern::Parse(one).ok());
  // Many open elements of one kind are harmless.
  std::string stars;
  for (size_t i = 0; i < kMaxPatternElements; ++i) stars += "X?";
  const DialPattern pattern = Must(stars.c_str());
  EXPECT_TRUE(pattern.Matches(std::string(kMaxNumberLength, '7')));
  EXPECT_EQ(pattern.CountStrings(3), MatchCount(1000));
}

// protocols.md section 11.2, its own example: on 1320, 100 against 200.
TEST(DialPatternTest, CountsForTheLengthDialled) {
  EXPECT_EQ(Must("13!").CountStrings(4), MatchCount(100));
  EXPECT_EQ(Must("1[3-4]XX").CountStrings(4), MatchCount(200));
  EXPECT_EQ(Must("1[3-4]XX").CountStrings(5), MatchCount(0));
  EXPECT_EQ(Must("13!").CountStrings(2), MatchCount(0));
  EXPECT_EQ(Must("13!").CountStrings(3), MatchCount(10));
  EXPECT_EQ(Must("1[^4]X?").CountStrings(2), MatchCount(9));
  EXPECT_EQ(Must("1[^4]X?").CountStrings(3), MatchCount(90));
  EXPECT_EQ(Must("9.!").CountStrings(12).ToString(), "100000000000");
  // Strings are counted, not ways to match them: "!!" is 10^n like "!".
  EXPECT_EQ(Must("!!").CountStrings(4), MatchCount(10000));
  EXPECT_EQ(Must("!!").CountStrings(1), MatchCount(0));
  EXPECT_EQ(Must("1?1?").CountStrings(5), MatchCount(1));
}

TEST(DialPatternTest, Shape) {
  EXPECT_EQ(Must("9.1[2-9]X!").min_length(), 5u);
  EXPECT_TRUE(Must("9.!").open_ended());
  EXPECT_FALSE(Must("9.X").open_ended());
  EXPECT_TRUE(Must("9.X").has_dot());
  EXPECT_FALSE(Must("9X").has_dot());
  EXPECT_EQ(Must("9.X").text(), "9.X");
  EXPECT_EQ(Must("X?").min_length(), 0u);
}

TEST(DialPatternTest, PreDot) {
  EXPECT_EQ(Must("9.XXXX").PreDotLength("91234"), 1u);
  EXPECT_EQ(Must("9011.!#").PreDotLength("90114412#"), 4u);
  EXPECT_EQ(Must("XXXX").PreDotLength("1234"), 0u);
  EXPECT_EQ(Must(".XX").PreDotLength("12"), 0u);
  EXPECT_EQ(Must("12.").PreDotLength("12"), 2u);
  // A choice: the fewest.
  EXPECT_EQ(Must("9!.X?").PreDotLength("91234"), 2u);
  EXPECT_EQ(Must("9!.#").PreDotLength("91234#"), 5u);
}

TEST(DialPatternTest, MatchedPrefix) {
  EXPECT_EQ(Must("9.1XX").MatchedPrefix("912"), 3u);
  EXPECT_EQ(Must("9.1XX").MatchedPrefix("9222"), 1u);
  EXPECT_EQ(Must("9.1XX").MatchedPrefix("9122"), 4u);
  EXPECT_EQ(Must("9.1XX").MatchedPrefix("91223"), 4u);
  EXPECT_EQ(Must("9.1XX").MatchedPrefix("8"), 0u);
}

}  // namespace
}  // namespace sallyport
