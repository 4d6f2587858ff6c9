#include "services/dialplan/core/cover_rules.h"

#include <string>
#include <vector>

#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using State = CoverAnswer::State;

class CoverRulesTest : public PlanRulesTest {
 protected:
  void SetUp() override {
    PlanRulesTest::SetUp();
    Add(TestPeer("gw", "clear"));
    Add(PartitionEntry{"tenants/t/partitions/p"});
    Add(PartitionEntry{"tenants/t/partitions/q"});
  }

  static RoutePatternEntry Route(const std::string& id,
                                 const std::string& pattern,
                                 const std::string& partition = "p") {
    RoutePatternEntry out = TestPattern(id, pattern, "gw");
    if (!partition.empty()) out.partition = "tenants/t/partitions/" + partition;
    return out;
  }
  static LineEntry Line(const std::string& number) {
    LineEntry out;
    out.name = "tenants/t/lines/" + number;
    out.directory_number = number;
    out.partition = "tenants/t/partitions/p";
    return out;
  }
  Cover CoverIn(const std::string& id, const std::vector<std::string>& spaces,
                bool with_numbers) {
    CoverQuery query;
    query.spaces = spaces;
    query.with_numbers = with_numbers;
    CoverBudget budget{1000000};
    return CoverOf(plan_, *plan_.Find("tenants/t/routePatterns/" + id), query,
                   budget);
  }
};

