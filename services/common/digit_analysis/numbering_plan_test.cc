#include "services/common/digit_analysis/numbering_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

// "form: PART=digits PART=digits" of each way in which `pattern` reads it.
std::vector<std::string> Readings(const std::string& text,
                                  const std::string& number) {
  std::vector<std::string> out;
  const auto patterns = ParsePatterns(text, "nanp");
  EXPECT_THAT(patterns, IsOk());
  for (const DialPattern& pattern : *patterns) {
    if (!pattern.Matches(number)) continue;
    std::string reading = absl::StrCat(pattern.form()->name, ":");
    for (const DialPattern::PlacedPart& part : pattern.PartsOf(number)) {
      absl::StrAppend(&reading, " ", AbslView(NumberPartName(part.part)), "=",
                      number.substr(part.begin, part.end - part.begin));
    }
    out.push_back(reading);
  }
  return out;
}

// The examples of the system guide for what '@' takes in.
TEST(NumberingPlanTest, ReadsNorthAmericanNumbers) {
  using testing::ElementsAre;
  EXPECT_THAT(Readings("@", "0"),
              ElementsAre("local operator: LOCAL-OPERATOR=0"));
  EXPECT_THAT(Readings("@", "1411"),
              ElementsAre("service code, direct: LOCAL-DIRECT-DIAL=1 "
                          "SERVICE=411"));
  EXPECT_THAT(Readings("@", "19725551234"),
              ElementsAre("long distance, direct: LONG-DISTANCE-DIRECT-DIAL=1 "
                          "AREA-CODE=972 OFFICE-CODE=555 SUBSCRIBER=1234"));
  EXPECT_THAT(
      Readings("9.@", "9101028819725551234"),
      ElementsAre("carrier, long distance, direct: TRANSIT-NETWORK-ESCAPE=101 "
                  "TRANSIT-NETWORK=0288 LONG-DISTANCE-DIRECT-DIAL=1 "
                  "AREA-CODE=972 OFFICE-CODE=555 SUBSCRIBER=1234"));
  EXPECT_THAT(Readings("@", "01133123456789"),
              ElementsAre("international, direct: INTERNATIONAL-ACCESS=01 "
                          "INTERNATIONAL-DIRECT-DIAL=1 COUNTRY-CODE=33 "
                          "NATIONAL-NUMBER=123456789"));
  EXPECT_THAT(
      Readings("9.@", "90113531234#"),
      ElementsAre("international, direct, ended: INTERNATIONAL-ACCESS=01 "
                  "INTERNATIONAL-DIRECT-DIAL=1 COUNTRY-CODE=353 "
                  "NATIONAL-NUMBER=1234 END-OF-DIALING=#"));
  EXPECT_THAT(Readings("@", "911"), ElementsAre("service code: SERVICE=911"));
  EXPECT_THAT(Readings("@", "5551234"),
              ElementsAre("local, seven digits: OFFICE-CODE=555 "
                          "SUBSCRIBER=1234"));
  EXPECT_THAT(Readings("@", "2145551234"),
              ElementsAre("local, ten digits: LOCAL-AREA-CODE=214 "
                          "OFFICE-CODE=555 SUBSCRIBER=1234"));
}

TEST(NumberingPlanTest, WhatIsNoNumberIsNone) {
  for (const char* number :
       {"1", "12", "911#", "1555", "9115551", "19115551234", "12905551234",
        "12141115551", "0117", "011281234", "011", "01", "1011234",
        "2111234567"}) {
    EXPECT_THAT(Readings("@", number), testing::IsEmpty()) << number;
  }
}

TEST(NumberingPlanTest, EmergencyIsNeverTheBeginningOfALongerNumber) {
  const auto patterns = ParsePatterns("9.@", "");
  ASSERT_THAT(patterns, IsOk());
  for (const DialPattern& pattern : *patterns) {
    if (pattern.Matches("9911")) continue;
    EXPECT_LT(pattern.MatchedPrefix("9911"), 4u) << pattern.form()->text;
  }
}

