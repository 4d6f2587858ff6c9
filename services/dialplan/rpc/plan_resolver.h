// ResolveRoute: the plan compiled when it is asked for, and the answer.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_RESOLVER_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_RESOLVER_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/dialplan/io/plan_board.h"

namespace sallyport::dialplan {

// Routes by the committed plan. The plan is compiled at the first question
// after a change, once for all who ask; the others wait for it. Thread-safe.
class PlanResolver {
 public:
  // `board` must outlive this object.
  explicit PlanResolver(const PlanBoard& board) : board_(board) {}

  // The current version, compiled.
  absl::StatusOr<std::shared_ptr<const Resolver>> Current();

  // Answers a question. INVALID_ARGUMENT with a field violation if it is none;
  // a call that would be refused is an answer.
  absl::StatusOr<::sallyport::dialplan::v1::ResolveRouteResponse> Answer(
      const ::sallyport::dialplan::v1::ResolveRouteRequest& request);

 private:
  const PlanBoard& board_;
  absl::Mutex mutex_;
  std::shared_ptr<const Resolver> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_RESOLVER_H_
