// A whole routing decision in a large plan, and what the plan costs: time to
// compile, memory for each pattern and user.

#include "services/common/digit_analysis/resolver.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {
namespace {

// One tenant, `patterns` over 1000 partitions, a search space of five, `users`
// with a number and a line each.
std::shared_ptr<PlanSnapshot> MakePlan(int patterns, int users) {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->tenants = {{.name = "tenants/t", .domains = {"t.test"}}};
  DialPlanEntry dial_plan;
  dial_plan.name = "tenants/t/dialPlans/secured";
  dial_plan.security_mode = SecurityMode::kSecured;
  dial_plan.dialling_restriction = "tenants/t/diallingRestrictions/national";
  plan->dial_plans = {dial_plan};
  plan->dialling_restrictions = {
      {dial_plan.dialling_restriction, {TollClass::kNational}, {}}};
  PeerEntry peer;
  peer.name = "tenants/t/peers/gw";
  peer.fqdn = "gw.t.test";
  peer.dial_plan = dial_plan.name;
  peer.outcalls_allowed = true;
  plan->peers = {peer};
  CallingSearchSpaceEntry css{"tenants/t/callingSearchSpaces/c", {}};
  for (int p = 0; p < 1000; ++p) {
    plan->partitions.push_back({absl::StrCat("tenants/t/partitions/p", p)});
    if (p < 5) css.partitions.push_back(plan->partitions.back().name);
  }
  plan->calling_search_spaces = {css};
  for (int i = 0; i < users; ++i) {
    UserEntry user;
    user.name = absl::StrCat("tenants/t/users/u", i);
    user.username = absl::StrCat("u", i);
    user.dial_plan = dial_plan.name;
    user.calling_search_space = css.name;
    user.phone_numbers = {absl::StrCat("+1201", 1000000 + i)};
    plan->users.push_back(std::move(user));
    LineEntry line;
    line.name = absl::StrCat("tenants/t/lines/l", i);
    line.directory_number = absl::StrCat(4000000 + i);
    line.users = {plan->users.back().name};
    plan->lines.push_back(std::move(line));
  }
  for (int i = 0; i < patterns; ++i) {
    RoutePatternEntry pattern;
    pattern.name = absl::StrCat("tenants/t/routePatterns/r", i);
    pattern.partition = absl::StrCat("tenants/t/partitions/p", i % 1000);
    pattern.pattern =
        i < 1000 ? "9.!" : absl::StrCat("9.1", 100000 + i, "XXXX");
    pattern.peer = peer.name;
    pattern.toll_class = TollClass::kNational;
    pattern.transformation.discard = DiscardDigits::kPreDot;
    plan->route_patterns.push_back(std::move(pattern));
  }
  ResolveDefaults(*plan);
  return plan;
}

void BM_Resolve(benchmark::State& state) {
  const auto resolver =
      *Resolver::Create(MakePlan(static_cast<int>(state.range(0)), 1));
  RouteQuery query;
  query.tenant = "tenants/t";
  query.caller = "tenants/t/users/u0";
  query.calling = "4000000";
  query.called = "912025550123";
  for (auto _ : state) benchmark::DoNotOptimize(resolver->Resolve(query));
}
BENCHMARK(BM_Resolve)->Arg(1000)->Arg(100'000);

// The plan of a whole region takes a while to make, so only when asked for:
// SALLYPORT_BENCH_LARGE=1 in the environment.
bool Large() { return std::getenv("SALLYPORT_BENCH_LARGE") != nullptr; }
int ManyUsers() { return Large() ? 1'000'000 : 1000; }
int ManyPatterns() { return Large() ? 100'000 : 1000; }

// To a line among many.
void BM_ResolveLine(benchmark::State& state) {
  const auto resolver = *Resolver::Create(
      MakePlan(ManyPatterns(), static_cast<int>(state.range(0))));
  RouteQuery query;
  query.tenant = "tenants/t";
  query.caller = "tenants/t/users/u0";
  query.calling = "4000000";
  query.called = absl::StrCat(4000000 + state.range(0) / 3);
  for (auto _ : state) benchmark::DoNotOptimize(resolver->Resolve(query));
}
BENCHMARK(BM_ResolveLine)->Arg(ManyUsers());

size_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// `plan_bytes` and `compiled_bytes` are of the heap, for each pattern, or for
// each user and line where there are some.
void BM_Compile(benchmark::State& state) {
  const int patterns = static_cast<int>(state.range(0));
  const int users = static_cast<int>(state.range(1));
  const double count = users > 0 ? users : patterns;
  const size_t before = HeapInUse();
  const std::shared_ptr<const PlanSnapshot> plan = MakePlan(patterns, users);
  const size_t with_plan = HeapInUse();
  {
    const auto resolver = *Resolver::Create(plan);
    state.counters["compiled_bytes"] =
        static_cast<double>(HeapInUse() - with_plan) / count;
    state.counters["table_bytes"] =
        static_cast<double>(resolver->table().memory()) / count;
  }
  state.counters["plan_bytes"] =
      static_cast<double>(with_plan - before) / count;
  for (auto _ : state) benchmark::DoNotOptimize(*Resolver::Create(plan));
}
BENCHMARK(BM_Compile)
    ->Args({ManyPatterns(), 0})
    ->Args({ManyPatterns(), ManyUsers()})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sallyport
