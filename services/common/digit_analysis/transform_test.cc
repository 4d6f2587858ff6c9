#include "services/common/digit_analysis/transform.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/digit_analysis/dial_pattern.h"
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
