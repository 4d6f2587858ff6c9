#include "services/dialplan/core/pattern_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/core/plan_rules_fixture.h"
#include "services/dialplan/core/reference_rules.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PatternRulesTest : public PlanRulesTest {
 protected:
  void SetUp() override {
    PlanRulesTest::SetUp();
    Add(TestPeer("gw", "clear"));
    Add(PartitionEntry{"tenants/t/partitions/p"});
    Add(CallingSearchSpaceEntry{"tenants/t/callingSearchSpaces/c",
                                {"tenants/t/partitions/p"}});
  }

  static TranslationPatternEntry Translation(const std::string& pattern) {
    TranslationPatternEntry out;
    out.name = "tenants/t/translationPatterns/x";
    out.pattern = pattern;
    out.calling_search_space = "tenants/t/callingSearchSpaces/c";
    out.transformation.called_mask = "7777";
    return out;
  }
};

TEST_F(PatternRulesTest, SamePatternInAPartitionIsOnePattern) {
  Add(TestPattern("a", "[12]XX", "gw"));
  // Written otherwise, and of another kind.
  EXPECT_THAT(Check(TestPattern("b", "[21]XX", "gw")),
              ElementsAre("route_pattern.pattern PATTERN_NOT_UNIQUE"));
  EXPECT_THAT(faults_[0].description, HasSubstr("routePatterns/a"));
  EXPECT_THAT(Check(Translation("[1-2][0-9]X")),
              ElementsAre("translation_pattern.pattern PATTERN_NOT_UNIQUE"));
  RoutePatternEntry elsewhere = TestPattern("b", "[12]XX", "gw");
  elsewhere.partition = "tenants/t/partitions/p";
  Add(elsewhere);
  EXPECT_THAT(Check(TestPattern("c", "[12]X", "gw")), IsEmpty());
}

// An empty class, and a plus that does not come first.
TEST_F(PatternRulesTest, PatternsThatCanNeverMatch) {
  EXPECT_THAT(Check(TestPattern("b", "1[^0-9]", "gw")),
              ElementsAre("route_pattern.pattern PATTERN_BAD_CLASS"));
  EXPECT_THAT(Check(TestPattern("b", "9\\+1", "gw")),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_MATCHES"));
}

TEST_F(PatternRulesTest, DestinationsOfRoutePatterns) {
  RouteListEntry list;
  list.name = "tenants/t/routeLists/l";
  list.members.push_back({"tenants/t/peers/gw"});
  Add(list);
  RoutePatternEntry pattern = TestPattern("a", "9.!", "");
  EXPECT_THAT(Check(pattern),
              ElementsAre("route_pattern.peer DESTINATION_REQUIRED"));
  pattern.route_list = list.name;
  Add(pattern);
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find(list.name)),
              HasReason("RESOURCE_IN_USE"));
  list.disabled = true;
  Add(list);
  pattern.transformation.called_prefix = "1";
  EXPECT_THAT(Check(pattern), IsEmpty());  // it was so already
  RoutePatternEntry fresh = TestPattern("b", "8.!", "");
  fresh.route_list = list.name;
  EXPECT_THAT(Check(fresh),
              ElementsAre("route_pattern.route_list ROUTE_LIST_DISABLED"));
  RoutePatternEntry block = TestPattern("c", "7.!", "");
  block.action = PatternAction::kBlock;
  block.block_cause = 128;
  EXPECT_THAT(Check(block),
              ElementsAre("route_pattern.block.cause VALUE_OUT_OF_RANGE"));
}

TEST_F(PatternRulesTest, SipDomains) {
  RoutePatternEntry pattern = TestPattern("a", "", "gw");
  pattern.sip_domain = "Not a host";
  pattern.transformation.called_prefix = "1";
  EXPECT_THAT(Check(pattern),
              ElementsAre("route_pattern.sip_domain HOST_NAME_INVALID",
                          "route_pattern.called_party VALUE_CONFLICT"));
  pattern.transformation = {};
  pattern.sip_domain = ".example.test";
  pattern.pattern = "1";
  EXPECT_THAT(Check(pattern),
              ElementsAre("route_pattern.sip_domain VALUE_CONFLICT"));
  pattern.pattern = "";
  Add(pattern);
  RoutePatternEntry second = pattern;
  second.name = "tenants/t/routePatterns/b";
  EXPECT_THAT(Check(second),
              ElementsAre("route_pattern.sip_domain PATTERN_NOT_UNIQUE"));
  second.sip_domain = "example.test";
  EXPECT_THAT(Check(second), IsEmpty());
}

