// Where a call goes, and why.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/digit_analysis/route_table.h"

namespace sallyport {

// Routes by one snapshot; replaced whole when the next comes. Pointers in a
// Resolution live as long as the resolver. Immutable.
class Resolver {
 public:
  // Compiles the snapshot, whose defaults must be resolved. A pattern that
  // cannot be compiled is an error that names it: kInvalidArgument, reason as
  // DialPattern::Parse gives it.
  static absl::StatusOr<std::shared_ptr<const Resolver>> Create(
      std::shared_ptr<const PlanSnapshot> snapshot);

  const PlanIndex& index() const { return index_; }
  const PlanSnapshot& snapshot() const { return index_.snapshot(); }

  // The call path: the cost grows with the number's length and the caller's
  // partitions, not with the plan.
  Resolution Resolve(const RouteQuery& query) const;

  // The same decision with every candidate, why it lost, and each step. Looks
  // at every pattern of the tenant: for operators.
  Resolution Explain(const RouteQuery& query) const;

 private:
  // What a row of the table stands for: exactly one is set.
  struct Target {
    const RoutePatternEntry* pattern = nullptr;
    const UserEntry* user = nullptr;
  };
  // Partitions to look in, as spaces of the table, in order.
  using Spaces = absl::InlinedVector<uint32_t, 16>;

  explicit Resolver(std::shared_ptr<const PlanSnapshot> snapshot);

  absl::Status Compile();
  uint32_t SpaceOf(std::string_view tenant, std::string_view partition);
  Resolution Run(const RouteQuery& query, bool explain) const;
  void RouteToUser(const UserEntry& user, Resolution& out) const;
  void RouteByPattern(const RouteQuery& query, const DialPattern& pattern,
                      const RoutePatternEntry& entry, std::string_view number,
                      bool explain, Resolution& out) const;
  const UserEntry* UserByName(const RouteQuery& query) const;
  Spaces Reachable(std::string_view tenant, std::string_view search_space,
                   bool explain, Resolution& out) const;

  PlanIndex index_;
  RouteTable table_;
  std::vector<Target> targets_;  // by row
  // Spaces by partition name; a tenant's null partition goes by the tenant's
  // own name. Disabled partitions have none.
  absl::flat_hash_map<std::string, uint32_t> spaces_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLVER_H_
