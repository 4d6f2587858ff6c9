// Where a call goes, and why.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/caller_context.h"
#include "services/common/digit_analysis/dialling_policy.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/plan_table.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/status/check.h"

namespace sallyport {

// Routes by one snapshot, or by those of a region's tenants, each compiled by
// itself; replaced when the next comes. Pointers in a Resolution live as long
// as the resolver. Immutable.
class Resolver {
 public:
  // Translations and forwards that one call may go through.
  static constexpr size_t kMaxLookups = 16;

  // Compiles the snapshot, whose defaults must be resolved. A pattern that
  // cannot be compiled is an error that names it: kInvalidArgument, reason as
  // DialPattern::Parse gives it.
  static absl::StatusOr<std::shared_ptr<const Resolver>> Create(
      std::shared_ptr<const PlanSnapshot> snapshot);
  // By tenant's name. RegionPlan calls it.
  using Tenants =
      absl::flat_hash_map<std::string, std::shared_ptr<const Resolver>>;
  static std::shared_ptr<const Resolver> OfRegion(Tenants tenants,
                                                  PlanIndex::Region region);

  const PlanIndex& index() const { return index_; }
  // That of one tenant; itself if it is of one snapshot. One of nothing if
  // there is no such tenant.
  const Resolver& Of(std::string_view tenant) const;

  // Of one that is of one snapshot.
  const PlanSnapshot& snapshot() const { return index_.snapshot(); }
  const PlanTable& table() const {
    SP_CHECK(callers_.has_value());
    return table_;
  }
  const CallerIndex& callers() const {
    SP_CHECK(callers_.has_value());
    return *callers_;
  }

  // The call path: the cost grows with the number's length and the caller's
  // partitions, not with the plan.
  Resolution Resolve(const RouteQuery& query) const;

  // The same decision with every candidate, why it lost, and each step. Looks
  // at every pattern of the tenant: for operators.
  Resolution Explain(const RouteQuery& query) const;

 private:
  class Run;

  explicit Resolver(std::shared_ptr<const PlanSnapshot> snapshot);
  Resolver(Tenants tenants, PlanIndex::Region region)
      : tenants_(std::move(tenants)), index_(std::move(region)) {}

  const Tenants tenants_;  // of a region; index_ points into them
  const PlanIndex index_;
  // Of a snapshot.
  std::optional<CallerIndex> callers_;
  PlanTable table_;
  DiallingPolicy policy_;
  // The default of each tenant, by its name.
  absl::flat_hash_map<std::string_view, const VoicemailProfileEntry*>
      default_profiles_;
  absl::flat_hash_map<std::string_view, const VoicemailPilotEntry*>
      default_pilots_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_
