#include "services/dialplan/load/region.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// What the load programs ask for is there, keeps the rules, and is routed.
TEST(RegionTest, KeepsTheRulesAndRoutes) {
  for (const Region& region :
       {Region{10, 10, 20, 200, 30}, Region{1, 8, 3, 100, 5}}) {
    FakeRandom random;
    PlanEditor editor(random, {});
    EXPECT_THAT(
        ForEachResource(
            region,
            [&](const pb::Resource& resource) {
              PlanEdit edit;
              edit.name = RecordOf(resource, {}).name();
              edit.make = [&](const Plan&,
                              const PlanRecord*) -> absl::StatusOr<PlanRecord> {
                return RecordOf(resource, {});
              };
              return editor.Apply(edit, absl::UnixEpoch()).status();
            }),
        IsOk());
    auto snapshot = std::make_shared<PlanSnapshot>();
    for (const auto& [name, record] : editor.plan().records()) {
      AddTo(*snapshot, record->entry);
    }
    EXPECT_EQ(static_cast<int>(snapshot->route_patterns.size()),
              region.patterns);
    EXPECT_EQ(static_cast<int>(snapshot->peers.size()),
              region.tenants == 1 ? 3 : 20);
    EXPECT_EQ(static_cast<int>(snapshot->users.size()), region.users);
    ResolveDefaults(*snapshot);
    SP_ASSERT_OK_AND_ASSIGN(const auto resolver, Resolver::Create(snapshot));
    for (int i = 0; i < region.patterns; ++i) {
      RouteQuery query;
      query.tenant = TenantOfPattern(region, i);
      query.search_space = SearchSpaceOf(query.tenant);
      query.called = NumberOf(region, i);
      const Resolution found = resolver->Resolve(query);
      EXPECT_EQ(found.pattern_name,
                IsVisible(region, i) ? NameOfPattern(region, i) : "");
    }
  }
}

}  // namespace
}  // namespace sallyport::dialplan
