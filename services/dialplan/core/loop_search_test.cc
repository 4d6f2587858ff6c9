#include "services/dialplan/core/loop_search.h"

#include <memory>
#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/number_way_fixture.h"
#include "services/dialplan/core/plan_checker.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kLoop[] = "translation_pattern.called_party ROUTING_LOOP";

class LoopSearchTest : public NumberWayTest {
 protected:
  // Whatever the rules say.
  void Store(PlanEntry entry) {
    plan_.Put(std::make_shared<PlanRecord>(TestRecord(std::move(entry))));
  }
  RoutePatternEntry Route(const std::string& id, const std::string& pattern) {
    RoutePatternEntry out = TestPattern(id, pattern, "gw");
    out.partition = "tenants/t/partitions/p";
    return out;
  }
  LoopAnswer Find(const std::string& id, size_t steps = 2000000) {
    CoverBudget budget{steps};
    return FindLoop(plan_, *plan_.Find("tenants/t/translationPatterns/" + id),
                    "", budget);
  }
};

// No example of the patterns, lowest or highest or of any length, is in it.
TEST_F(LoopSearchTest, OneNumberAmongMany) {
  Add(Translation("a", "5XXX", "6XXX"));
  Store(Translation("b", "6374", "5374"));
  const LoopAnswer answer = Find("a");
  ASSERT_TRUE(answer.loop.has_value());
  EXPECT_EQ(answer.loop->steps[0].number, "5374");
}

TEST_F(LoopSearchTest, IsRefusedWhereverItIsClosed) {
  Add(Translation("a", "5XXX", "6XXX"));
  EXPECT_THAT(Check(Translation("b", "637[4-5]", "5XXX")), ElementsAre(kLoop));
  EXPECT_THAT(faults_[0].description,
              HasSubstr("6374 at tenants/t/translationPatterns/b, 5374 at "
                        "tenants/t/translationPatterns/a, 6374"));
  Add(Translation("b", "637[4-5]", "4XXX"));
}

TEST_F(LoopSearchTest, CloserPatternsAreCutOut) {
  Add(Translation("a", "5XXX", "6XXX"));
  // All but one of the numbers that would come back leave.
  Add(Route("most", "6[^3]XX"));
  Add(Route("more", "63[^7]X"));
  Add(Route("rest", "637[^4]"));
  EXPECT_THAT(Check(Translation("b", "6XXX", "5XXX")), ElementsAre(kLoop));
  EXPECT_THAT(faults_[0].description, HasSubstr("6374"));
  // And now that one too.
  Add(Route("last", "6374"));
  Store(Translation("b", "6XXX", "5XXX"));
  EXPECT_FALSE(Find("b").loop.has_value());
  EXPECT_FALSE(Find("a").loop.has_value());
}

TEST_F(LoopSearchTest, NumbersThatGrowOrShrink) {
  TranslationPatternEntry grows = Translation("a", "7!", "");
  grows.transformation.called_prefix = "7";
  EXPECT_THAT(Check(grows), ElementsAre(kLoop));
  // It ends when nothing is left.
  TranslationPatternEntry shrinks = Translation("a", "7.!", "");
  shrinks.transformation.discard = DiscardDigits::kPreDot;
  Add(shrinks);
  // It puts back what was taken.
  TranslationPatternEntry back = Translation("b", "8XX", "");
  back.transformation.called_prefix = "7";
  EXPECT_THAT(Check(back), ElementsAre(kLoop));
}

TEST_F(LoopSearchTest, PoundSignsAndDots) {
  TranslationPatternEntry one = Translation("a", "9.X!#", "");
  one.transformation.discard = DiscardDigits::kPreDotTrailingPound;
  Add(one);
  TranslationPatternEntry two = Translation("b", "42X", "9421#");
  EXPECT_THAT(Check(two), ElementsAre(kLoop));
}

