// ListPlanFindings: what is most likely not meant in a tenant's plan.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_FINDING_METHODS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_FINDING_METHODS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sallyport/dialplan/v1/apply_changes.pb.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/rpc/job_thread.h"
#include "services/dialplan/rpc/page_token.h"

namespace sallyport::dialplan {

::sallyport::dialplan::v1::PlanFinding FindingProto(const NamedFault& finding);

// Looks at every resource of a tenant, on a thread of its own; keeps what it
// found last, for the pages behind the first. Thread-safe.
class FindingMethods {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // `board` must outlive this object. `key` is the store's own.
  FindingMethods(const PlanBoard& board, const std::string& key);

  // `request` and `response` live until `done`. NOT_FOUND for a tenant that is
  // none, INVALID_ARGUMENT for a page that is none, RESOURCE_EXHAUSTED (reason
  // EVALUATIONS_WAITING) if too many wait.
  void List(const ::sallyport::dialplan::v1::ListPlanFindingsRequest& request,
            ::sallyport::dialplan::v1::ListPlanFindingsResponse& response,
            Done done);

 private:
  // Of one tenant at one version.
  struct Found {
    std::string tenant;
    int64_t version = -1;
    std::vector<NamedFault> findings;  // by resource
  };

  void LookAt(const std::string& tenant);

  const PlanBoard& board_;
  const PageTokens tokens_;
  Found found_;       // the thread's
  JobThread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_FINDING_METHODS_H_
