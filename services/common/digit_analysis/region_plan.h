// The plan of a region, compiled tenant by tenant.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REGION_PLAN_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REGION_PLAN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/digit_analysis/shared_map.h"

namespace sallyport {

// What a new version changes: each tenant that it touched, whole.
struct PlanUpdate {
  struct Tenant {
    std::string name;
    // With its defaults resolved; null if nothing of it is left.
    std::shared_ptr<const PlanSnapshot> plan;
  };

  int64_t version = 0;
  std::string checksum;
  bool all = false;  // tenants that are not among these are gone
  std::vector<Tenant> tenants;
};

// Compiles the tenants that an update touches and shares the rest with the
// versions before: one change costs its own tenant, and some microseconds for
// each tenant of the region. Nothing refers from one tenant to another.
// Thread-compatible; what it returns lives by itself.
class RegionPlan {
 public:
  // The plan after `update`. What cannot be compiled is an error, as of
  // Resolver::Create; the tenants are then compiled with the next update, and
  // the version stays as it was.
  absl::StatusOr<std::shared_ptr<const Resolver>> Apply(PlanUpdate update);

 private:
  using Claims = SharedMap<PlanIndex::Region::Claimants>;

  void Replace(const std::string& key, std::shared_ptr<const Resolver> next);

  // By name and "/", which is the order of the names of what they hold.
  std::map<std::string, std::shared_ptr<const Resolver>> tenants_;
  Claims claims_;
  PlanUpdate late_;  // could not be compiled
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REGION_PLAN_H_
