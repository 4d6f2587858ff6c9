// Where a call goes, and why.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
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

namespace sallyport {

// Routes by one snapshot; replaced whole when the next comes. Pointers in a
// Resolution live as long as the resolver. Immutable.
class Resolver {
 public:
  // Translations and forwards that one call may go through.
  static constexpr size_t kMaxLookups = 16;

  // Compiles the snapshot, whose defaults must be resolved. A pattern that
  // cannot be compiled is an error that names it: kInvalidArgument, reason as
  // DialPattern::Parse gives it.
  static absl::StatusOr<std::shared_ptr<const Resolver>> Create(
      std::shared_ptr<const PlanSnapshot> snapshot);

  const PlanIndex& index() const { return index_; }
  const PlanSnapshot& snapshot() const { return index_.snapshot(); }
  const PlanTable& table() const { return table_; }
  const CallerIndex& callers() const { return callers_; }

  // The call path: the cost grows with the number's length and the caller's
  // partitions, not with the plan.
  Resolution Resolve(const RouteQuery& query) const;

  // The same decision with every candidate, why it lost, and each step. Looks
  // at every pattern of the tenant: for operators.
  Resolution Explain(const RouteQuery& query) const;

 private:
  class Run;

  explicit Resolver(std::shared_ptr<const PlanSnapshot> snapshot);

  PlanIndex index_;
  CallerIndex callers_;
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
