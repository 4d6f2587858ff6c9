// What one change costs a consumer of the stream before it is in force: the
// delta applied, the plan put together and compiled.

#include "services/common/plan_snapshot/snapshot_state.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/plan_snapshot/plan_checksum.h"
#include "services/common/plan_snapshot/snapshot_proto.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// A whole region only when asked for: SALLYPORT_BENCH_LARGE=1 in the
// environment.
bool Large() { return std::getenv("SALLYPORT_BENCH_LARGE") != nullptr; }
int ManyUsers() { return Large() ? 1'000'000 : 1000; }
int ManyPatterns() { return Large() ? 100'000 : 1000; }
int ManyTenants() { return Large() ? 1000 : 10; }

std::string TenantAt(int i) { return absl::StrCat("tenants/t", i); }

pb::Resource PatternAt(int i, int tenants, const std::string& etag) {
  pb::Resource out;
  const std::string tenant = TenantAt(i % tenants);
  pb::RoutePattern& pattern = *out.mutable_route_pattern();
  pattern.set_name(absl::StrCat(tenant, "/routePatterns/r", i));
  pattern.set_etag(etag);
  pattern.set_pattern(absl::StrCat("9.1", 100000 + i, "XXXX"));
  pattern.set_peer(tenant + "/peers/gw");
  return out;
}

// Patterns, users, and the tenants that share them evenly.
void BM_OneChangeInForce(benchmark::State& state) {
  const int tenants = static_cast<int>(state.range(2));
  SnapshotState plan;
  PlanChecksum sum;
  pb::WatchSnapshotResponse full;
  full.set_version(1);
  const auto add = [&](const pb::Resource& resource) {
    sum.Add(NameOf(resource), EtagOf(resource));
    *full.mutable_full()->add_resources() = resource;
  };
  for (int t = 0; t < tenants; ++t) {
    pb::Resource tenant;
    tenant.mutable_tenant()->set_name(TenantAt(t));
    tenant.mutable_tenant()->add_domains(absl::StrCat("t", t, ".test"));
    add(tenant);
  }
  for (int i = 0; i < state.range(0); ++i) add(PatternAt(i, tenants, "1"));
  for (int i = 0; i < state.range(1); ++i) {
    pb::Resource user;
    user.mutable_user()->set_name(
        absl::StrCat(TenantAt(i % tenants), "/users/u", i));
    user.mutable_user()->set_username(absl::StrCat("u", i));
    user.mutable_user()->add_phone_numbers(absl::StrCat("+1201", 1000000 + i));
    add(user);
  }
  full.mutable_full()->set_last(true);
  full.set_checksum(sum.Hex());
  if (!plan.Apply(full).ok()) state.SkipWithError("the plan is refused");
  full.Clear();
  RegionPlan region;
  std::shared_ptr<const Resolver> in_force = *region.Apply(plan.TakeUpdate());
  std::string etag = "1";
  for (auto _ : state) {
    pb::WatchSnapshotResponse change;
    change.set_version(plan.version() + 1);
    change.mutable_delta()->set_base_version(plan.version());
    const pb::Resource before = PatternAt(0, tenants, etag);
    sum.Remove(NameOf(before), EtagOf(before));
    etag = absl::StrCat(change.version());
    const pb::Resource after = PatternAt(0, tenants, etag);
    sum.Add(NameOf(after), EtagOf(after));
    *change.mutable_delta()->add_upserted() = after;
    change.set_checksum(sum.Hex());
    if (!plan.Apply(change).ok()) state.SkipWithError("a change is refused");
    in_force = *region.Apply(plan.TakeUpdate());
  }
}
BENCHMARK(BM_OneChangeInForce)
    ->Args({ManyPatterns(), 0, ManyTenants()})
    ->Args({ManyPatterns(), ManyUsers(), ManyTenants()})
    ->Args({ManyPatterns(), ManyUsers(), 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sallyport
