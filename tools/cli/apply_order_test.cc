#include "tools/cli/apply_order.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/calling_search_space.pb.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Names(const std::vector<ApplyStep>& steps) {
  std::vector<std::string> names;
  for (const ApplyStep& step : steps) {
    names.push_back(ShortName(step.entry->name) + (step.completes ? "+" : ""));
  }
  return names;
}

TEST(ApplyOrderTest, WhatIsReferredToComesFirst) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, ParseManifest(R"(
kind: RoutePattern
name: out
spec: {pattern: 9.!, partition: local, peer: gw}
---
kind: Peer
name: gw
spec: {kind: IP_GATEWAY, dial_plan: gateway}
---
kind: DialPlan
name: gateway
spec: {number_of_digits_in_extension: 4}
---
kind: Partition
name: local
---
kind: Tenant
name: default
)",
                                                            "default", "a"));
  EXPECT_THAT(Names(OrderForApply(entries, {})),
              ElementsAre("default", "local", "gateway", "gw", "out"));
}

TEST(ApplyOrderTest, ACircleIsClosedByASecondWrite) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, ParseManifest(R"(
kind: DialPlan
name: secured
spec: {number_of_digits_in_extension: 4}
---
kind: Tenant
name: default
spec: {default_dial_plan: secured, domains: [a.test]}
)",
                                                            "default", "a"));
  const std::vector<ApplyStep> steps = OrderForApply(entries, {});
  ASSERT_THAT(Names(steps), ElementsAre("default", "secured", "default+"));
  const auto& first =
      dynamic_cast<const dialplan::v1::Tenant&>(*steps[0].message);
  const auto& last =
      dynamic_cast<const dialplan::v1::Tenant&>(*steps[2].message);
  EXPECT_EQ(first.default_dial_plan(), "");
  EXPECT_EQ(first.domains_size(), 1);
  EXPECT_EQ(last.default_dial_plan(), "tenants/default/dialPlans/secured");
}

// Whichever of them comes first in the file.
TEST(ApplyOrderTest, ATenantComesBeforeAllThatItHolds) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, ParseManifest(R"(
kind: Peer
name: gw
spec: {kind: IP_GATEWAY}
---
kind: Tenant
name: default
spec: {default_dial_plan: secured}
---
kind: DialPlan
name: secured
)",
                                                            "default", "a"));
  EXPECT_THAT(Names(OrderForApply(entries, {})),
              ElementsAre("default", "secured", "default+", "gw"));
  // What is there already can be referred to at once.
  EXPECT_THAT(
      Names(OrderForApply(entries, {"tenants/default/dialPlans/secured"})),
      ElementsAre("default", "gw", "secured"));
}

TEST(ApplyOrderTest, FindsReferencesAnywhere) {
  dialplan::v1::CallingSearchSpace space;
  space.set_name("s");
  space.add_partitions("a");
  space.add_partitions("b");
  EXPECT_THAT(ReferencesIn(space, {"s", "b", "c"}), ElementsAre("b"));
}

}  // namespace
}  // namespace sallyport::cli