// UM-12: what a number is says what it costs at least.
TEST(NumberingPlanTest, TollClassesOfForms) {
  const NumberingPlan& plan = *FindNumberingPlan("");
  const auto least = [&plan](const std::string& number) {
    const auto patterns = ParsePatterns("@", "");
    std::vector<TollClass> out;
    for (size_t i = 0; i < patterns->size(); ++i) {
      const DialPattern& pattern = (*patterns)[i];
      if (!pattern.Matches(number)) continue;
      out.push_back(plan.LeastTollClass(pattern, i, number));
    }
    EXPECT_EQ(out.size(), 1u) << number;
    return out.at(0);
  };
  EXPECT_EQ(least("911"), TollClass::kEmergency);
  EXPECT_EQ(least("411"), TollClass::kLocal);
  EXPECT_EQ(least("5551234"), TollClass::kLocal);
  EXPECT_EQ(least("2145551234"), TollClass::kLocal);
  EXPECT_EQ(least("12145551234"), TollClass::kNational);
  EXPECT_EQ(least("1911"), TollClass::kEmergency);
  EXPECT_EQ(least("0"), TollClass::kLocal);
  EXPECT_EQ(least("19005551234"), TollClass::kPremium);
  EXPECT_EQ(least("101028819005551234"), TollClass::kPremium);
  EXPECT_EQ(least("011442079460000"), TollClass::kInternational);
  EXPECT_EQ(least("01442079460000#"), TollClass::kInternational);
  EXPECT_EQ(least("1010288#"), TollClass::kInternational);
}

TEST(NumberingPlanTest, NamesItsSource) {
  const NumberingPlan* plan = FindNumberingPlan("");
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan, FindNumberingPlan("nanp"));
  EXPECT_THAT(plan->source(), testing::HasSubstr("E.164"));
  EXPECT_THAT(plan->source(), testing::HasSubstr("NANPA"));
  EXPECT_EQ(plan->title(), "North American Numbering Plan");
  EXPECT_EQ(FindNumberingPlan("mars"), nullptr);
  EXPECT_THAT(NumberingPlanNames(), testing::ElementsAre("nanp"));
}

TEST(NumberingPlanTest, PatternsWithAnAt) {
  EXPECT_EQ(ParsePatterns("9.1XX", "")->size(), 1u);
  EXPECT_EQ(ParsePatterns("9.@", "")->size(),
            FindNumberingPlan("")->forms().size());
  EXPECT_THAT(ParsePatterns("9.@", "mars").status(),
              HasReason("PATTERN_NUMBERING_PLAN_UNAVAILABLE"));
  EXPECT_THAT(ParsePatterns("@@", "").status(), HasReason("PATTERN_TWO_ATS"));
  EXPECT_THAT(ParsePatterns("9@+", "").status(),
              HasReason("PATTERN_BAD_REPEAT"));
  const DialPattern pattern = (*ParsePatterns("9.5@", ""))[0];
  EXPECT_EQ(pattern.PreDotLength("95911"), 1u);
  EXPECT_EQ(pattern.PreAtLength("95911"), 2u);
  EXPECT_EQ(DialPattern::Parse("95")->PreAtLength("95"), 0u);
}

TEST(NumberingPlanTest, RefusesBadData) {
  const std::string head = "name: n\nsource: s\n";
  for (const char* bad :
       {"form x (local): SERVICE", "part NOTHING: 1", "part SERVICE: [",
        "part SERVICE", "part SERVICE:", "colour: red", "form x (local): HAPPY",
        "part SERVICE: 1\nform x: SERVICE",
        "part SERVICE: 1\nform x (cheap): SERVICE", "class cheap: SERVICE 911",
        "class premium: HAPPY 1", "class premium: SERVICE", ""}) {
    EXPECT_THAT(NumberingPlan::Parse(head + bad).status(),
                HasReason("NUMBERING_PLAN_INVALID"))
        << bad;
  }
  EXPECT_THAT(NumberingPlan::Parse(
                  head + "part SERVICE: X | 1\nform x (local): SERVICE")
                  .status(),
              IsOk());
  // Every choice is a form: a dozen parts of ten shapes each are too many.
  std::string many =
      head + "part SERVICE: 0|1|2|3|4|5|6|7|8|9\nform x (local):";
  for (int i = 0; i < 12; ++i) many += " SERVICE";
  EXPECT_THAT(NumberingPlan::Parse(many).status(),
              HasReason("NUMBERING_PLAN_INVALID"));
}

}  // namespace
}  // namespace sallyport
