#include "services/common/digit_analysis/number_changer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/digit_analysis/transform.h"

namespace sallyport {
namespace {

using testing::ElementsAre;
using Kind = TransformStep::Kind;

std::vector<Kind> KindsOf(const std::vector<TransformStep>& steps) {
  std::vector<Kind> out;
  for (const TransformStep& step : steps) out.push_back(step.kind);
  return out;
}

// protocols.md section 11.3, both sides.
TEST(NumberChangerTest, InOrder) {
  std::vector<TransformStep> steps;
  NumberChanger numbers("95551234#", "4001", &steps);
  Transformation change;
  change.discard = DiscardDigits::kPreDotTrailingPound;
  change.called_mask = "201XXXXXXX";
  change.called_prefix = "+1";
  change.use_external_mask = true;
  change.calling_mask = "1XXXXXXXXXX";
  change.calling_prefix = "*67";
  change.restrict_presentation = true;
  numbers.ChangeCalled("r", change, "9.XXXXXXX#", "", 0);
  numbers.ChangeCalling("r", change, "201555XXXX");
  EXPECT_EQ(numbers.called(), "+12015551234");
  EXPECT_EQ(numbers.calling(), "*6712015554001");
  EXPECT_TRUE(numbers.restrict_presentation());
  EXPECT_THAT(
      KindsOf(steps),
      ElementsAre(Kind::kDiscard, Kind::kMask, Kind::kPrefix, Kind::kRestrict,
                  Kind::kExternalMask, Kind::kMask, Kind::kPrefix));
  EXPECT_EQ(steps[0].resource, "r");
  EXPECT_EQ(steps[0].rule, "PreDot Trailing-#");
}

// What can be told from the text alone is what parsing tells.
TEST(NumberChangerTest, AccessCodesOfEveryShape) {
  struct Case {
    const char* pattern;
    const char* number;
    const char* want;
  };
  Transformation change;
  change.discard = DiscardDigits::kPreDot;
  for (const Case& c :
       {Case{"9.1XX", "9123", "123"}, Case{"[89]0.1XX", "90123", "123"},
        Case{"\\+1.XX", "+123", "23"}, Case{"9!.#", "9123#", "#"},
        Case{"9+.1XX", "99123", "123"}, Case{"90?.1XX", "9123", "123"},
        Case{"9XXX", "9123", "9123"}, Case{".9XX", "912", "912"},
        Case{"9[1-3]+.#", "9123#", "#"}, Case{"9123.", "9123", ""}}) {
    const auto pattern = DialPattern::Parse(c.pattern);
    ASSERT_TRUE(pattern.ok());
    ASSERT_TRUE(pattern->Matches(c.number)) << c.pattern;
    EXPECT_EQ(ApplyDiscard(change.discard, *pattern, c.number), c.want);
    NumberChanger numbers(c.number, "", nullptr);
    numbers.ChangeCalled("r", change, c.pattern, "", 0);
    EXPECT_EQ(numbers.called(), c.want) << c.pattern;
  }
}

TEST(NumberChangerTest, TheFormOfANumberingPlan) {
  NumberChanger numbers("919725551234", "4001", nullptr);
  Transformation change;
  change.discard = DiscardDigits::kPreDot11dTo10d;
  size_t right = 0;
  for (size_t form = 0; form < FindNumberingPlan("")->forms().size(); ++form) {
    const auto pattern =
        DialPattern::Parse("9.@", &FindNumberingPlan("")->forms()[form]);
    if (!pattern->Matches("919725551234")) continue;
    NumberChanger copy = numbers;
    copy.ChangeCalled("r", change, "9.@", "", form);
    EXPECT_EQ(copy.called(), "9725551234");
    ++right;
  }
  EXPECT_EQ(right, 1u);
  numbers.ChangeCalled("r", change, "9.@", "no such plan", 0);
  EXPECT_EQ(numbers.called(), "919725551234");
}

TEST(NumberChangerTest, NamesAreLeftAsTheyAre) {
  NumberChanger numbers("9123", "alice", nullptr);
  Transformation change;
  change.use_external_mask = true;
  change.calling_prefix = "1";
  numbers.ChangeCalling("r", change, "201XXXX");
  EXPECT_EQ(numbers.calling(), "alice");
  // Without an external mask there is nothing to apply.
  NumberChanger digits("9123", "40-01", nullptr);
  change.calling_prefix.clear();
  digits.ChangeCalling("r", change, "");
  EXPECT_EQ(digits.calling(), "40-01");
}

TEST(NumberChangerTest, BackToWhatItWas) {
  std::vector<TransformStep> steps;
  NumberChanger before("9123", "4001", &steps);
  NumberChanger numbers = before;
  Transformation change;
  change.called_prefix = "7";
  change.calling_prefix = "8";
  change.restrict_presentation = true;
  numbers.ChangeCalled("r", change, "9XXX", "", 0);
  numbers.ChangeCalling("r", change, "");
  numbers.RestoreCalled("l", before);
  numbers.RestoreCalling("l", before);
  numbers.RestoreCalling("l", before);  // once is enough
  EXPECT_EQ(numbers.called(), "9123");
  EXPECT_EQ(numbers.calling(), "4001");
  EXPECT_FALSE(numbers.restrict_presentation());
  EXPECT_THAT(KindsOf(steps),
              ElementsAre(Kind::kPrefix, Kind::kRestrict, Kind::kPrefix,
                          Kind::kRestore, Kind::kRestore));
}

}  // namespace
}  // namespace sallyport
