#include "services/signaling_edge/core/served_plans.h"

#include <algorithm>

#include "services/common/digit_analysis/plan_defaults.h"

namespace sallyport::signaling_edge {
namespace {

bool IsServed(const PlanIndex& index, const DialPlanEntry& plan,
              std::string_view edge) {
  if (edge.empty()) return true;
  if (plan.edges.empty()) {
    const TenantEntry* tenant = index.Tenant(TenantOf(plan.name));
    return tenant == nullptr || !tenant->IsRtm(edge);
  }
  return std::find(plan.edges.begin(), plan.edges.end(), edge) !=
         plan.edges.end();
}

}  // namespace

bool ServesPlan(const PlanIndex& index, std::string_view dial_plan,
                std::string_view edge) {
  const DialPlanEntry* plan = index.DialPlan(dial_plan);
  return plan == nullptr || IsServed(index, *plan, edge);
}

bool ServesSecuredPlan(const PlanIndex& index, std::string_view edge) {
  bool out = false;
  index.ForEach<DialPlanEntry>([&](const DialPlanEntry& plan) {
    out = out || (plan.security_mode != SecurityMode::kUnsecured &&
                  IsServed(index, plan, edge));
  });
  return out;
}

bool ServesAnyPlan(const PlanIndex& index, std::string_view edge) {
  bool out = false;
  index.ForEach<DialPlanEntry>([&](const DialPlanEntry& plan) {
    out = out || IsServed(index, plan, edge);
  });
  return out;
}

bool FollowsRtm(const PlanIndex& index, std::string_view edge) {
  bool out = false;
  index.ForEach<TenantEntry>(
      [&](const TenantEntry& tenant) { out = out || tenant.IsRtm(edge); });
  return out;
}

}  // namespace sallyport::signaling_edge
