// ResolveRoute: tenants compiled when they are asked about, and the answer.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_RESOLVER_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_RESOLVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/dialplan/core/record_map.h"
#include "services/dialplan/io/plan_board.h"

namespace sallyport::dialplan {

// One tenant of a plan, compiled; nothing refers from one tenant to another.
absl::StatusOr<std::shared_ptr<const Resolver>> CompileTenant(
    const PlanBoard::View& view, std::string_view tenant);

// Routes by the committed plan. Each tenant is compiled by itself, at the first
// question after it has changed, once for all who ask about it: so a write
// costs those who ask no more than the tenant that was written. Thread-safe.
class PlanResolver {
 public:
  // `board` must outlive this object.
  explicit PlanResolver(const PlanBoard& board) : board_(board) {}

  // The tenant at its newest, compiled, with the version of the plan; empty
  // for a tenant that does not exist.
  absl::StatusOr<std::shared_ptr<const Resolver>> Current(
      std::string_view tenant, int64_t* version);

  // Whether a question about the tenant is answered without compiling it, as
  // things are.
  bool IsCompiled(std::string_view tenant);

  // Answers a question. INVALID_ARGUMENT with a field violation if it is none;
  // a call that would be refused is an answer.
  absl::StatusOr<::sallyport::dialplan::v1::ResolveRouteResponse> Answer(
      const ::sallyport::dialplan::v1::ResolveRouteRequest& request);

 private:
  struct Tenant {
    absl::Mutex mutex;
    int64_t changed_version ABSL_GUARDED_BY(mutex) = -1;
    std::shared_ptr<const Resolver> resolver ABSL_GUARDED_BY(mutex);
  };

  std::shared_ptr<Tenant> TenantAt(std::string_view name);

  const PlanBoard& board_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Tenant>> tenants_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_RESOLVER_H_
