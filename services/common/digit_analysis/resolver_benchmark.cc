// A whole routing decision.

#include "services/common/digit_analysis/resolver.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {
namespace {

// One tenant, `count` patterns over 1000 partitions, a search space of five.
std::shared_ptr<const Resolver> MakeResolver(int count) {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->tenants = {{"tenants/t", {"t.test"}}};
  plan->dial_plans = {{"tenants/t/dialPlans/secured", SecurityMode::kSecured}};
  PeerEntry peer;
  peer.name = "tenants/t/peers/gw";
  peer.fqdn = "gw.t.test";
  peer.dial_plan = "tenants/t/dialPlans/secured";
  peer.outcalls_allowed = true;
  plan->peers = {peer};
  UserEntry user;
  user.name = "tenants/t/users/1001";
  user.username = "1001";
  user.domain = "t.test";
  user.dial_plan = "tenants/t/dialPlans/secured";
  user.calling_search_space = "tenants/t/callingSearchSpaces/c";
  plan->users = {user};
  CallingSearchSpaceEntry css{"tenants/t/callingSearchSpaces/c", {}};
  for (int p = 0; p < 1000; ++p) {
    plan->partitions.push_back({absl::StrCat("tenants/t/partitions/p", p)});
    if (p < 5) css.partitions.push_back(plan->partitions.back().name);
  }
  plan->calling_search_spaces = {css};
  for (int i = 0; i < count; ++i) {
    RoutePatternEntry pattern;
    pattern.name = absl::StrCat("tenants/t/routePatterns/r", i);
    pattern.partition = absl::StrCat("tenants/t/partitions/p", i % 1000);
    pattern.pattern =
        i < 1000 ? "9.!" : absl::StrCat("9.1", 100000 + i, "XXXX");
    pattern.peer = peer.name;
    pattern.transformation.discard = DiscardDigits::kPreDot;
    plan->route_patterns.push_back(std::move(pattern));
  }
  ResolveDefaults(*plan);
  return *Resolver::Create(std::move(plan));
}

void BM_Resolve(benchmark::State& state) {
  const auto resolver = MakeResolver(static_cast<int>(state.range(0)));
  RouteQuery query;
  query.tenant = "tenants/t";
  query.caller = "tenants/t/users/1001";
  query.calling = "1001";
  query.called = "912025550123";
  for (auto _ : state) benchmark::DoNotOptimize(resolver->Resolve(query));
}
BENCHMARK(BM_Resolve)->Arg(1000)->Arg(100'000);

}  // namespace
}  // namespace sallyport
