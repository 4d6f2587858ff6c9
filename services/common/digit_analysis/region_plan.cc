#include "services/common/digit_analysis/region_plan.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

std::string_view NameOf(const std::string& key) {
  return std::string_view(key).substr(0, key.size() - 1);
}

std::vector<std::string> ClaimsOf(
    const std::shared_ptr<const Resolver>& tenant) {
  return tenant == nullptr ? std::vector<std::string>()
                           : tenant->index().Claims();
}

// Whether a claimant's name comes before another's.
bool IsBefore(const std::string& a, const std::string& b) {
  return a + "/" < b + "/";
}

}  // namespace

void RegionPlan::Replace(const std::string& key,
                         std::shared_ptr<const Resolver> next) {
  const auto it = tenants_.find(key);
  const std::vector<std::string> before =
      ClaimsOf(it == tenants_.end() ? nullptr : it->second);
  const std::vector<std::string> after = ClaimsOf(next);
  const std::string name(NameOf(key));
  std::vector<std::string> changed;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(changed));
  for (const std::string& claim : changed) {
    PlanIndex::Region::Claimants left = *claims_.Find(claim);
    left.erase(std::find(left.begin(), left.end(), name));
    if (left.empty()) {
      claims_.Erase(claim);
    } else {
      claims_.Put(claim, std::move(left));
    }
  }
  changed.clear();
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(changed));
  for (const std::string& claim : changed) {
    const auto* found = claims_.Find(claim);
    PlanIndex::Region::Claimants all =
        found == nullptr ? PlanIndex::Region::Claimants() : *found;
    all.insert(std::upper_bound(all.begin(), all.end(), name, IsBefore), name);
    claims_.Put(claim, std::move(all));
  }
  if (next != nullptr) {
    tenants_[key] = std::move(next);
  } else if (it != tenants_.end()) {
    tenants_.erase(it);
  }
}

absl::StatusOr<std::shared_ptr<const Resolver>> RegionPlan::Apply(
    PlanUpdate update) {
  // What could not be compiled before comes first: the update may replace it.
  std::map<std::string, std::shared_ptr<const PlanSnapshot>> touched;
  if (!update.all) {
    update.all = late_.all;
    for (auto& tenant : late_.tenants) touched[tenant.name] = tenant.plan;
  }
  for (auto& tenant : update.tenants) {
    touched[tenant.name] = std::move(tenant.plan);
  }
  late_ = {};
  std::vector<std::pair<std::string, std::shared_ptr<const Resolver>>> compiled;
  for (const auto& [name, plan] : touched) {
    absl::StatusOr<std::shared_ptr<const Resolver>> one = nullptr;
    if (plan != nullptr) one = Resolver::Create(plan);
    if (!one.ok()) {
      late_.all = update.all;
      for (const auto& [n, p] : touched) late_.tenants.push_back({n, p});
      return one.status();
    }
    compiled.emplace_back(name + "/", *std::move(one));
  }
  if (update.all) {
    std::vector<std::string> gone;
    for (const auto& [key, tenant] : tenants_) {
      if (touched.count(std::string(NameOf(key))) == 0) gone.push_back(key);
    }
    for (const std::string& key : gone) Replace(key, nullptr);
  }
  for (auto& [key, tenant] : compiled) Replace(key, std::move(tenant));

  PlanIndex::Region region;
  region.version = update.version;
  region.checksum = std::move(update.checksum);
  region.tenants.reserve(tenants_.size());
  region.in_order.reserve(tenants_.size());
  region.claims = claims_;
  Resolver::Tenants tenants;
  tenants.reserve(tenants_.size());
  for (const auto& [key, tenant] : tenants_) {
    region.tenants.emplace(NameOf(key), &tenant->index());
    region.in_order.push_back(&tenant->index());
    tenants.emplace(NameOf(key), tenant);
  }
  return Resolver::OfRegion(std::move(tenants), std::move(region));
}

}  // namespace sallyport
