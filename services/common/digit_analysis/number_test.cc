#include "services/common/digit_analysis/number.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace sallyport {
namespace {

struct Case {
  const char* name;
  const char* text;
  const char* want;  // nullptr means "rejected"
};

class NumberParseTest : public testing::TestWithParam<Case> {};

TEST_P(NumberParseTest, AcceptsOrRejects) {
  const absl::StatusOr<Number> got = Number::Parse(GetParam().text);
  if (GetParam().want == nullptr) {
    EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(got.status().message().empty());
    return;
  }
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->text(), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Rfc3966, NumberParseTest,
    testing::Values(
        Case{"Digits", "1320", "1320"},
        Case{"Global", "+14155550100", "+14155550100"},
        Case{"VisualSeparators", "+1-(415).555-0100", "+14155550100"},
        Case{"PlusAfterSeparator", "(+1)5", "+15"},
        Case{"StarPound", "*98#", "*98#"}, Case{"Dtmf", "aBcD0", "ABCD0"},
        Case{"Empty", "", nullptr}, Case{"PlusAlone", "+", nullptr},
        Case{"SeparatorsAlone", "-.()", nullptr},
        Case{"PlusInside", "1+2", nullptr}, Case{"Name", "alice", nullptr},
        Case{"Space", "1 2", nullptr}, Case{"HighBit", "1\xc3\xa9", nullptr}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(NumberTest, LengthIsCapped) {
  EXPECT_TRUE(Number::Parse(std::string(kMaxNumberLength, '1')).ok());
  EXPECT_FALSE(Number::Parse(std::string(kMaxNumberLength + 1, '1')).ok());
  // Separators do not count.
  EXPECT_TRUE(Number::Parse(std::string(kMaxNumberLength, '1') + "---").ok());
}

TEST(NumberTest, SymbolsAndCharactersAreInverse) {
  for (int s = 0; s < kDialSymbols; ++s) {
    EXPECT_EQ(DialSymbolOf(DialCharOf(s)), s);
  }
  EXPECT_EQ(DialSymbolOf('E'), -1);
  EXPECT_EQ(DialSymbolOf('X'), -1);
  EXPECT_EQ(DialSymbolOf('\0'), -1);
}

}  // namespace
}  // namespace sallyport
