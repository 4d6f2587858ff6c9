#include "services/common/digit_analysis/transform.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

struct MaskCase {
  const char* name;
  const char* mask;
  const char* number;
  const char* want;
};

class ApplyMaskTest : public testing::TestWithParam<MaskCase> {};

TEST_P(ApplyMaskTest, IsRightAligned) {
  EXPECT_EQ(ApplyMask(GetParam().mask, GetParam().number), GetParam().want);
}

// protocols.md section 11.3.
INSTANTIATE_TEST_SUITE_P(
    Section11_3, ApplyMaskTest,
    testing::Values(MaskCase{"None", "", "1234", "1234"},
                    MaskCase{"KeepsAll", "XXXX", "1234", "1234"},
                    MaskCase{"Replaces", "55XX", "1234", "5534"},
                    MaskCase{"CutsLeft", "XX", "1234", "34"},
                    MaskCase{"Fixed", "5000", "1234", "5000"},
                    MaskCase{"Adds", "+1201555XXXX", "1234", "+12015551234"},
                    MaskCase{"Inside", "1X5X", "1234", "1254"},
                    MaskCase{"NumberTooShort", "55XXXX", "12", "5512"}),
    [](const auto& info) { return std::string(info.param.name); });

struct DiscardCase {
  const char* name;
  DiscardDigits discard;
  const char* pattern;
  const char* number;
  const char* want;
};

class ApplyDiscardTest : public testing::TestWithParam<DiscardCase> {};