TEST_F(CoverRulesTest, APatternToWhichOthersTogetherLeaveNothing) {
  Add(Route("low", "1[0-4]XX"));
  Add(Route("high", "1[5-9]XX"));
  EXPECT_THAT(Check(Route("all", "1XXX")),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_CHOSEN"));
  EXPECT_THAT(faults_[0].description,
              HasSubstr("tenants/t/routePatterns/high, "
                        "tenants/t/routePatterns/low of the same partition"));
  // In another partition it is reached by those who cannot see these.
  EXPECT_THAT(Check(Route("all", "1XXX", "q")), IsEmpty());
}

TEST_F(CoverRulesTest, TheOneThatTakesTheLastNumberIsRefused) {
  Add(Route("low", "1[0-4]XX"));
  Add(Route("all", "1XXX"));
  EXPECT_THAT(Check(Route("high", "1[5-9]XX")),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_CHOSEN"));
  EXPECT_THAT(faults_[0].description,
              HasSubstr("no call would ever take tenants/t/routePatterns/all"));
  RoutePatternEntry off = Route("high", "1[5-9]XX");
  off.disabled = true;
  Add(off);
  off.disabled = false;
  EXPECT_THAT(Check(off),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_CHOSEN"));
  Add(Route("high", "1[5-8]XX"));
}

TEST_F(CoverRulesTest, TiesGoByKindAndName) {
  Add(Route("m", "9011!"));
  EXPECT_THAT(Check(Route("z", "9011XXX")),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_CHOSEN"));
  Add(Route("a", "9011XXX"));
  // A route pattern comes before a translation of the same numbers.
  Add(CallingSearchSpaceEntry{"tenants/t/callingSearchSpaces/c",
                              {"tenants/t/partitions/p"}});
  TranslationPatternEntry translation;
  translation.name = "tenants/t/translationPatterns/a";
  translation.pattern = "9011XXXX";
  translation.partition = "tenants/t/partitions/p";
  translation.calling_search_space = "tenants/t/callingSearchSpaces/c";
  translation.transformation.called_mask = "5000";
  EXPECT_THAT(Check(translation),
              ElementsAre("translation_pattern.pattern PATTERN_NEVER_CHOSEN"));
}

TEST_F(CoverRulesTest, OneNumberCanBeTakenByOneThatRepeatsADigit) {
  Add(Route("m", "77"));
  EXPECT_THAT(Check(Route("a", "7+")),
              ElementsAre("route_pattern.pattern PATTERN_NEVER_CHOSEN"));
  Add(Route("z", "7+"));
}

TEST_F(CoverRulesTest, WhatDoesNotChangeWhatItTakesIsNotAskedAgain) {
  Add(Route("low", "1[0-4]XX"));
  Add(Route("all", "1XXX"));
  // As an older release could have stored it.
  plan_.Put(
      std::make_shared<PlanRecord>(TestRecord(Route("high", "1[5-9]XX"))));
  RoutePatternEntry all = Route("all", "1XXX");
  all.urgent_priority = true;
  EXPECT_THAT(Check(all), IsEmpty());
  // Others are not blamed for it.
  EXPECT_THAT(Check(Route("deep", "12XX")), IsEmpty());
}

TEST_F(CoverRulesTest, ExtensionsMayFillARange) {
  Add(Route("rest", "50X"));
  for (int i = 0; i < 10; ++i) Add(Line("50" + std::to_string(i)));
  EXPECT_EQ(CoverIn("rest", {"tenants/t/partitions/p"}, false).state,
            State::kOpen);
  const Cover cover = CoverIn("rest", {"tenants/t/partitions/p"}, true);
  EXPECT_EQ(cover.state, State::kCovered);
  EXPECT_EQ(cover.winners.size(), 10u);
}

TEST_F(CoverRulesTest, OrderOfPartitionsBreaksTies) {
  Add(Route("a", "1XXX", "p"));
  Add(Route("b", "1XXX", "q"));
  EXPECT_EQ(
      CoverIn("b", {"tenants/t/partitions/p", "tenants/t/partitions/q"}, false)
          .state,
      State::kCovered);
  EXPECT_EQ(
      CoverIn("b", {"tenants/t/partitions/q", "tenants/t/partitions/p"}, false)
          .state,
      State::kOpen);
}

TEST_F(CoverRulesTest, UsersTakeTheirNumbersInTheNullPartition) {
  Add(Route("rest", "60[01]", ""));
  UserEntry user = TestUser("ann", "clear");
  user.phone_numbers = {"6000"};
  plan_.Put(std::make_shared<PlanRecord>(TestRecord(user)));
  user = TestUser("bob", "clear");
  user.phone_numbers = {"600", "601"};
  plan_.Put(std::make_shared<PlanRecord>(TestRecord(user)));
  EXPECT_EQ(CoverIn("rest", {"tenants/t"}, true).state, State::kCovered);
  EXPECT_EQ(CoverIn("rest", {"tenants/t"}, false).state, State::kOpen);
}

// What '@' stands for are many patterns: it is never chosen if none of them is.
TEST_F(CoverRulesTest, NumberingPlans) {
  Add(Route("world", "9.@"));
  Add(Route("all", "9.!"));
  Add(Route("premium", "9.1900XXXXXXX"));
  Add(Route("other", "8.@"));
  EXPECT_THAT(Check(Route("third", "8.@", "q")), IsEmpty());
}

TEST_F(CoverRulesTest, ChangesOfNumbersCompeteAmongThemselves) {
  CalledPartyTransformationEntry one;
  one.name = "tenants/t/calledPartyTransformations/a";
  one.pattern = "9!";
  one.partition = "tenants/t/partitions/p";
  one.transformation.called_prefix = "0";
  Add(one);
  CalledPartyTransformationEntry two = one;
  two.name = "tenants/t/calledPartyTransformations/b";
  two.pattern = "9XX";
  EXPECT_THAT(
      Check(two),
      ElementsAre("called_party_transformation.pattern PATTERN_NEVER_CHOSEN"));
  Add(Route("z", "9XX"));
}

// A partition of many patterns costs no more than the steps that are allowed.
TEST_F(CoverRulesTest, WhatIsNotFoundOutIsTakenAndTold) {
  for (int i = 0; i < 1000; ++i) {
    plan_.Put(std::make_shared<PlanRecord>(
        TestRecord(Route("r" + std::to_string(i),
                         "[2-3]" + std::to_string(10000 + i) + "[^9]X"))));
  }
  plan_.Put(
      std::make_shared<PlanRecord>(TestRecord(Route("a", "[2-4]1XXXXXX"))));
  PlanFaults faults;
  RuleEffort effort;
  effort.left = 5000;
  const RuleContext c{plan_, nullptr, faults, &effort};
  CheckCover(c, *plan_.Find("tenants/t/routePatterns/a"));
  EXPECT_THAT(faults, IsEmpty());
  ASSERT_EQ(effort.unchecked.size(), 1u);
  EXPECT_EQ(effort.unchecked[0].resource, "tenants/t/routePatterns/a");
  EXPECT_EQ(effort.unchecked[0].fault.reason, "PATTERN_NOT_CHECKED");
  effort = RuleEffort();
  CheckCover(c, *plan_.Find("tenants/t/routePatterns/a"));
  EXPECT_THAT(effort.unchecked, IsEmpty());
}

}  // namespace
}  // namespace sallyport::dialplan