// protocols.md section 11.3
TEST_F(PatternRulesTest, DiscardInstructionsNeedTheirPattern) {
  RoutePatternEntry pattern = TestPattern("a", "9.!", "gw");
  pattern.transformation.discard = DiscardDigits::kIntlTollBypass;
  EXPECT_THAT(
      Check(pattern),
      ElementsAre(
          "route_pattern.called_party.discard_digits PATTERN_HAS_NO_AT"));
  pattern.numbering_plan = "nanp";
  pattern.transformation.discard = DiscardDigits::kPreDotTrailingPound;
  EXPECT_THAT(Check(pattern),
              ElementsAre("route_pattern.numbering_plan PATTERN_HAS_NO_AT"));
  pattern.numbering_plan = "ukraine";
  EXPECT_THAT(
      Check(pattern),
      ElementsAre("route_pattern.numbering_plan NUMBERING_PLAN_UNKNOWN"));
  pattern.numbering_plan = "nanp";
  pattern.pattern = "9.@";
  pattern.transformation.discard = DiscardDigits::kPreDotIntlTollBypass;
  EXPECT_THAT(Check(pattern), IsEmpty());
  pattern.pattern = "9@";
  EXPECT_THAT(
      Check(pattern),
      ElementsAre(
          "route_pattern.called_party.discard_digits PATTERN_HAS_NO_DOT"));
  pattern.pattern = "9.@@";
  EXPECT_THAT(Check(pattern),
              ElementsAre("route_pattern.pattern PATTERN_TWO_ATS"));
}

TEST_F(PatternRulesTest, Translations) {
  Add(Translation("1XX"));
  TranslationPatternEntry entry = Translation("2XX");
  entry.name += "2";
  entry.use_originator_search_space = true;
  EXPECT_THAT(
      Check(entry),
      ElementsAre("translation_pattern.calling_search_space VALUE_CONFLICT"));
  entry.calling_search_space = "";
  EXPECT_THAT(Check(entry), IsEmpty());
  entry.use_originator_search_space = false;
  EXPECT_THAT(
      Check(entry),
      ElementsAre("translation_pattern.calling_search_space VALUE_REQUIRED"));
  entry.action = PatternAction::kBlock;
  EXPECT_THAT(Check(entry), IsEmpty());
  entry.transformation.called_mask = "y";
  entry.transformation.calling_prefix = "y";
  entry.transformation.discard = DiscardDigits::kPreDot;
  entry.pattern = "[";
  EXPECT_THAT(
      Check(entry),
      ElementsAre(
          "translation_pattern.pattern PATTERN_BAD_CLASS",
          "translation_pattern.called_party.transform_mask MASK_INVALID",
          "translation_pattern.calling_party.prefix_digits "
          "PREFIX_INVALID"));
}

TEST_F(PatternRulesTest, Transformations) {
  CalledPartyTransformationEntry called;
  called.name = "tenants/t/calledPartyTransformations/a";
  called.pattern = "1XX";
  called.transformation.discard = DiscardDigits::kPreDot;
  EXPECT_THAT(Check(called),
              ElementsAre("called_party_transformation.change.discard_digits "
                          "PATTERN_HAS_NO_DOT"));
  called.pattern = "1.XX";
  Add(called);
  CallingPartyTransformationEntry calling;
  calling.name = "tenants/t/callingPartyTransformations/a";
  calling.pattern = "1.XX";
  calling.transformation.calling_mask = "z";
  EXPECT_THAT(Check(calling),
              ElementsAre("calling_party_transformation.change.transform_mask "
                          "MASK_INVALID"));
  calling.transformation = {};
  Add(calling);  // the two sides do not meet
  calling.name += "2";
  EXPECT_THAT(
      Check(calling),
      ElementsAre("calling_party_transformation.pattern PATTERN_NOT_UNIQUE"));
}

TEST_F(PatternRulesTest, PartitionsOfASearchSpaceAreDistinct) {
  EXPECT_THAT(
      Check(CallingSearchSpaceEntry{
          "tenants/t/callingSearchSpaces/d",
          {"tenants/t/partitions/p", "tenants/t/partitions/p"}}),
      ElementsAre("calling_search_space.partitions[1] DUPLICATE_VALUE"));
}

}  // namespace
}  // namespace sallyport::dialplan