TEST_P(ApplyDiscardTest, TakesOff) {
  const auto pattern = DialPattern::Parse(GetParam().pattern);
  ASSERT_TRUE(pattern.ok());
  ASSERT_TRUE(pattern->Matches(GetParam().number));
  EXPECT_EQ(ApplyDiscard(GetParam().discard, *pattern, GetParam().number),
            GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Section11_3, ApplyDiscardTest,
    testing::Values(
        DiscardCase{"NoDigits", DiscardDigits::kNone, "9.!", "9123", "9123"},
        DiscardCase{"PreDot", DiscardDigits::kPreDot, "9.!", "9123", "123"},
        DiscardCase{"PreDotLong", DiscardDigits::kPreDot, "9011.!#", "901144#",
                    "44#"},
        DiscardCase{"PreDotNoDot", DiscardDigits::kPreDot, "9!", "9123",
                    "9123"},
        DiscardCase{"TrailingPound", DiscardDigits::kTrailingPound, "9.!#",
                    "9123#", "9123"},
        DiscardCase{"TrailingPoundNone", DiscardDigits::kTrailingPound, "9.!",
                    "9123", "9123"},
        DiscardCase{"Both", DiscardDigits::kPreDotTrailingPound, "9.!#",
                    "9123#", "123"},
        DiscardCase{"NothingLeft", DiscardDigits::kPreDotTrailingPound, "9.#",
                    "9#", ""}),
    [](const auto& info) { return std::string(info.param.name); });

// The table of discard digits instructions of the system guide, its examples
// among them; each number is read by the one form that fits it.
TEST(TransformTest, InstructionsOfTheNumberingPlan) {
  struct Case {
    DiscardDigits discard;
    const char* pattern;
    const char* number;
    const char* want;
  };
  using D = DiscardDigits;
  for (const Case& c : {
           Case{D::k1010Dialing, "9.@", "910102889728135000", "99728135000"},
           Case{D::k1010DialingTrailingPound, "9.@", "9101028801181910555#",
                "901181910555"},
           Case{D::k11d10dTo7d, "9.@", "919728135000", "98135000"},
           Case{D::k11d10dTo7d, "9.@", "99728135000", "98135000"},
           Case{D::k11d10dTo7d, "9.@", "9101028819728135000", "98135000"},
           Case{D::k11d10dTo7dTrailingPound, "9.@", "919728135000", "98135000"},
           Case{D::k11dTo10d, "9.@", "919728135000", "99728135000"},
           Case{D::k11dTo10d, "9.@", "909728135000", "99728135000"},
           Case{D::kIntlTollBypass, "9.5@", "95011331234#", "951234#"},
           Case{D::kIntlTollBypassTrailingPound, "9.5@", "95011331234#",
                "951234"},
           Case{D::kIntlTollBypass, "9.@", "90133123456", "9123456"},
           Case{D::kIntlAccessIntlDirectDial, "9.@", "9011442055551122",
                "9442055551122"},
           Case{D::kPreDotIntlAccessIntlDirectDialTrailingPound, "9.@",
                "9011442055551122#", "442055551122"},
           Case{D::kPreAt, "9.5@", "9512145551212", "12145551212"},
           Case{D::kPreAtTrailingPound, "9.5@", "95011331234#", "011331234"},
           Case{D::kPreDot, "9.5@", "9512145551212", "512145551212"},
           Case{D::kPreAt11dTo10d, "9.5@", "9512145551212", "2145551212"},
           Case{D::kPreAt11d10dTo7d, "9.5@", "9512145551212", "5551212"},
           Case{D::kPreDot11d10dTo7d, "9.5@", "9512145551212", "55551212"},
           Case{D::kPreDot1010Dialing, "9.@", "9101028812145551212",
                "12145551212"},
           Case{D::kPreDotIntlTollBypass, "9.@", "9011331234", "1234"},
           Case{D::kPreAt, "9.@", "9911", "911"},
           Case{D::k11d10dTo7d, "9.@", "9911", "9911"},
       }) {
    const auto patterns = ParsePatterns(c.pattern, "nanp");
    ASSERT_TRUE(patterns.ok());
    size_t readings = 0;
    for (const DialPattern& pattern : *patterns) {
      if (!pattern.Matches(c.number)) continue;
      ++readings;
      EXPECT_EQ(ApplyDiscard(c.discard, pattern, c.number), c.want)
          << DiscardDigitsName(c.discard) << " of " << c.number;
    }
    EXPECT_EQ(readings, 1u) << c.number;
  }
}

TEST(TransformTest, EveryInstructionHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(kLastDiscardDigits); ++i) {
    const auto discard = static_cast<DiscardDigits>(i);
    const DiscardRule rule = RuleOf(discard);
    EXPECT_TRUE(names.insert(DiscardDigitsName(discard)).second);
    EXPECT_EQ(rule.needs_dot(), DiscardDigitsName(discard).find("PreDot") == 0);
  }
  EXPECT_EQ(names.size(), 36u);
  EXPECT_EQ(DiscardDigitsName(DiscardDigits::kPreAt11d10dTo7dTrailingPound),
            "PreAt 11/10D->7D Trailing-#");
}

TEST(TransformTest, MasksAndPrefixesAreChecked) {
  EXPECT_THAT(CheckMask(""), IsOk());
  EXPECT_THAT(CheckMask("+1X*#D"), IsOk());
  EXPECT_THAT(CheckMask("1+"), HasReason("MASK_INVALID"));
  EXPECT_THAT(CheckMask("12x"), HasReason("MASK_INVALID"));
  EXPECT_THAT(CheckMask(std::string(49, 'X')), HasReason("MASK_INVALID"));
  EXPECT_THAT(CheckPrefix("+49"), IsOk());
  EXPECT_THAT(CheckPrefix("X"), HasReason("PREFIX_INVALID"));
  EXPECT_THAT(CheckPrefix("4 9"), HasReason("PREFIX_INVALID"));
}

TEST(TransformTest, NamesAsTheDocumentsWriteThem) {
  EXPECT_EQ(DiscardDigitsName(DiscardDigits::kNone), "NoDigits");
  EXPECT_EQ(DiscardDigitsName(DiscardDigits::kPreDot), "PreDot");
  EXPECT_EQ(DiscardDigitsName(DiscardDigits::kPreDotTrailingPound),
            "PreDot Trailing-#");
  EXPECT_EQ(DiscardDigitsName(DiscardDigits::kTrailingPound), "Trailing-#");
}

}  // namespace
}  // namespace sallyport