TEST_F(LoopSearchTest, ASearchSpaceThatShowsMore) {
  TranslationPatternEntry hidden = Translation("b", "6374", "5374");
  hidden.partition = "tenants/t/partitions/q";
  Add(hidden);
  Add(Translation("a", "5XXX", "6XXX"));
  const CallingSearchSpaceEntry wider{
      "tenants/t/callingSearchSpaces/c",
      {"tenants/t/partitions/p", "tenants/t/partitions/q"}};
  EXPECT_THAT(Check(wider),
              ElementsAre("calling_search_space.partitions ROUTING_LOOP"));
  // Nor if the partition comes back to life.
  PartitionEntry off{"tenants/t/partitions/q"};
  off.disabled = true;
  Add(off);
  Add(wider);
  off.disabled = false;
  EXPECT_THAT(Check(off), ElementsAre("partition.disabled ROUTING_LOOP"));
}

TEST_F(LoopSearchTest, WhatEndedALoopStays) {
  Add(Translation("a", "5XXX", "6XXX"));
  Add(Route("end", "637X"));
  Add(Route("other", "4XXX"));
  Add(Translation("b", "63XX", "537X"));
  EXPECT_THAT(Check(Route("end", "638X")),
              ElementsAre("route_pattern.pattern ROUTING_LOOP"));
  RecordPtr gone = plan_.Remove("tenants/t/routePatterns/other");
  EXPECT_THAT(CheckRemoved(plan_, *gone), IsOk());
  gone = plan_.Remove("tenants/t/routePatterns/end");
  EXPECT_THAT(CheckRemoved(plan_, *gone), HasReason("ROUTING_LOOP"));
  EXPECT_THAT(std::string(CheckRemoved(plan_, *gone).message()),
              HasSubstr("without it the call would go round: "));
}

// Whatever it says goes round does by the resolver that routes calls, and what
// that finds among the numbers tried is found.
TEST_F(LoopSearchTest, AgreesWithTheResolver) {
  unsigned seed = 11;
  const auto below = [&seed](unsigned n) {
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % n;
  };
  const auto text = [&](bool mask) {
    std::string out(1, static_cast<char>('5' + below(2)));
    for (int i = 0; i < 2; ++i) {
      const unsigned kind = below(mask ? 3 : 4);
      if (kind == 0) {
        out.push_back(static_cast<char>('0' + below(3)));
      } else if (kind == 3) {
        out += "[0-1]";
      } else {
        out.push_back('X');
      }
    }
    return out;
  };
  size_t loops = 0;
  size_t none = 0;
  for (int round = 0; round < 150; ++round) {
    const Plan empty = plan_;
    std::vector<std::string> ids;
    for (const char* id : {"a", "b", "c"}) {
      Store(Translation(id, text(false), text(true)));
      ids.push_back(id);
    }
    Store(Route("r1", text(false)));
    Store(Route("r2", text(false)));
    auto snapshot = std::make_shared<PlanSnapshot>();
    for (const auto& [name, record] : plan_.records()) {
      AddTo(*snapshot, record->entry);
    }
    ResolveDefaults(*snapshot);
    const auto resolver = Resolver::Create(std::move(snapshot));
    ASSERT_TRUE(resolver.ok());
    bool goes_round = false;
    for (int number = 500; number < 700; ++number) {
      RouteQuery query;
      query.tenant = "tenants/t";
      query.search_space = "tenants/t/callingSearchSpaces/c";
      query.called = std::to_string(number);
      goes_round = goes_round ||
                   (*resolver)->Resolve(query).reason == "TRANSLATION_LOOP";
    }
    bool found = false;
    for (const std::string& id : ids) {
      const LoopAnswer answer = Find(id);
      EXPECT_TRUE(answer.complete);
      found = found || answer.loop.has_value();
    }
    EXPECT_EQ(found, goes_round) << round;
    ++(found ? loops : none);
    plan_ = empty;
  }
  EXPECT_GT(loops, 20u);
  EXPECT_GT(none, 20u);
}

TEST_F(LoopSearchTest, CostIsBounded) {
  for (int i = 0; i < 300; ++i) {
    Store(Translation("t" + std::to_string(i),
                      "[2-9]XX" + std::to_string(100 + i) + "!", "XXXXXXXX"));
  }
  EXPECT_FALSE(Find("t0", 20000).complete);
}

}  // namespace
}  // namespace sallyport::dialplan
