#include "services/dialplan/core/number_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/number_way_fixture.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using End = NumberWalk::End;

class NumberWalkTest : public NumberWayTest {
 protected:
  // The last part of the name of what takes the number; "" if nothing does.
  std::string Taker(const std::string& number, const std::string& space = "c") {
    const NumberWalk walk = WalkNumber(
        plan_, "tenants/t", "tenants/t/callingSearchSpaces/" + space, number);
    if (walk.end != End::kDestination) return "";
    const std::string& name = walk.steps.back().record->name();
    return name.substr(name.rfind('/') + 1);
  }
  RoutePatternEntry In(const char* partition, const std::string& id,
                       const std::string& pattern) {
    RoutePatternEntry out = TestPattern(id, pattern, "gw");
    out.partition = std::string("tenants/t/partitions/") + partition;
    return out;
  }
};

// protocols.md section 11.2: closest match first, the order of partitions
// breaks ties.
TEST_F(NumberWalkTest, ClosestMatch) {
  Add(CallingSearchSpaceEntry{
      "tenants/t/callingSearchSpaces/both",
      {"tenants/t/partitions/q", "tenants/t/partitions/p"}});
  Add(In("p", "wide", "1!"));
  Add(In("p", "four", "1XXX"));
  Add(In("q", "four-of-q", "1XXX"));
  Add(In("p", "exact", "1234"));
  Add(In("p", "open", "13!"));
  Add(In("p", "class", "1[3-4]XX"));
  EXPECT_EQ(Taker("1234"), "exact");
  EXPECT_EQ(Taker("1235"), "four");
  EXPECT_EQ(Taker("12345"), "wide");
  EXPECT_EQ(Taker("1320"), "open");  // 100 strings against 200
  EXPECT_EQ(Taker("1420"), "class");
  EXPECT_EQ(Taker("1235", "both"), "four-of-q");
  EXPECT_EQ(Taker("2"), "");
  Add(TestPattern("always", "2", "gw"));  // the null partition
  EXPECT_EQ(Taker("2"), "always");
  Add(PartitionEntry{"tenants/t/partitions/p", /*disabled=*/true});
  EXPECT_EQ(Taker("1234"), "");
}

TEST_F(NumberWalkTest, NumberingPlans) {
  Add(In("p", "plan", "9.@"));
  Add(In("p", "any", "!"));
  EXPECT_EQ(Taker("912025550123"), "plan");
  EXPECT_EQ(Taker("812025550123"), "any");
}

TEST_F(NumberWalkTest, FollowsWhatIsCertain) {
  Add(Translation("a", "7XXX", "4XXX"));
  LineEntry line = Line("4001");
  line.forward_all.number = "4002";
  Add(line);
  Add(Line("4002"));
  UserEntry user = TestUser("4003", "clear");
  Add(user);
  const NumberWalk walk =
      WalkNumber(plan_, "tenants/t", "tenants/t/callingSearchSpaces/c", "7001");
  EXPECT_EQ(walk.end, End::kDestination);
  EXPECT_EQ(walk.ToString(),
            "7001 at tenants/t/translationPatterns/a, 4001 at "
            "tenants/t/lines/4001, 4002 at tenants/t/lines/4002");
  EXPECT_TRUE(walk.Meets("tenants/t/lines/4001"));
  EXPECT_FALSE(walk.Meets("tenants/t/lines/4003"));
  EXPECT_EQ(Taker("7003"), "4003");
  // What was there is found no more once it is gone or moved.
  plan_.Remove("tenants/t/translationPatterns/a");
  EXPECT_EQ(Taker("7003"), "");
}

TEST_F(NumberWalkTest, Examples) {
  for (const char* text : {"1XXX", "9.!", "[2-5]X", "\\+1XXX", "0?1", "X+#"}) {
    const auto pattern = DialPattern::Parse(text);
    ASSERT_THAT(pattern, IsOk());
    const std::vector<std::string> examples = ExamplesOf(*pattern);
    EXPECT_GE(examples.size(), 1u) << text;
    for (const std::string& example : examples) {
      EXPECT_TRUE(pattern->Matches(example)) << text << " " << example;
    }
  }
}

}  // namespace
}  // namespace sallyport::dialplan
